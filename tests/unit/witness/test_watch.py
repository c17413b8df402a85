"""The auditing cosigner's watch: honest growth is followed, each dishonest step is named."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Malformed
from carevouch.ledger.checkpoint import MAX_STRANDS, SUPER, Checkpoint, strand_origin
from carevouch.ledger.merkle import Edge, leaf_hash
from carevouch.ledger.tiles import join_bundle, split_bundle
from carevouch.witness.watch import (
    AHEAD,
    MAX_SIZE,
    AuditFault,
    Enough,
    Watch,
    follow,
    parse_watch,
    proof_between,
    render_watch,
)
from tests.unit.ledger.logs import MemoryLog, numbered
from tests.unit.verifier.deployments import ORIGIN, SUPER_ORIGIN, Deployed, deployed


def never() -> bool:
    return False


def at_once() -> bool:
    return True


def after(count: int) -> Enough:
    left: Iterator[int] = iter(range(count))
    return lambda: next(left, None) is None


def followed(made: Deployed, watch: Watch = Watch(), enough: Enough = never) -> Watch:  # noqa: B008 - frozen
    return follow(watch, made.checkpoint, made.deployment, enough)


def finding(made: Deployed, watch: Watch = Watch()) -> str:  # noqa: B008
    with pytest.raises(AuditFault) as caught:
        followed(made, watch)
    return caught.value.code


# --- honest growth


def test_honest_growth_is_followed_to_the_edges_of_every_log() -> None:
    made = deployed()
    watch = followed(made)
    assert watch.above == made.above.edge
    assert watch.strands == {number: log.edge for number, log in made.strands.items()}


def test_later_growth_is_followed_from_where_the_watch_was() -> None:
    made = deployed()
    watch = followed(made)
    made.grow(1, 700)
    made.grow(3, 5)
    made.asked.clear()
    assert followed(made, watch) == followed(made)
    first = made.asked[: len(made.asked) // 2]
    assert "1/tile/entries/000" not in first, "what was followed is not read again"


def test_each_entry_of_every_strand_is_read_once_and_nothing_of_what_was_followed() -> None:
    made = deployed(strands=2, rounds=3, count=300)
    watch = followed(made)
    bundles = [path for path in made.asked if "/tile/entries/" in path]
    assert len(bundles) == len(set(bundles))
    made.asked.clear()
    assert followed(made, watch) == watch
    assert made.asked == []


def test_an_empty_super_log_has_nothing_to_follow() -> None:
    assert followed(Deployed()) == Watch()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 3))
def test_wherever_it_stops_it_goes_on_to_the_same_end(stops: list[int], extra: int) -> None:
    made = HISTORY
    watch, steps = Watch(), iter(stops)
    while watch.above.size < made.checkpoint.size:
        before = watch
        stored = parse_watch(render_watch(watch))
        watch = followed(made, stored, after(next(steps, extra)))
        assert watch != before, "every call gets further"
    assert watch == followed(made)


HISTORY = deployed(strands=2, rounds=3, count=400)


def test_a_long_way_is_gone_in_steps_each_verified_under_what_is_signed() -> None:
    made = Deployed()
    made.grow(0, 256 * (AHEAD + 3) + 17)
    watch, sizes = Watch(), []
    while watch.above.size < made.checkpoint.size:
        watch = followed(made, watch, at_once)
        sizes.append(watch.strand(0).size)
    assert sizes == [*range(256, 256 * (AHEAD + 4), 256), 256 * (AHEAD + 3) + 17]
    assert watch.strand(0) == made.strands[0].edge


def test_more_entries_above_than_a_bundle_holds_are_followed() -> None:
    made = Deployed()
    for _ in range(300):
        made.grow(0, 2)
    assert followed(made, enough=at_once).above.size == 1
    assert followed(made).above == made.above.edge


def test_partial_files_that_are_gone_are_replaced_by_the_full_ones() -> None:
    made = deployed(strands=2, rounds=2, count=150)
    watch = followed(made)
    for strand in (0, 1):
        made.grow(strand, 300)
    for path in list(made.files):
        if "tile/" in path and ".p/" in path and path.split(".p/")[0] in made.files:
            made.hidden.add(path)
    assert made.hidden
    assert followed(made, watch).strands == {number: log.edge for number, log in made.strands.items()}


def test_the_same_size_listed_twice_is_no_fault() -> None:
    made = deployed()
    made.name(0, made.strands[0].edge)
    assert followed(made).strand(0) == made.strands[0].edge


def test_an_older_checkpoint_of_the_same_history_has_been_followed_already() -> None:
    made = deployed()
    old = made.checkpoint
    made.grow(0, 9)
    watch = followed(made)
    assert follow(watch, old, made.deployment, never) == watch
    half = followed(made, enough=after(3))
    assert 0 < half.above.size < old.size
    early = Checkpoint(SUPER_ORIGIN, 1, leaf_hash(split_bundle(made.files["super/tile/entries/000.p/1"])[0]))
    assert follow(half, early, made.deployment, never) == half


# --- what is wrong


def test_a_strand_that_shrinks_is_named() -> None:
    made = deployed()
    watch = followed(made)
    smaller = MemoryLog()
    smaller.append(numbered(0, 3))
    made.name(1, smaller.edge)
    assert finding(made) == "shrunk"
    assert finding(made, watch) == "shrunk"


def test_two_roots_for_one_size_are_named() -> None:
    made = deployed()
    size = made.strands[1].edge.size
    made.state(Checkpoint(strand_origin(ORIGIN, 1), size, sha256(b"another")))
    assert finding(made) == "fork"


def test_growth_whose_entries_do_not_lead_to_the_signed_root_is_named() -> None:
    made = deployed()
    size = made.strands[1].edge.size
    made.state(Checkpoint(strand_origin(ORIGIN, 1), size + 1, sha256(b"rewritten")))
    made.strands[1].append([b"the entry that is served"])
    assert finding(made) == "root"


def test_a_rewritten_strand_is_found_although_its_new_history_is_whole() -> None:
    made = deployed(strands=1)
    watch = followed(made)
    rewritten = MemoryLog()
    rewritten.append([b"another beginning", *numbered(1, made.strands[0].edge.size)])
    made.strands[0] = rewritten
    made.name(0, rewritten.edge)
    assert finding(made, watch) == "root"


@pytest.mark.parametrize("bit", [0, 7, 1_000, 4_003])
def test_a_flipped_bit_in_an_entry_is_found(bit: int) -> None:
    made = deployed()
    spoil(made.strands[2], "tile/entries/000", bit)
    assert finding(made) in ("root", "entry")


def spoil(log: MemoryLog, path: str, bit: int = 0) -> None:
    data = bytearray(log.files[path])
    data[bit // 8] ^= 1 << bit % 8
    log.files[path] = bytes(data)


@pytest.mark.parametrize(("first", "last", "step"), [(None, None, -1), (None, -1, 1), (1, None, 1)])
def test_entries_that_are_swapped_or_missing_in_their_bundle_are_found(
    first: int | None, last: int | None, step: int
) -> None:
    made = deployed()
    log = made.strands[0]
    entries = split_bundle(log.files["tile/entries/000"])
    log.files["tile/entries/000"] = join_bundle(entries[first:last:step])
    assert finding(made) in ("root", "entry")


def test_entries_that_cannot_be_had_are_missing() -> None:
    made = deployed()
    made.hidden.add("1/tile/entries/000")
    assert finding(made) == "missing"


def test_a_super_log_that_does_not_have_its_signed_root_is_found_before_its_entries_count() -> None:
    made = deployed()
    other = replace(made.checkpoint, root=sha256(b"another"))
    with pytest.raises(AuditFault) as caught:
        follow(Watch(), other, made.deployment, never)
    assert caught.value.code == "root"
    assert not any(path.startswith(("0/", "1/", "2/")) for path in made.asked)


def test_a_super_log_that_forks_below_what_was_followed_is_found() -> None:
    made = deployed()
    watch = followed(made)
    for size in (made.checkpoint.size, made.checkpoint.size - 1):
        other = Checkpoint(SUPER_ORIGIN, size, sha256(b"another"))
        with pytest.raises(AuditFault) as caught:
            follow(watch, other, made.deployment, never)
        assert caught.value.code == "fork"


def test_a_super_log_that_was_rewritten_and_grew_is_found() -> None:
    made = deployed()
    watch = followed(made)
    other = deployed(rounds=6, count=11)
    assert finding(other, watch) == "root"


@pytest.mark.parametrize(
    "entry",
    [
        b"anything",
        b"",
        b"log.example/strand/0\n1\n" + b"A" * 43 + b"=\n\n",
    ],
)
def test_an_entry_that_is_no_strands_checkpoint_is_named(entry: bytes) -> None:
    made = deployed()
    made.above.append([entry])
    assert finding(made) == "checkpoint"


def test_an_entry_of_another_deployment_or_with_a_bad_signature_is_named() -> None:
    other, spoilt = deployed(), deployed()
    other.state(Checkpoint("another.example/strand/0", 1, sha256(b"root")))
    entry = split_bundle(spoilt.files["super/tile/entries/000.p/1"])[0]
    spoilt.above.append(
        [entry.replace(b"\xe2\x80\x94 log.example/strand/0 ", b"\xe2\x80\x94 log.example/strand/0 A")]
    )
    assert finding(other) == finding(spoilt) == "checkpoint"


def test_a_tile_that_is_not_of_its_tree_does_not_pass_for_a_proof() -> None:
    made = Deployed()
    for _ in range(300):
        made.grow(0, 1)
    spoil(made.above, "tile/0/001.p/44")
    with pytest.raises(AuditFault) as caught:
        follow(Watch(), made.checkpoint, made.deployment, at_once)
    assert caught.value.code == "root"


def test_a_size_that_no_log_has_is_refused_before_anything_is_read() -> None:
    made = deployed()
    with pytest.raises(AuditFault, match="says that it has"):
        follow(Watch(), Checkpoint(SUPER_ORIGIN, MAX_SIZE + 1, sha256(b"")), made.deployment, never)
    assert made.asked == []


def test_a_strand_that_shrinks_within_one_bundle_of_the_super_log_is_read_to_its_largest_size() -> None:
    made = deployed(strands=1, rounds=1, count=700)
    smaller = MemoryLog()
    smaller.append(numbered(0, 3))
    made.name(0, smaller.edge)
    assert followed(made, enough=at_once).strand(0).size == 256
    assert finding(made) == "shrunk"


def test_so_many_strands_are_followed_and_not_one_more() -> None:
    made = Deployed()
    for strand in range(MAX_STRANDS):
        made.grow(strand, 1)
    assert len(followed(made).strands) == MAX_STRANDS
    made.grow(MAX_STRANDS, 1)
    assert finding(made) == "checkpoint"


# --- what is stored, and proofs


def test_a_watch_reads_back_as_it_was_stored() -> None:
    for watch in (Watch(), followed(HISTORY), followed(HISTORY, enough=after(2))):
        assert parse_watch(render_watch(watch)) == watch


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b" ",
        lambda data: data.replace(b'"v":1', b'"v":2'),
        lambda data: data.replace(b'"above"', b'"abovE"'),
        lambda data: data.replace(b'"0":', b'"x":'),
        lambda data: data.replace(b'"size":', b'"size":-', 1),
        lambda data: data.replace(b'"size":', b'"size":1', 1),
        lambda data: data.replace(b'"hashes":["', b'"hashes":["AA', 1),
    ],
)
def test_a_stored_watch_that_cannot_be_read_is_never_an_empty_one(change: Callable[[bytes], bytes]) -> None:
    data = render_watch(followed(HISTORY))
    assert change(data) != data
    with pytest.raises(Malformed):
        parse_watch(change(data))


def test_the_proof_for_a_witness_is_the_logs_consistency_proof() -> None:
    made = deployed()
    edge = Edge().extended(
        [leaf_hash(entry) for entry in split_bundle(made.files["super/tile/entries/000.p/12"])[:5]]
    )
    assert follow(Watch(), Checkpoint(SUPER_ORIGIN, 5, edge.root()), made.deployment, never).above == edge
    assert proof_between(made.deployment, 0, 12) == []
    assert 0 < len(proof_between(made.deployment, 5, 12)) < 10
    with pytest.raises(AuditFault):
        proof_between(made.deployment, 13, 12)


def test_the_super_log_is_read_under_its_own_name() -> None:
    made = deployed()
    followed(made)
    assert {path.partition("/")[0] for path in made.asked} == {SUPER, "0", "1", "2"}
