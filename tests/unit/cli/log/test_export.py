"""`carevouch export`: an export that was copied into a folder, whole, damaged, and none."""

import json
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.cli.frame import BAD_INPUT, NEGATIVE, OK
from tests.service.exporter.exports import PREFIX, Place

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def place() -> Place:
    """Two strands, of which the first has blocks before, in and after the span."""
    place = Place(strands=2)
    for strand in (0, 0, 1, 0, 0):
        place.block(strand, events=2)
    assert place.export(2, 5)["status"] == "completed"
    return place


@pytest.fixture
def folder(place: Place, tmp_path: Path) -> Path:
    for name, data in place.exports.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def run(place: Place, folder: Path, *more: str, key: str = "") -> int:
    return main(["export", str(folder), "--key", key or place.verifier.vkey, *more])


def objects(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def test_a_whole_export_is_told_strand_by_strand(place: Place, folder: Path, capsys: Capture) -> None:
    assert run(place, folder) == OK
    said = capsys.readouterr().out
    assert "strand 0: 2 blocks" in said
    assert "strand 1: 1 blocks" in said
    assert "more may belong to it" in said
    assert run(place, folder, "--json") == OK
    (told,) = json.loads(capsys.readouterr().out)
    assert [(one["blocks"], one["closed"]) for one in told["strands"]] == [(2, True), (1, False)]


def test_a_flipped_byte_is_refused_and_the_file_named(place: Place, folder: Path, capsys: Capture) -> None:
    path = objects(folder)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    assert run(place, folder) == NEGATIVE
    assert path.name in capsys.readouterr().err


def test_a_missing_object_is_named(place: Place, folder: Path, capsys: Capture) -> None:
    path = objects(folder)[-1]
    path.unlink()
    assert run(place, folder) == NEGATIVE
    assert f"{path.name} is missing" in capsys.readouterr().err


def test_another_key_verifies_nothing(place: Place, folder: Path) -> None:
    assert run(place, folder, key=Place().verifier.named("log.other").vkey) == NEGATIVE


def test_what_is_no_export_is_bad_input(place: Place, tmp_path: Path, capsys: Capture) -> None:
    assert run(place, tmp_path) == BAD_INPUT
    assert "into which an export was copied" in capsys.readouterr().err
    assert run(place, tmp_path, key="log+00000000+AQ==") == BAD_INPUT


def test_an_object_is_never_read_outside_of_the_export(place: Place, folder: Path, tmp_path: Path) -> None:
    """A link that leads out is as good as missing."""
    path = objects(folder)[0]
    outside = tmp_path.parent / "outside.jsonl"
    path.rename(outside)
    path.symlink_to(outside)
    assert PREFIX in str(path)
    assert run(place, folder) == NEGATIVE
