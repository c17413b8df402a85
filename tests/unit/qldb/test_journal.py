"""Whole journals: an honest one passes in text and binary, and each way to tamper is named."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carevouch.qldb.ion import values
from carevouch.qldb.ion_hash import ion_hash
from carevouch.qldb.journal import Counts, Source, verify_journal
from carevouch.qldb.revision import Address
from tests.byte_flips import flipped, places
from tests.unit.qldb.journals import OTHER, STRAND, Ledger, codes, joined, ledger, verified

FORMS = pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
FOLDER = "2019/10/25/17/"
TEXT, BINARY = False, True
# Of a journal of one block, beside one byte of each word in it; all in a soak.
MOST_FLIPS = 300


def named(first: int, last: int, strand: str = STRAND) -> str:
    return f"{FOLDER}{strand}.{first}-{last}.ion"


@FORMS
@pytest.mark.parametrize("width", [1, 4, 9])
def test_an_honest_journal_passes_in_any_order_of_its_objects(binary: bool, width: int) -> None:
    whole = ledger(9)
    objects = whole.objects(width, binary=binary)
    journal = verified(dict(reversed(objects.items())))
    assert journal.findings == []
    assert journal.counts == Counts(blocks=9, revisions=19, redacted=1, opaque=18)
    strand = journal.strands[STRAND]
    assert (strand.first, strand.tip) == (0, 8)
    assert [strand.links[at].hash for at in range(9)] == whole.hashes


def test_strands_are_chained_each_for_itself() -> None:
    one, other = ledger(4), ledger(5, OTHER)
    journal = verified(one.objects(3) | other.objects(2, binary=True))
    assert journal.findings == []
    assert {name: strand.tip for name, strand in journal.strands.items()} == {STRAND: 3, OTHER: 4}


def test_an_export_may_begin_later() -> None:
    later = {named(2, 5): joined(ledger(6).blocks[2:])}
    journal = verified(later)
    assert journal.findings == []
    assert journal.strands[STRAND].first == 2


@FORMS
def test_a_block_that_is_left_out_is_a_gap_and_not_what_its_object_says(binary: bool) -> None:
    blocks = ledger(6).blocks
    journal = verified({named(0, 5): joined(blocks[:3] + blocks[4:], binary=binary)})
    assert codes(journal) == ["gap"]
    assert journal.findings[0].where == f"block {STRAND}/4"
    assert "block 3 before it is not" in journal.findings[0].message
    lacking = verified({named(0, 5): joined(blocks[:1] + blocks[4:], binary=binary)})
    assert "blocks 1 to 3 before it are not" in lacking.findings[0].message


def test_an_object_that_is_left_out_is_a_gap() -> None:
    objects = ledger(6).objects(2)
    del objects[named(2, 3)]
    assert codes(verified(objects)) == ["gap"]


@pytest.mark.parametrize("cut", [slice(1, None), slice(None, -1), slice(0, 0)], ids=["first", "last", "all"])
def test_blocks_cut_off_an_object_do_not_fit_its_name(cut: slice) -> None:
    assert codes(verified({named(0, 3): joined(ledger(4).blocks[cut])})) == ["name"]


@FORMS
def test_a_block_that_is_there_twice_is_named(binary: bool) -> None:
    blocks = ledger(4).blocks
    journal = verified({named(0, 3): joined([*blocks[:2], *blocks[1:]], binary=binary)})
    assert [(item.code, item.where) for item in journal.findings] == [("repeated", f"block {STRAND}/1")]


def test_overlapping_exports_are_repeats_and_not_forks() -> None:
    whole = ledger(4)
    assert codes(verified(whole.objects(2) | {named(1, 3): joined(whole.blocks[1:])})) == ["repeated"] * 3


def test_two_blocks_of_one_number_are_a_fork() -> None:
    """Somebody commits other things on top of block 1, all hashes true."""
    whole, other = ledger(4), ledger(2)
    other.commit(["{a:1}"])
    objects = whole.objects(2) | {"other/" + named(2, 2): joined(other.blocks[2:])}
    assert codes(verified(objects)) == ["fork"]


def test_a_block_of_another_journal_does_not_follow() -> None:
    whole, other = ledger(4), Ledger()
    for at in range(4):
        other.commit([f"{{b:{at}}}"])
    blocks = [*whole.blocks[:2], other.blocks[2], whole.blocks[3]]
    journal = verified({named(0, 3): joined(blocks)})
    assert [(item.code, item.where) for item in journal.findings] == [
        ("chain", f"block {STRAND}/2"),
        ("chain", f"block {STRAND}/3"),
    ]


@FORMS
def test_blocks_in_another_order_in_their_object_still_verify_and_only_the_ends_are_held(
    binary: bool,
) -> None:
    blocks = ledger(5).blocks
    swapped = [blocks[0], blocks[2], blocks[1], *blocks[3:]]
    assert codes(verified({named(0, 4): joined(swapped, binary=binary)})) == []
    assert codes(verified({named(0, 4): joined([blocks[1], blocks[0], *blocks[2:]])})) == ["name"]


def test_numbers_changed_of_two_blocks_break_the_chain() -> None:
    blocks = ledger(4).blocks
    renumbered = [
        blocks[0],
        blocks[2].replace("sequenceNo:2", "sequenceNo:1"),
        blocks[1].replace("sequenceNo:1", "sequenceNo:2"),
        blocks[3],
    ]
    assert codes(verified({named(0, 3): joined(renumbered)})) == ["chain"] * 3


@FORMS
@pytest.mark.parametrize(
    ("old", "new", "codes_"),
    [
        ("paid:50.50", "paid:50.51", ["revision"]),
        ("Ada Example", "Eve Example", ["revision", "revision"]),
        ("-- 5", "-- 6", ["transactionInfo"]),
        ("version:1", "version:2", ["revision"]),
    ],
)
def test_a_changed_revision_or_statement_is_named(
    binary: bool, old: str, new: str, codes_: list[str]
) -> None:
    blocks = ledger(6).blocks
    assert old in blocks[5]
    blocks[5] = blocks[5].replace(old, new)
    journal = verified({named(0, 5): joined(blocks, binary=binary)})
    assert codes(journal) == codes_
    assert all(item.where.startswith(f"block {STRAND}/5") for item in journal.findings)


def test_a_revision_with_a_new_hash_of_its_own_is_missed_by_its_block() -> None:
    blocks, other = ledger(6).blocks, Ledger()
    other.commit(["{a:1}"])
    start = blocks[4].index("revisions:[") + len("revisions:[")
    foreign = other.blocks[0][other.blocks[0].index("revisions:[") + len("revisions:[") : -2]
    blocks[4] = blocks[4][:start] + foreign.replace("sequenceNo:0", "sequenceNo:4") + "]}"
    assert codes(verified({named(0, 5): joined(blocks)})) == ["revision", "revisions"]


def _meaning(data: bytes) -> list[bytes]:
    """The content of an object without the parts that no hash covers.

    These are a block's time, and the transaction's id of a block that shows no revision.
    """
    hashes = []
    for value in values(data):
        shows_revisions = any("metadata" in revision for revision in value["revisions"])
        unbound = {"blockTimestamp"} if shows_revisions else {"blockTimestamp", "transactionId"}
        fields = [(name, item) for name, item in value.iteritems() if name not in unbound]
        hashes.append(b"".join(sorted(ion_hash(item) + repr(name).encode() for name, item in fields)))
    return hashes


@pytest.mark.soak
@FORMS
def test_each_byte_flipped_is_found_or_changes_nothing_but_a_blocks_time(binary: bool) -> None:
    """A text has other spellings of the same blob. No hash covers a block's time."""
    small = Ledger()
    small.commit(["{paid:1.50,tags:[a,b::c]}"])
    data = joined(small.blocks, binary=binary)
    meant, silent = _meaning(data), 0
    turned = list(places(data, MOST_FLIPS))
    for at in turned:
        changed = flipped(data, at)
        if not verified({named(0, 0): changed}).findings:
            silent += 1
            assert _meaning(changed) == meant, at
    assert silent < len(turned) // 20


