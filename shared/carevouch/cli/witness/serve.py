"""`carevouch witness serve`: runs a witness on one machine, with tlog-witness over plain HTTP on 127.0.0.1.

Put a TLS proxy before it if other machines need it. Requests are bounded in size and time. A state is on the
disk before its answer is sent.
"""

import time
from argparse import Namespace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from carevouch.cli.files import read_text
from carevouch.cli.frame import OK
from carevouch.cli.witness.audit import TerminalTelemetry, clock
from carevouch.cli.witness.files import WitnessFiles, read_key
from carevouch.remote.http import reading
from carevouch.witness.auditor import Cosigner
from carevouch.witness.logs import parse_logs
from carevouch.witness.request import MAX_REQUEST, TEXT
from carevouch.witness.watch import Enough
from carevouch.witness.witness import Witness, WitnessAnswer

HOST = "127.0.0.1"
# The seconds that a client may be silent.
PATIENCE_SECONDS = 10.0
# The seconds that an audit reads in one request. A client waits three seconds and comes again.
AUDIT_SECONDS = 2.0
ADD, CHECKPOINT = "/add-checkpoint", "/checkpoint"


def run(args: Namespace) -> int:
    """Serve until interrupted."""
    logs, signer = parse_logs(read_text(args.logs).decode("utf-8")), read_key(Path(args.key))
    with WitnessFiles(Path(args.state)) as store:
        telemetry = TerminalTelemetry()
        auditor = Cosigner(store, telemetry, spell, reading)
        witness = Witness(logs, store, signer, clock, telemetry, auditor)
        with WitnessServer(witness, args.port) as server:
            print(f"{signer.name} cosigns {len(logs)} logs at {server.url}", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("stopped")
    return OK


def spell() -> Enough:
    """Begin a step of reading. The returned function says whether the step has lasted long enough."""
    until = time.monotonic() + AUDIT_SECONDS
    return lambda: time.monotonic() > until


class WitnessServer(ThreadingHTTPServer):
    """The HTTP server of a witness. Its submission and monitoring prefixes are the root."""

    daemon_threads = True

    def __init__(self, witness: Witness, port: int = 0) -> None:
        """Port 0 takes a free port. Raises `OSError` if the port is taken."""
        self.witness = witness
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """The URL for a policy, for clients on this machine."""
        return f"http://{HOST}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "carevouch-witness", ""
    timeout = PATIENCE_SECONDS
    server: WitnessServer

    def do_POST(self) -> None:
        """Answer `add-checkpoint`."""
        length = self.headers.get("Content-Length", "")
        if self.path != ADD:
            self._refuse(404, "post to /add-checkpoint\n")
        elif not (length.isascii() and length.isdigit() and len(length) <= 9):
            self._refuse(411, "say how long the request is\n")
        elif int(length) > MAX_REQUEST:
            self._refuse(413, f"a request is at most {MAX_REQUEST} bytes long\n")
        else:
            self._send(self.server.witness.add_checkpoint(self.rfile.read(int(length))))

    def do_GET(self) -> None:
        """Answer with a cosigned checkpoint: `/<hex of SHA-256 of the origin>/checkpoint`."""
        name = self.path[1:].removesuffix(CHECKPOINT)
        note = self.server.witness.checkpoint(name) if self.path.endswith(CHECKPOINT) else None
        if note is None:
            self._send(WitnessAnswer(404, "no checkpoint of such a log was cosigned\n"))
        else:
            self._send(WitnessAnswer(200, note.decode("utf-8")))

    def _refuse(self, status: int, said: str) -> None:
        """Answer without reading the body. The connection cannot be used again."""
        self.close_connection = True
        self._send(WitnessAnswer(status, said, TEXT, {"Connection": "close"}))

    def _send(self, answer: WitnessAnswer) -> None:
        body = answer.body.encode("utf-8")
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
