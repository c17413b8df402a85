"""All tampering is detected, and called by its name: every figure of the table is 100 %."""

from collections.abc import Callable
from pathlib import Path

import pytest

from carevouch.ledger.tiles import ENTRIES
from tests.tampering import run
from tests.tampering.checks import Look, audited, mirrored, opened, strand_alone, walked, whole
from tests.tampering.flips import LOGS, Target, checkpoints, entries, evidence, hash_tiles
from tests.tampering.log import Honest, large, medium, small, tile_path
from tests.tampering.tally import Right, Tally


def complete(tally: Tally, attempts: int) -> None:
    assert tally.missed() == []
    assert tally.whole
    assert sum(row.tried for row in tally.rows.values()) >= attempts


@pytest.mark.parametrize("log", [large, medium, small])
def test_the_honest_log_is_accused_of_nothing(log: Callable[[], Honest]) -> None:
    honest = log()
    assert audited(honest, honest.files) == audited(honest, honest.before) == []


def test_the_large_log_has_more_than_a_thousand_entries_and_tiles_of_both_levels() -> None:
    honest = large()
    assert honest.size > 1_000
    assert {"0/tile/0/000", "0/tile/0/001", "1/tile/0/000"} <= honest.files.keys()
    assert tile_path(honest.files, 0, 1, 0).endswith(".p/2")


def test_a_file_that_nobody_touched_is_accused_by_no_look(tmp_path: Path) -> None:
    honest = small()
    paths = [tile_path(honest.files, log, level, 0) for log in LOGS for level in (0, ENTRIES)]
    for path in paths:
        for look in (walked, mirrored, strand_alone, whole):
            assert look(honest, path)(honest.files[path]) == [], (look, path)
    for log in LOGS:
        assert opened(honest, f"{log}/checkpoint")(honest.files[f"{log}/checkpoint"]) == []
    for target in evidence(honest, tmp_path, "consent"):
        assert target.look(target.data) == [], target.file


def test_every_kind_of_entry_and_line_is_among_what_is_flipped() -> None:
    kinds = {target.kind.partition(",")[0] for target in entries(small(), whole, "")}
    assert kinds >= {"certificate", "event", "rejection", "block seal", "epoch", "super-log entry"}
    lines = {target.kind.split(", ")[1] for target in checkpoints(small(), whole, "")}
    assert lines == {"body", "Ed25519 line", "ML-DSA-44 line", "cosignature"}


def test_every_flipped_byte_of_a_log_is_detected_and_named() -> None:
    tally = Tally()
    run.flips_of_files(tally, full=False)
    complete(tally, 1_200)


def test_every_flipped_byte_of_what_people_hold_is_detected_and_named(tmp_path: Path) -> None:
    tally = Tally()
    run.flips_of_what_people_hold(tally, tmp_path, full=False)
    complete(tally, 400)


def test_every_attack_on_purpose_is_detected_and_named() -> None:
    tally = Tally()
    run.attacks(tally, full=False)
    complete(tally, 50)


def test_every_other_view_is_detected_and_named_by_those_who_kept_something(tmp_path: Path) -> None:
    tally = Tally()
    run.forks(tally, tmp_path, full=False)
    complete(tally, 15)


def test_a_look_that_sees_nothing_fails_the_table() -> None:
    seen = next(hash_tiles(small(), whole, ""))
    blind = Target(seen.kind, seen.file, seen.data, seen.places, lambda _: [], seen.right)
    tally = Tally()
    blind.flip(tally, 3)
    assert (tally.rows[seen.kind].tried, tally.rows[seen.kind].seen) == (3, 0)
    assert not tally.whole


@pytest.mark.parametrize(
    "names",
    [["0: tile tile/0/001: differs"], ["0: tile tile/0/000: differs", "0: entry entry 4: differs"], []],
    ids=["another name", "somebody else accused beside it", "no name"],
)
def test_a_wrong_name_is_not_a_name(names: list[str]) -> None:
    right = Right(r"0: tile tile/0/000: .*", r"0: root .*")
    assert right.fits(["0: root checkpoint: differs", "0: tile tile/0/000: differs"])
    assert not right.fits(names)


def test_the_same_bytes_are_flipped_each_time() -> None:
    tried: list[list[bytes]] = [[], []]
    for calls in tried:
        target = next(hash_tiles(small(), whole, ""))
        looked = Target(target.kind, target.file, target.data, target.places, _noted(calls), target.right)
        looked.flip(Tally(), 5)
    assert tried[0] == tried[1]
    assert len(set(tried[0])) == 6  # Five flips, and the file as it was.


def _noted(run: list[bytes]) -> Look:
    def look(data: bytes) -> list[str]:
        run.append(data)
        return []

    return look