@FORMS
@pytest.mark.parametrize(("rows", "expected"), [([], []), (["{a:1}"], ["revision"])], ids=["hidden", "shown"])
def test_a_transactions_id_is_bound_only_by_a_revision_that_is_shown(
    rows: list[str], expected: list[str], binary: bool
) -> None:
    made = Ledger()
    made.commit(rows)
    old = 'transactionId:"tx'
    assert made.blocks[0].count(old) == 1
    blocks = [made.blocks[0].replace(old, 'transactionId:"ty')]
    assert codes(verified({named(0, 0): joined(blocks, binary=binary)})) == expected


@settings(max_examples=60, deadline=None)
@example(b"\0", 350, 1)
@given(st.binary(max_size=60), st.integers(0), st.integers(0))
def test_any_bytes_put_anywhere_are_findings_and_never_a_crash(put: bytes, at: int, width: int) -> None:
    data = joined(ledger(3).blocks, binary=True)
    at, width = at % len(data), width % 60
    changed = data[:at] + put + data[at + width :]
    journal = verified({named(0, 2): changed})
    assert journal.findings or _meaning(changed) == _meaning(data)


@FORMS
def test_an_object_that_breaks_off_says_what_was_not_checked(binary: bool) -> None:
    data = joined(ledger(4).blocks, binary=binary)
    journal = verified({named(0, 3): data[:-9]})
    assert codes(journal) == ["object", "name"]
    assert "nothing after" in journal.findings[0].message


