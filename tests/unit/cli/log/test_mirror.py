"""`carevouch mirror`: what it keeps is the log, whatever happens on the way; what is not, it refuses."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carevouch.cli.log.folder import MirrorFolder
from carevouch.cli.log.mirror import mirror
from carevouch.cli.log.source import read_log
from carevouch.ledger.checkpoint import parse_checkpoint
from carevouch.ledger.note import Note, parse_note, parse_vkey, render_note
from carevouch.ledger.tiles import all_tiles
from tests.unit.cli.log.logs import VKEY, Deployment, Witness, carevouch, cosigned, read, write
from tests.unit.ledger.logs import TESSERA, MemoryLog, numbered, tessera_log
from tests.unit.ledger.logs import VERIFIER as PLAIN
from tests.unit.sealing.acts import ORIGIN, Producer

Capture = pytest.CaptureFixture[str]


def copy(source: Path, into: Path) -> int:
    return carevouch("mirror", source, into)


def test_a_copy_has_every_file_of_the_log_and_passes_its_audit(tmp_path: Path, capsys: Capture) -> None:
    source = Deployment().grow(600).write(tmp_path / "log")
    assert copy(source, tmp_path / "copy") == 0
    assert read(tmp_path / "copy") == read(source)
    assert f"{ORIGIN}/super: 2 entries, 2 of them new" in capsys.readouterr().out
    assert carevouch("audit", tmp_path / "copy") == 0


def test_a_second_run_reads_only_what_is_new(tmp_path: Path) -> None:
    deployment = Deployment(strands=1).grow(600)
    source = deployment.write(tmp_path / "log")
    assert copy(source, tmp_path / "copy") == 0
    deployment.grow(10).write(source)
    requested: list[str] = []

    def read_noted(paths: Sequence[str]) -> list[bytes | None]:
        requested.extend(paths)
        return read_log(str(source))(paths)

    mirror(read_noted, MirrorFolder(tmp_path / "copy"), parse_vkey(VKEY))
    assert "0/tile/entries/000" not in requested
    assert "0/tile/entries/001" not in requested
    assert carevouch("audit", tmp_path / "copy") == 0


def test_partial_tiles_go_once_they_are_full_and_not_before(tmp_path: Path) -> None:
    deployment = Deployment(strands=1)
    for count in (100, 100, 100):
        assert copy(deployment.grow(count).write(tmp_path / "log"), tmp_path / "copy") == 0
        kept = sorted(path for path in read(tmp_path / "copy") if path.startswith("0/tile/0/"))
    assert kept == ["0/tile/0/000", "0/tile/0/001.p/48"]


def test_what_is_up_to_date_is_left_alone_and_later_cosignatures_are_kept(tmp_path: Path) -> None:
    deployment = Deployment().grow(5)
    source = deployment.write(tmp_path / "log")
    assert copy(source, tmp_path / "copy") == copy(source, tmp_path / "copy") == 0
    checkpoint = source / "super" / "checkpoint"
    alone = checkpoint.read_bytes()
    for witness in ("late", "later"):  # A server that shows each of them its own line alone.
        checkpoint.write_bytes(cosigned(alone, [Witness(witness)]))
        assert copy(source, tmp_path / "copy") == 0
    checkpoint.write_bytes(alone)
    assert copy(source, tmp_path / "copy") == 0
    kept = (tmp_path / "copy" / "super" / "checkpoint").read_bytes()
    assert kept == cosigned(alone, [Witness("late"), Witness("later")])


class Cut(Exception):
    """The power failed."""


class Frail(MirrorFolder):
    """A folder in which the power fails at the write number `at`: before it, or after it."""

    def __init__(self, folder: Path, at: int, *, after: bool) -> None:
        super().__init__(folder)
        self.left, self.after = at, after

    def put(self, path: str, data: bytes) -> None:
        self._around(lambda: super(Frail, self).put(path, data))

    def rename(self, path: str, new: str) -> None:
        self._around(lambda: super(Frail, self).rename(path, new))

    def remove(self, path: str) -> None:
        self._around(lambda: super(Frail, self).remove(path))

    def _around(self, write: Callable[[], None]) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Cut
        write()
        if self.left == 0:
            raise Cut


def run(source: Path, kept: MirrorFolder) -> None:
    mirror(read_log(str(source)), kept, parse_vkey(VKEY))


def test_a_copy_cut_off_at_any_write_is_always_a_whole_log_and_is_finished_by_the_next(
    tmp_path: Path,
) -> None:
    deployment = Deployment(strands=1).grow(250)
    old = deployment.write(tmp_path / "old")
    new = deployment.grow(260).write(tmp_path / "new")
    newest = deployment.grow(20).write(tmp_path / "newest")
    true = read(newest)
    cuts = 0
    for after in (False, True):
        for at in range(1, 100):
            kept = tmp_path / f"copy-{at}-{after}"
            run(old, MirrorFolder(kept))
            try:
                run(new, Frail(kept, at, after=after))
            except Cut:
                cuts += 1
                assert_whole(kept, true)
                run(newest, MirrorFolder(kept))
                assert_whole(kept, true)
                assert leftovers(kept, newest) == []
            else:
                break
    assert cuts > 30


def assert_whole(folder: Path, true: dict[str, bytes]) -> None:
    """Each log in the folder has every tile of the size that its checkpoint says, as they really are."""
    kept = read(folder)
    for log in {path.split("/")[0] for path in kept if path.endswith("/checkpoint")}:
        size = parse_checkpoint(parse_note(kept[f"{log}/checkpoint"]).text).size
        for tile in all_tiles(size):
            assert kept[f"{log}/{tile.path}"] == true[f"{log}/{tile.path}"]


def leftovers(folder: Path, source: Path) -> list[str]:
    """Files that the log does not have, or partial tiles that are full by now."""
    kept = read(folder)
    partial = [path for path in kept if ".p/" in path and path.rpartition(".p/")[0] in kept]
    return [*(set(kept) - set(read(source))), *partial]


def forked(deployment: Deployment, other: Deployment, log: str, folder: Path) -> Path:
    """The files of one deployment, with one log of another that has the same keys."""
    files = {path: data for path, data in deployment.files().items() if not path.startswith(f"{log}/")}
    write(folder, files | {path: data for path, data in other.files().items() if path.startswith(f"{log}/")})
    return folder


@pytest.mark.parametrize("log", ["0", "1", "super"])
@pytest.mark.parametrize("more", [0, 30])
def test_a_fork_is_refused_and_its_checkpoint_kept_as_evidence(
    log: str, more: int, tmp_path: Path, capsys: Capture
) -> None:
    honest, other = Deployment().grow(300), Deployment()
    other.act(1, Producer(other.cloud.house, name="another"))
    other.grow(299 + more)
    if more and log == "super":
        other.grow(1)
    source = honest.write(tmp_path / "log")
    assert copy(source, tmp_path / "copy") == 0
    before = read(tmp_path / "copy")
    fork = forked(honest, other, log, tmp_path / "fork")
    assert copy(fork, tmp_path / "copy") == 1
    said = capsys.readouterr().err
    assert "two histories" in said
    after = read(tmp_path / "copy")
    (evidence,) = set(after) - set(before)
    assert after[evidence] == (fork / log / "checkpoint").read_bytes()
    assert evidence in said
    assert {path: after[path] for path in before} == before
    assert copy(source, tmp_path / "copy") == 0


def test_a_log_that_shrank_is_refused_and_what_was_copied_is_kept(tmp_path: Path, capsys: Capture) -> None:
    deployment = Deployment(strands=1).grow(30)
    young = deployment.write(tmp_path / "young")
    assert copy(deployment.grow(30).write(tmp_path / "log"), tmp_path / "copy") == 0
    before = read(tmp_path / "copy")
    assert copy(young, tmp_path / "copy") == 1
    assert "after it had 63 entries" in capsys.readouterr().err
    after = read(tmp_path / "copy")
    assert {path: after[path] for path in before} == before


def test_a_shorter_fork_is_told_from_an_older_state(tmp_path: Path, capsys: Capture) -> None:
    honest, other = Deployment(strands=1).grow(40), Deployment(strands=1)
    other.act(1, Producer(other.cloud.house, name="another"))
    other.grow(10)
    assert copy(honest.write(tmp_path / "log"), tmp_path / "copy") == 0
    assert copy(forked(honest, other, "0", tmp_path / "fork"), tmp_path / "copy") == 1
    assert "is not how" in capsys.readouterr().err


def test_a_log_that_disappears_is_no_log_without_entries(tmp_path: Path, capsys: Capture) -> None:
    source = Deployment().grow(10).write(tmp_path / "log")
    assert copy(source, tmp_path / "copy") == 0
    (source / "1" / "checkpoint").unlink()
    assert copy(source, tmp_path / "copy") == 1
    assert f"no checkpoint of {ORIGIN}/strand/1" in capsys.readouterr().err
    (source / "genesis").unlink()
    assert copy(source, tmp_path / "copy") == 1
    assert "no genesis any more" in capsys.readouterr().err


def test_a_strand_that_the_log_does_not_show_is_refused_by_name_though_it_was_never_copied(
    tmp_path: Path, capsys: Capture
) -> None:
    deployment = Deployment().grow(10)
    source = deployment.write(tmp_path / "log")
    (source / "1" / "checkpoint").unlink()
    assert copy(source, tmp_path / "copy") == 1
    assert f"no checkpoint of {ORIGIN}/strand/1" in capsys.readouterr().err
    deployment.open_epoch(4)
    deployment.write(source)
    assert copy(source, tmp_path / "copy") == 1
    said = capsys.readouterr().err
    assert f"no checkpoint of {ORIGIN}/strand/2" in said
    assert "within a minute" in said
    deployment.publish()
    assert copy(deployment.write(source), tmp_path / "copy") == 0


def test_a_flipped_byte_of_any_file_is_never_kept(tmp_path: Path) -> None:
    source = Deployment(strands=1).grow(300).write(tmp_path / "log")
    files = read(source)
    for number, (path, data) in enumerate(files.items()):
        broken = bytearray(data)
        broken[7 * number % len(data)] ^= 1
        write(source, {path: bytes(broken)})
        assert copy(source, tmp_path / f"copy-{number}") == 1, path
        kept = read(tmp_path / f"copy-{number}")
        assert all(kept[name] == files[name] for name in kept if name in files), path
        write(source, {path: data})


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("genesis", "refused: genesis: "),
        ("0/checkpoint", f"refused: {ORIGIN}/strand/0: checkpoint: "),
        ("super/checkpoint", f"refused: {ORIGIN}/super: checkpoint: "),
        ("0/tile/entries/000", f"refused: {ORIGIN}/strand/0: entry 0 does not match"),
    ],
)
def test_a_refusal_says_which_log_and_which_file_of_it(
    path: str, words: str, tmp_path: Path, capsys: Capture
) -> None:
    source = Deployment(strands=1).grow(300).write(tmp_path / "log")
    data = bytearray((source / path).read_bytes())
    data[10] ^= 1
    write(source, {path: bytes(data)})
    assert copy(source, tmp_path / "copy") == 1
    assert f"carevouch mirror: {words}" in capsys.readouterr().err


def test_a_checkpoint_whose_second_line_was_taken_off_is_not_copied(tmp_path: Path, capsys: Capture) -> None:
    source = Deployment(strands=1).grow(3).write(tmp_path / "log")
    note = parse_note((source / "0/checkpoint").read_bytes())
    write(source, {"0/checkpoint": render_note(Note(note.text, note.lines[:1]))})
    assert copy(source, tmp_path / "copy") == 1
    assert f"no line by the ML-DSA-44 key of {ORIGIN}/strand/0" in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path: Path, capsys: Capture) -> None:
    source = Deployment(strands=1).grow(300).write(tmp_path / "log")
    (source / "0" / "tile" / "entries" / "000").unlink()
    assert copy(source, tmp_path / "copy") == 1
    assert "0/tile/entries/000 is missing in the log" in capsys.readouterr().err


def test_again_mends_what_rotted_in_the_copy(tmp_path: Path) -> None:
    source = Deployment(strands=1).grow(300).write(tmp_path / "log")
    assert copy(source, tmp_path / "copy") == 0
    whole = read(tmp_path / "copy")
    for path in (path for path in whole if "/tile/" in path):
        write(tmp_path / "copy", {path: b"rotten"})
    assert copy(source, tmp_path / "copy") == 0
    assert read(tmp_path / "copy") != whole
    assert carevouch("mirror", source, tmp_path / "copy", "--again") == 0
    assert read(tmp_path / "copy") == whole


def test_genesis_and_epochs_stay_what_they_were(tmp_path: Path, capsys: Capture) -> None:
    source = Deployment().grow(3).write(tmp_path / "log")
    write(source, {"epochs": b""})
    assert copy(source, tmp_path / "copy") == 0
    write(tmp_path / "copy", {"epochs": b"an order\n"})
    assert copy(source, tmp_path / "copy") == 1
    assert "other epochs than before" in capsys.readouterr().err
    other = Deployment(strands=3).grow(3).write(tmp_path / "other")
    assert copy(other, tmp_path / "copy") == 1
    assert "another genesis than before" in capsys.readouterr().err


def test_new_epochs_and_their_strands_are_copied(tmp_path: Path) -> None:
    deployment = Deployment().grow(10)
    copy(deployment.write(tmp_path / "log"), tmp_path / "copy")
    deployment.open_epoch(4)
    assert copy(deployment.grow(10).write(tmp_path / "log"), tmp_path / "copy") == 0
    assert read(tmp_path / "copy").keys() >= {"epochs", "3/checkpoint"}
    assert carevouch("audit", tmp_path / "copy") == 0


def test_two_copiers_do_not_meet_in_one_folder(tmp_path: Path, capsys: Capture) -> None:
    source = Deployment().grow(3).write(tmp_path / "log")
    with MirrorFolder(tmp_path / "copy").alone():
        assert copy(source, tmp_path / "copy") == 2
    assert "another program is copying" in capsys.readouterr().err


def test_what_was_copied_is_told_as_json(tmp_path: Path, capsys: Capture) -> None:
    source = Deployment(strands=1).grow(4).write(tmp_path / "log")
    assert carevouch("mirror", source, tmp_path / "copy", "--json") == 0
    logs = json.loads(capsys.readouterr().out)["logs"]
    assert [(log["origin"], log["size"]) for log in logs] == [
        (f"{ORIGIN}/strand/0", 6),
        (f"{ORIGIN}/super", 1),
    ]


def test_the_log_of_another_implementation_is_copied_size_by_size(tmp_path: Path) -> None:
    files = {path: data for path, data in tessera_log().items() if not path.startswith(".state")}
    for size in range(16):
        write(tmp_path / "log", files | {"checkpoint": files[f"checkpoint.{size}"]})
        assert carevouch("mirror", tmp_path / "log", tmp_path / "copy", key=TESSERA) == 0
    kept = read(tmp_path / "copy")
    assert len([path for path in kept if path.startswith("tile/")]) == 30
    assert all(kept[path] == files[path] for path in kept if path.startswith("tile/"))


def test_a_log_that_removed_its_partial_tiles_is_copied_at_the_size_it_showed(tmp_path: Path) -> None:
    log = MemoryLog()
    log.append(numbered(0, 100))
    note = log.checkpoint()
    log.append(numbered(100, 200))
    write(tmp_path / "log", {path: data for path, data in log.files.items() if ".p/" not in path})
    write(tmp_path / "log", {"checkpoint": note})
    assert carevouch("mirror", tmp_path / "log", tmp_path / "copy", key=PLAIN.vkey) == 0
    kept = read(tmp_path / "copy")
    assert all(kept[path] == log.files[path] for path in kept if path.startswith("tile/"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=4))
def test_however_a_log_grew_its_copy_has_all_its_tiles(
    tmp_path_factory: pytest.TempPathFactory, grown: list[int]
) -> None:
    folder, log, size = tmp_path_factory.mktemp("grown"), MemoryLog(), 0
    for count in grown:
        log.append(numbered(size, count))
        size += count
        write(folder / "log", {**log.files, "checkpoint": log.checkpoint()})
        assert carevouch("mirror", folder / "log", folder / "copy", key=PLAIN.vkey) == 0
    kept = read(folder / "copy")
    assert all(kept[tile.path] == log.files[tile.path] for tile in all_tiles(size))
