"""`carevouch audit`: over a folder and over a URL, in words and as JSON."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.events.genesis import genesis_text
from carevouch.ledger.note import Ed25519InMemory, Verifier, sign_note
from tests.unit.cli.log.logs import carevouch
from tests.unit.sealing.acts import ORIGIN, House
from tests.unit.verifier.test_strand import honest, log_of

HOUSE = House()
VKEY = Verifier(ORIGIN, HOUSE.log.public).vkey
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A log's files as served under /ledger, from before there were super-logs."""
    write(tmp_path / "log" / "0", log_of(honest()))
    write(tmp_path / "log", {"genesis": sign_note(genesis_text(HOUSE.genesis), ORIGIN, HOUSE.log)})
    write(tmp_path, {"old": log_of(honest()[:4])["checkpoint"]})
    return tmp_path / "log"


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run(*arguments: str, key: str = VKEY) -> int:
    return main(["audit", *arguments, "--no-super", "--key", key])


def test_a_sound_log_is_counted_and_nothing_is_wrong(mirror: Path, capsys: Capture) -> None:
    assert run(str(mirror), "--against", str(mirror.parent / "old")) == 0
    said = capsys.readouterr().out
    assert "10 entries in 3 blocks; 6 events by 1 keys, 1 certificates, 0 rejections" in said
    assert "old checkpoint of 4 entries" in said
    assert "nothing is wrong" in said


def test_a_log_of_one_strand_may_lie_in_the_folder_itself(mirror: Path) -> None:
    assert run(str(mirror / "0"), "--genesis", str(mirror / "genesis")) == 0


@pytest.mark.parametrize("alone", [False, True], ids=["a log", "a strand in the folder itself"])
def test_a_log_without_its_super_log_passes_only_for_those_who_say_so(
    alone: bool, mirror: Path, capsys: Capture
) -> None:
    log = mirror / "0" if alone else mirror
    words = ["audit", log, "--genesis", mirror / "genesis"]
    assert carevouch(*words, key=VKEY) == 1
    assert "missing: super-log checkpoint: there is no super-log" in capsys.readouterr().out
    assert carevouch(*words, "--no-super", key=VKEY) == 0


def test_findings_are_lines_and_status_1(mirror: Path, capsys: Capture) -> None:
    (mirror / "0" / "tile" / "0" / "000.p" / "10").write_bytes(bytes(320))
    assert run(str(mirror)) == 1
    assert (
        "tile: strand 0, tile/0/000.p/10: the tile does not match the entries below it"
        in capsys.readouterr().out
    )


def test_a_fork_of_the_old_checkpoint_is_found(mirror: Path, capsys: Capture) -> None:
    entries = honest()
    write(mirror.parent, {"fork": log_of([*entries[:2], *entries[3:5]])["checkpoint"]})
    assert run(str(mirror), "--against", str(mirror.parent / "fork"), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert [item["code"] for item in report["findings"]] == ["fork"]
    assert report["strands"][0]["size"] == 10


def test_a_log_that_serves_another_genesis_than_the_one_kept_is_found(mirror: Path, capsys: Capture) -> None:
    kept = mirror.parent / "kept"
    kept.write_bytes((mirror / "genesis").read_bytes())
    (mirror / "genesis").write_bytes(b"another")
    assert run(str(mirror), "--genesis", str(kept)) == 1
    assert "another genesis" in capsys.readouterr().out


def test_every_flipped_byte_of_genesis_is_refused(mirror: Path, capsys: Capture) -> None:
    data = (mirror / "genesis").read_bytes()
    for at in range(0, len(data), 7):
        broken = bytearray(data)
        broken[at] ^= 1
        (mirror / "genesis").write_bytes(bytes(broken))
        assert run(str(mirror)) == 1
        assert "carevouch audit: refused: genesis: " in capsys.readouterr().err


def test_bad_input_is_one_sentence(mirror: Path, capsys: Capture) -> None:
    assert run(str(mirror / "nothing")) == 2
    assert run(str(mirror), key="no key") == 2
    assert run(str(mirror), "--against", str(mirror / "absent")) == 2
    assert run(str(mirror / "0")) == 2
    assert all(line.startswith("carevouch audit: ") for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
@pytest.mark.parametrize("option", ["--genesis", "--against"])
def test_a_kept_file_that_holds_no_text_is_bad_input(
    option: str, content: bytes, mirror: Path, capsys: Capture
) -> None:
    (mirror.parent / "kept").write_bytes(content)
    assert run(str(mirror), option, str(mirror.parent / "kept")) == 2
    assert "kept is" in capsys.readouterr().err


def test_another_key_is_refused(mirror: Path, capsys: Capture) -> None:
    other = Verifier(ORIGIN, Ed25519InMemory(bytes(32)).public).vkey
    assert run(str(mirror), key=other) == 1
    assert "no signature by the key" in capsys.readouterr().err


class Quiet(SimpleHTTPRequestHandler):
    """Like a gateway, it gives bytes as they are only to a client that names them first."""

    def do_GET(self) -> None:
        if not self.headers.get("Accept", "").startswith("application/octet-stream"):
            self.send_error(406)
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        return


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_log_behind_a_url_is_audited_like_a_folder(mirror: Path, capsys: Capture) -> None:
    with served(mirror) as url:
        assert run(f"{url}/") == 0
        (mirror / "0" / "checkpoint").unlink()
        assert run(url) == 1
    assert run(url) == 2
    assert "cannot be reached" in capsys.readouterr().err


def test_an_answer_that_is_not_http_is_bad_input(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            met, _ = server.accept()
            with met:
                met.recv(4096)
                met.sendall(b"nothing of the kind\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert run(f"http://127.0.0.1:{server.getsockname()[1]}") == 2
        thread.join()
    assert "does not answer as HTTP" in capsys.readouterr().err
