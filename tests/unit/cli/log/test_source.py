"""Reading a log over HTTP: patience that has an end, whole answers, and sentences for what cannot be read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from carevouch.kernel.errors import Unreachable
from carevouch.remote.http import MAX_WAIT, PATIENT, get, reading
from tests.unit.cli.log.logs import Deployment, carevouch, read

# What a server answers next: a status, headers, and the body.
Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(answers: list[Answer]) -> Iterator[str]:
    """A server that gives these answers, one after the other, then the last one for ever."""

    class Script(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, value in ({"Content-Length": f"{len(body)}"} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            return

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Script)) as url:
        yield url


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_busy_server_is_asked_again_after_the_time_it_names() -> None:
    waited: list[float] = []
    busy = [(429, {"Retry-After": "7"}, b""), (503, {}, b""), (502, {"Retry-After": "a date"}, b"")]
    with answering([*busy, (200, {}, b"a tile")]) as url:
        assert get(url, PATIENT, waited.append) == b"a tile"
    assert waited == [7, PATIENT.waits[1], PATIENT.waits[2]]


def test_patience_has_an_end_and_no_server_asks_for_hours() -> None:
    waited: list[float] = []
    with (
        answering([(429, {"Retry-After": "86400"}, b"")]) as url,
        pytest.raises(Unreachable, match="answered 429"),
    ):
        get(url, PATIENT, waited.append)
    assert waited == [MAX_WAIT] * len(PATIENT.waits)


def test_an_answer_that_breaks_off_is_asked_for_again_and_never_taken_for_the_file() -> None:
    waited: list[float] = []
    with answering([(200, {"Content-Length": "9"}, b"half"), (200, {}, b"the whole")]) as url:
        assert get(url, PATIENT, waited.append) == b"the whole"
    with (
        answering([(200, {"Content-Length": "9"}, b"half")]) as url,
        pytest.raises(Unreachable, match="ends too early"),
    ):
        get(url, PATIENT, waited.append)
    assert waited == [PATIENT.waits[0], *PATIENT.waits]


@pytest.mark.parametrize("status", [400, 401, 403, 501])
def test_a_refusal_is_not_asked_again(status: int) -> None:
    waited: list[float] = []
    with answering([(status, {}, b"")]) as url, pytest.raises(Unreachable, match=f"answered {status}"):
        get(url, PATIENT, waited.append)
    assert waited == []


def test_what_is_not_there_is_none_and_nobody_listening_is_said_at_once() -> None:
    waited: list[float] = []
    with answering([(404, {}, b"")]) as url:
        assert get(url, PATIENT, waited.append) is None
    with pytest.raises(Unreachable, match="cannot be reached"):
        get(url, PATIENT, waited.append)
    assert waited == []


def test_several_are_read_in_the_order_asked_for() -> None:
    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path[1:].encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as url:
        assert reading(url, PATIENT)([f"{at}" for at in range(50)]) == [b"%d" % at for at in range(50)]


def test_a_log_behind_a_url_is_mirrored_over_its_hiccups(tmp_path: Path) -> None:
    files, hiccups = Deployment().grow(300).files(), ["0/tile/0/000.p/152", "super/checkpoint"]

    class Ledger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            if path in hiccups:
                hiccups.remove(path)
                self.send_response(429)
                self.send_header("Retry-After", "0")
                self.end_headers()
                return
            self.send_response(200 if path in files else 404)
            self.end_headers()
            self.wfile.write(files.get(path, b""))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            return

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Ledger)) as url:
        assert carevouch("mirror", f"{url}/", tmp_path / "copy") == 0
    assert read(tmp_path / "copy") == files