def test_a_block_of_no_shape_is_named_and_the_rest_is_checked() -> None:
    blocks = ledger(4).blocks
    blocks[1] = "{a:1}"
    blocks[3] = blocks[3].replace("sequenceNo:3", "sequenceNo:three")
    journal = verified({named(0, 3): joined(blocks)})
    assert codes(journal) == ["shape", "shape", "name", "gap"]
    assert journal.findings[0].where == f"{named(0, 3)}, block 2 of it"


@pytest.mark.parametrize("name", ["export.ion", f"{STRAND}.0-3.txt", f"{STRAND}.3.ion", f"{OTHER}.0-3.ion"])
def test_an_object_under_another_name_is_named(name: str) -> None:
    assert codes(verified({name: joined(ledger(4).blocks)})) == ["name"]


@pytest.mark.parametrize(("true", "lie"), [(".00", ".0"), (".0", ".00"), (".50", ".5"), (".5", ".500")])
def test_a_zero_that_the_fast_parser_drops_is_part_of_the_hash(true: str, lie: str) -> None:
    """Beyond 34 digits the parser in C drops zeros, so both would have the same hash."""
    whole, digits = Ledger(), "123456789012345678901234567890123"
    whole.commit([f"{{paid:{digits}{true}}}"])
    assert verified(whole.objects(1)).findings == []
    written, changed = (f"{digits}{fraction}}}".encode() for fraction in (true, lie))
    assert codes(verified({named(0, 0): joined(whole.blocks).replace(written, changed)})) == ["revision"]


def test_a_text_that_only_the_exact_parser_reads_is_no_finding() -> None:
    """More annotations than the parser in C has room for."""
    whole = Ledger()
    whole.commit([f"{{a:{'::'.join('abcdefghijkl')}::1}}"])
    assert verified(whole.objects(1)).findings == []


def test_a_block_far_away_is_a_gap_and_no_wait() -> None:
    blocks = ledger(3).blocks
    blocks[2] = blocks[2].replace("sequenceNo:2", f"sequenceNo:{2**53 - 1}")
    journal = verified({named(0, 2**53 - 1): joined(blocks)})
    assert codes(journal) == ["gap"]
    assert journal.strands[STRAND].digest_at(2**53 - 1) is None
    blocks[2] = blocks[2].replace(f"sequenceNo:{2**53 - 1}", f"sequenceNo:{2**53}")
    assert codes(verified({named(0, 1): joined(blocks)})) == ["shape"]


def test_a_fault_in_every_block_is_listed_a_hundred_times() -> None:
    blocks = [block.replace("entriesHash:{{", "entriesHash:{{AAAA", 1) for block in ledger(120).blocks]
    journal = verified({named(0, 119): joined(blocks)})
    assert len([one for one in journal.findings if one.code == "shape"]) == 100
    assert journal.counted["shape"] == 120


def test_revisions_are_kept_where_they_were_asked_for_and_nowhere_else() -> None:
    whole = ledger(6)
    journal = verified(whole.objects(6), watch={Address(STRAND, 5)})
    watched = {
        number: link.revisions for number, link in journal.strands[STRAND].links.items() if link.revisions
    }
    assert watched == {5: tuple(whole.revisions[5])}
    assert journal.link(Address(STRAND, 6)) is journal.link(Address(OTHER, 0)) is None


def test_progress_is_told_of_each_object() -> None:
    calls: list[tuple[int, int]] = []
    verified(ledger(6).objects(2), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_an_error_of_reading_is_raised() -> None:
    def refuse() -> bytes:
        raise PermissionError

    with pytest.raises(PermissionError):
        verify_journal([Source(named(0, 0), refuse)])
