"""The audit of a whole log: an honest one passes, and each kind of tampering is named."""

from collections.abc import Callable

import pytest

from carevouch.events.seal import SEAL_TYP
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from carevouch.ledger.block import Block
from carevouch.ledger.checkpoint import Checkpoint, sign_checkpoint
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.tiles import split_bundle
from carevouch.ledger.walk import MAX_FINDINGS
from carevouch.verifier.strand import Report, audit_strand, find_gaps
from tests.unit.ledger.logs import MemoryLog
from tests.unit.sealing.acts import ORIGIN, START, House, Producer, key

HOUSE = House()


def seal(number: int, first: int, count: int, prev: bytes | None, time: str = START) -> bytes:
    data = Block(number, first, count, prev).data
    payload = {"v": 1, "type": "block.sealed", "time": time, "data": data}
    return sign(payload, SEAL_TYP, HOUSE.seal).encode()


def log_of(entries: list[bytes], *, at_once: bool = True) -> dict[str, bytes]:
    """A published log of exactly these entries, whatever they say."""
    log = MemoryLog()
    for batch in [entries] if at_once else [[entry] for entry in entries]:
        log.append(batch)
    head = Checkpoint(f"{ORIGIN}/strand/0", log.edge.size, log.edge.root())
    return {**log.files, "checkpoint": sign_checkpoint(head, HOUSE.log)}


def honest(blocks: int = 3, size: int = 2) -> list[bytes]:
    producer, prev = Producer(HOUSE), None
    entries: list[bytes] = []
    for number in range(blocks):
        first = len(entries)
        if number == 0:
            entries.append(producer.certificate.encode())
        entries += [producer.event(size * number + at).encode() for at in range(size)]
        entries.append(seal(number, first, len(entries) + 1 - first, prev))
        prev = leaf_hash(entries[-1])
    return entries


def audit(files: dict[str, bytes], against: bytes | None = None) -> Report:
    return audit_strand(HOUSE.genesis, 0, files.get, against=against)


def said(report: Report) -> str:
    return "; ".join(f"{item.code} {item.where}: {item.message}" for item in report.findings)


def test_an_honest_log_passes_and_is_counted() -> None:
    report = audit(log_of(honest()))
    assert said(report) == ""
    assert (report.size, report.blocks, report.events, report.certificates) == (10, 3, 6, 1)
    assert find_gaps([report]) == []


def test_a_log_over_tile_borders_passes() -> None:
    assert said(audit(log_of(honest(blocks=8, size=40)))) == ""


def test_growth_since_an_old_checkpoint_is_shown() -> None:
    entries = honest()
    old = log_of(entries[:4])["checkpoint"]
    report = audit(log_of(entries), old)
    assert said(report) == ""
    assert report.old_sizes == (4,)


def test_a_forked_history_is_named() -> None:
    entries = honest()
    other = [*entries[:2], *entries[3:5]]
    assert "fork the old checkpoint" in said(audit(log_of(entries), log_of(other)["checkpoint"]))


def test_a_log_that_shrank_is_named() -> None:
    entries = honest()
    assert "the log had 10 entries, now 4" in said(audit(log_of(entries[:4]), log_of(entries)["checkpoint"]))


def test_every_flipped_byte_of_every_file_is_found() -> None:
    files = log_of(honest(blocks=2, size=1))
    for name, data in files.items():
        for at in range(0, len(data), 1 if len(data) < 500 else 37):
            broken = bytearray(data)
            broken[at] ^= 1
            assert audit({**files, name: bytes(broken)}).findings, f"{name} byte {at}"


def test_a_touched_tile_is_told_from_a_touched_entry() -> None:
    files = log_of(honest())
    tile, bundle = "tile/0/000.p/10", "tile/entries/000.p/10"
    touched = files[tile][:64] + bytes(32) + files[tile][96:]
    assert (
        said(audit({**files, tile: touched})) == f"tile {tile}: the tile does not match the entries below it"
    )
    entries = split_bundle(files[bundle])
    swapped = files[bundle].replace(entries[2], entries[1], 1)
    assert "entry entry 2: the entry does not match its leaf in the tree" in said(
        audit({**files, bundle: swapped})
    )


def test_a_missing_file_is_named() -> None:
    files = log_of(honest())
    for name in files:
        without = {path: data for path, data in files.items() if path != name}
        assert f"missing {name}" in said(audit(without))


