"""`carevouch scan`: a person finds the events about themselves in a copy of the public log.

The secret stays on this machine. No request to a log depends on it, and no output has it.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from carevouch.cli.files import read_bytes, read_text, read_vkey
from carevouch.cli.frame import NEGATIVE, OK
from carevouch.cli.log.audit import files_in
from carevouch.cli.log.report import log_progress
from carevouch.cli.log.source import read_log
from carevouch.identity.secret import SECRET_BYTES, open_secret
from carevouch.kernel.encoding import unb64u
from carevouch.kernel.errors import Invalid, Malformed
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import private_key
from carevouch.ledger.walk import Finding
from carevouch.verifier.holdings import Holdings, verify_holdings
from carevouch.verifier.scan import EventAbout, find_untagged, mirror_genesis, scan_mirror


def run(args: Namespace) -> int:
    """Scan the mirror, and return the exit status."""
    if args.openings and not args.key:
        raise Invalid("openings need the log's --key, under which they are verified")
    secret = read_secret(args.secret, args.device_key)
    key = read_vkey(args.key) if args.key else None
    read_many = read_log(args.log)
    genesis = mirror_genesis(read_many, key)
    holdings = verify_holdings([], files_in(args.openings), read_text, genesis)
    verified = key is not None
    events = list(scan_mirror(read_many, genesis, secret, verified=verified, progress=log_progress))
    findings = [*holdings.findings, *find_untagged(holdings.openings, secret)]
    if args.json:
        print(render(_json(events, holdings, findings)).decode())
    else:
        print("\n".join(_words(events, holdings, findings, verified=verified)))
    return NEGATIVE if findings else OK


def read_secret(file: str, device_key: str | None) -> bytes:
    """The subject secret in a file; raises `Malformed` or `OSError`, without the content of the file."""
    data = read_bytes(file)
    if len(data) == SECRET_BYTES:
        return data
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise Malformed(
            f"{file} is not a subject secret, which is 32 bytes, their base64url, or a JWE"
        ) from error
    if text.startswith("{"):
        answer = parse(data, file)
        text = str(answer.get("jwe", ""))
    if text.count(".") == 4:
        if device_key is None:
            raise Invalid(f"{file} is encrypted to your device: give its private key with --device-key")
        return open_secret(text, private_key(parse(read_text(device_key), device_key)))
    secret = unb64u(text, file)
    if len(secret) != SECRET_BYTES:
        raise Malformed(f"{file} does not hold {SECRET_BYTES} bytes")
    return secret


def _words(
    events: Sequence[EventAbout], holdings: Holdings, findings: Sequence[Finding], *, verified: bool
) -> list[str]:
    files = _files_by_event(holdings)
    lines = []
    for about in sorted(events, key=lambda one: (one.event.time, one.strand, one.index)):
        event = about.event
        line = f"{event.time}  {event.type}  by {event.producer}  strand {about.strand}, entry {about.index}"
        if holdings.openings:
            line += f"  {', '.join(files.get(event.id, ['no opening held']))}"
        lines.append(line)
    count = len({about.event.id for about in events if about.event.id in files})
    shown = f", you hold openings of {count}" if holdings.openings else ""
    lines.append(f"{len(events)} events about you{shown}")
    absent = sorted(set(files) - {about.event.id for about in events})
    lines += [f"{', '.join(files[name])}: its event is not among them" for name in absent]
    lines += [f"{item.code}: {item.where}: {item.message}" for item in findings]
    return lines if verified else [*lines, "signatures were not checked; give the log's --key"]


def _json(events: Sequence[EventAbout], holdings: Holdings, findings: Sequence[Finding]) -> dict[str, object]:
    files = _files_by_event(holdings)
    return {
        "events": [
            {
                "time": about.event.time,
                "type": about.event.type,
                "producer": about.event.producer,
                "strand": about.strand,
                "index": about.index,
                "id": about.event.id,
                "openings": files.get(about.event.id, []),
            }
            for about in events
        ],
        "findings": [{"code": one.code, "where": one.where, "message": one.message} for one in findings],
    }


def _files_by_event(holdings: Holdings) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for file, proved in holdings.openings:
        files.setdefault(proved.event.id, []).append(Path(file).name)
    return files