Change = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e[1:], "certificate of the event's key is not before the event"),
        (lambda e: [e[0], e[1], e[1], *e[3:]], "is also entry 1"),
        (lambda e: [*e[:3], *e[4:]], "block 0 is expected, the seal says 1"),
        (lambda e: e[:-1], "are in no block"),
        (lambda e: [e[0], e[0], e[1], e[2], *e[3:]], "the log already has the certificate"),
        (lambda e: [*e[:4], seal(1, 4, 1, None)], "does not link"),
        (lambda e: [*e[:4], seal(2, 4, 1, leaf_hash(e[3]))], "block 1 is expected"),
        (lambda e: [*e[:4], seal(1, 3, 1, leaf_hash(e[3]))], "begins at entry 4"),
        (lambda e: [*e[:4], seal(1, 4, 2, leaf_hash(e[3]))], "counts 2 entries"),
        (lambda e: [*e[:4], seal(1, 4, 1, leaf_hash(e[3]), later(START, -1))], "dated before"),
        (lambda e: [*e[:4], b"not a signed text"], "not a compact JWS"),
        (lambda e: [*e[:4], b"\xff\xfe"], "not ASCII"),
        (lambda e: [e[0], e[1], e[2], seal(0, 0, 4, None, later(START, -61))], "ahead of its block"),
    ],
)
def test_a_log_whose_operator_signs_nonsense_is_still_found_out(change: Change, words: str) -> None:
    assert words in said(audit(log_of(change(honest()))))


def test_one_missing_entry_is_one_finding_and_not_one_for_each_block_behind_it() -> None:
    entries = honest(blocks=6, size=3)
    report = audit(log_of([*entries[:6], *entries[7:]]))
    assert said(report) == "entry entry 7: block 1 counts 4 entries, it has 3"
    assert report.last_time == START


def test_one_missing_block_is_one_finding() -> None:
    entries = honest(blocks=6, size=3)
    (found,) = audit(log_of([*entries[:5], *entries[9:]])).findings
    assert (found.where, found.message) == ("entry 8", "block 1 is expected, the seal says 2")


def test_two_events_that_changed_places_within_a_block_are_named() -> None:
    e = honest()
    assert "entry 2: the event does not stand in its block's order" in said(
        audit(log_of([e[0], e[2], e[1], *e[3:]]))
    )


def test_many_findings_of_one_code_do_not_hide_the_root() -> None:
    entries = honest(blocks=1, size=150)[1:]
    files = log_of(entries)
    files["checkpoint"] = sign_checkpoint(
        Checkpoint(f"{ORIGIN}/strand/0", len(entries), bytes(32)), HOUSE.log
    )
    report = audit(files)
    assert report.counted["entry"] == 151  # Every event, and the seal that counts one more.
    codes = [finding.code for finding in report.findings]
    assert (codes.count("entry"), codes.count("root")) == (MAX_FINDINGS, 1)


def test_an_event_by_an_uncertified_key_is_named() -> None:
    entries = honest()
    forged = Producer(HOUSE, name="intruder").event(77)
    assert "entry 1" in said(audit(log_of([entries[0], forged.encode(), *entries[2:]])))


def test_a_seal_by_another_key_is_named() -> None:
    entries = honest()
    payload = {"v": 1, "type": "block.sealed", "time": START, "data": Block(0, 0, 4, None).data}
    forged = sign(payload, SEAL_TYP, key("intruder")).encode()
    assert "not by the sealer's key" in said(audit(log_of([*entries[:3], forged, *entries[4:]])))


def test_a_checkpoint_of_another_key_stops_the_audit() -> None:
    foreign = House(log=HOUSE.log.__class__(bytes(32)))
    report = audit_strand(foreign.genesis, 0, log_of(honest()).get)
    assert "no signature by the key" in said(report)
    assert report.size == 0


def test_a_gap_in_a_keys_numbers_is_named_once_seal_by_has_passed() -> None:
    producer = Producer(HOUSE)
    first = producer.event(1).encode()
    producer.n += 2
    third = producer.event(2).encode()
    entries = [producer.certificate.encode(), first, third]
    young = audit(log_of([*entries, seal(0, 0, 4, None, later(START, 600))]))
    assert find_gaps([young]) == []
    old = audit(log_of([*entries, seal(0, 0, 4, None, later(START, 600.001))]))
    assert [item.message for item in find_gaps([old])] == ["number 2 to 3 is not in the log"]


def test_a_number_used_twice_is_named() -> None:
    one, other = Producer(HOUSE), Producer(HOUSE)
    entries = [one.certificate.encode(), one.event(1).encode(), other.event(2).encode()]
    report = audit(log_of([*entries, seal(0, 0, 4, None)]))
    assert [item.code for item in find_gaps([report])] == ["repeated"]


def test_a_last_number_that_is_missing_is_not_seen_without_a_receipt() -> None:
    entries = honest(blocks=1, size=2)
    shorter = [*entries[:2], seal(0, 0, 3, None, later(START, 10_000))]
    assert find_gaps([audit(log_of(shorter))]) == []


def test_how_a_log_grew_does_not_matter() -> None:
    assert said(audit(log_of(honest(), at_once=False))) == ""
