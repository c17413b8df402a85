"""A batch becomes entries: each candidate ends in one place, and no bad one stops or hides a good one."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel.encoding import b64u
from carevouch.kernel.jws import sign, take_apart
from carevouch.kernel.times import later
from carevouch.ledger.block import parse_block
from carevouch.ledger.merkle import leaf_hash, root
from carevouch.sealing import plan as sealing
from carevouch.sealing.marks import Head, Mark, rejection_mark
from carevouch.sealing.plan import BatchPlan, Candidate
from tests.unit.sealing.acts import START, House, Producer, key, respelled

HOUSE = House()
NOW = later(START, 1)


def plan(
    candidates: list[Candidate],
    head: Head | None = None,
    marks: dict[str, Mark] | None = None,
    now: str = NOW,
) -> tuple[BatchPlan, tuple[Candidate, ...]]:
    made, waiting = sealing.plan(head or Head(0), candidates, marks or {}, HOUSE.genesis, HOUSE.seal, now)
    assert made is not None
    return made, waiting


def kinds(made: BatchPlan) -> list[str]:
    return [take_apart(entry.decode()).typ.split("+")[0].removeprefix("carevouch-") for entry in made.entries]


def reasons(made: BatchPlan) -> list[str]:
    return [rejection.reason for rejection in made.rejections]


def test_a_first_batch_is_certificate_events_and_its_seal() -> None:
    producer = Producer(HOUSE)
    made, waiting = plan([producer.candidate(1), producer.candidate(2)])
    assert kinds(made) == ["cert", "event", "event", "seal"]
    assert not waiting
    block = parse_block(take_apart(made.entries[-1].decode()).payload["data"])
    assert (block.number, block.first, block.count, block.prev) == (0, 0, 4, None)
    assert made.head.edge.root() == root([leaf_hash(entry) for entry in made.entries])
    assert made.head.prev == leaf_hash(made.entries[-1])


def test_the_next_block_follows_and_the_certificate_is_not_repeated() -> None:
    producer = Producer(HOUSE)
    first, _ = plan([producer.candidate(1)])
    marks = {mark.key: mark for mark in first.marks}
    second, _ = plan([producer.candidate(2)], first.head, marks)
    assert kinds(second) == ["event", "seal"]
    block = parse_block(take_apart(second.entries[-1].decode()).payload["data"])
    assert (block.number, block.first, block.prev) == (1, 3, leaf_hash(first.entries[-1]))


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(11)))
def test_the_order_of_arrival_changes_nothing(order: list[int]) -> None:
    one, two = Producer(HOUSE, name="one"), Producer(HOUSE, name="two")
    candidates = [one.candidate(1), one.candidate(2), two.candidate(3), two.candidate(4)]
    candidates += [Candidate("nonsense", None), Producer(HOUSE, "operator").candidate(5)]
    # Who is first decides: of two that have one id, of two certificates of a key, of two rejections.
    candidates += [two.candidate(1), another(one, one.candidate(6)), Candidate("more nonsense", None)]
    late = two.candidate(7)
    candidates += [replace(late, certificate=None), replace(late, certificate="")]
    assert plan([candidates[at] for at in order]) == plan(candidates)


def test_a_text_that_two_candidates_bear_is_rejected_and_counted_once() -> None:
    made, _ = plan([Candidate("nonsense", None), Candidate("nonsense", "a certificate")])
    assert (kinds(made), made.head.rejections) == (["seal", "seal"], 1)


def test_operator_events_need_no_certificate() -> None:
    made, _ = plan([Producer(HOUSE, "operator").candidate(1)])
    assert kinds(made) == ["event", "seal"]


def test_a_sealed_event_is_dropped_without_an_entry() -> None:
    candidate = Producer(HOUSE).candidate(1)
    first, _ = plan([candidate])
    marks = {mark.key: mark for mark in first.marks}
    assert sealing.plan(first.head, [candidate], marks, HOUSE.genesis, HOUSE.seal, NOW) == (None, ())


def test_a_rejected_text_is_answered_once() -> None:
    bad = Candidate("nonsense", None)
    first, _ = plan([bad])
    assert reasons(first) == ["not an event of version 1"]
    marks = {mark.key: mark for mark in first.marks}
    assert sealing.plan(first.head, [bad], marks, HOUSE.genesis, HOUSE.seal, NOW) == (None, ())


def test_rejections_are_asked_for_only_behind_one() -> None:
    good, bad = Producer(HOUSE).candidate(1), Candidate("nonsense", None)
    first, _ = plan([good])
    second, _ = plan([good, bad], head=first.head)
    third, _ = plan([Producer(HOUSE, name="third").candidate(2)], head=second.head)
    asked = [sealing.mark_keys([good, bad], made.head) for made in (first, second, third)]
    assert [made.head.rejections for made in (first, second, third)] == [0, 1, 1]
    assert len(asked[0]) == 2
    assert set(asked[1]) - set(asked[0]) == {rejection_mark(one.hash) for one in (good, bad)}
    assert asked[2] == asked[1]


def test_an_event_waits_for_its_certificate_until_seal_by_and_is_then_rejected() -> None:
    orphan = replace(Producer(HOUSE).candidate(1), certificate=None)
    made, waiting = sealing.plan(Head(0), [orphan], {}, HOUSE.genesis, HOUSE.seal, later(START, 600))
    assert (made, waiting) == (None, (orphan,))
    late, waiting = plan([orphan], now=later(START, 600.001))
    assert "did not arrive" in reasons(late)[0]
    assert not waiting


def test_a_waiting_event_holds_nobody_up() -> None:
    orphan = replace(Producer(HOUSE, name="other").candidate(1), certificate=None)
    made, waiting = plan([orphan, Producer(HOUSE).candidate(2)])
    assert kinds(made) == ["cert", "event", "seal"]
    assert waiting == (orphan,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"time": later(START, 62)}, "ahead of its block"),
        ({"time": later(START, -61)}, "outside its certificate"),
        ({"seal_by": later(START, 601)}, "seal_by is not its time"),
        ({"epoch": 2}, "epoch"),
        ({"producer": "claims"}, "certified for records"),
        ({"producer": "operator"}, "not by the operator"),
    ],
)
def test_an_untrue_event_is_answered_by_a_rejection_that_names_why(
    changes: dict[str, Any], said: str
) -> None:
    made, _ = plan([Producer(HOUSE).candidate(1, **changes), Producer(HOUSE, name="good").candidate(2)])
    assert kinds(made) == ["cert", "event", "seal", "seal"]
    assert said in reasons(made)[0]


@pytest.mark.parametrize("absent", ["certificate", "epoch"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seal_by": "9999-01-01T00:00:00.000Z"}, "seal_by is not its time"),
        ({"seal_by": later(START, 600.001)}, "seal_by is not its time"),
        ({"time": later(START, 61.001), "seal_by": later(START, 661.001)}, "ahead of its block"),
    ],
)
def test_an_event_that_can_never_become_true_does_not_wait(
    absent: str, changes: dict[str, Any], said: str
) -> None:
    missing = Producer(HOUSE, epoch=2) if absent == "epoch" else Producer(HOUSE)
    candidate = missing.candidate(1, **{**changes, "epoch": missing.epoch})
    if absent == "certificate":
        candidate = replace(candidate, certificate=None)
    made, waiting = plan([candidate])
    assert said in reasons(made)[0]
    assert not waiting


def test_an_event_at_the_edge_of_the_clock_skew_is_sealed() -> None:
    made, _ = plan([Producer(HOUSE).candidate(1, time=later(START, 61))])
    assert kinds(made) == ["cert", "event", "seal"]


def test_an_event_of_another_strand_is_rejected() -> None:
    house = House(strands=2)
    made, _ = sealing.plan(
        Head(1), [Producer(house).candidate(1)], {}, house.genesis, house.seal, later(START, 1)
    )
    assert made is not None
    assert reasons(made) == ["the event belongs into another strand"]


def test_a_certificate_by_a_foreign_root_is_no_certificate() -> None:
    producer = Producer(HOUSE)
    payload = take_apart(producer.certificate).payload
    forged = sign(payload, "carevouch-cert+jws", key("somebody"))
    made, _ = plan([replace(producer.candidate(1), certificate=forged)])
    assert "the certificate is not by the records root" in reasons(made)[0]


def another(producer: Producer, of: Candidate) -> Candidate:
    """The same event with another certificate that the root signed for its key."""
    payload = {**take_apart(producer.certificate).payload, "exp": later(START, 48 * 3600)}
    return replace(of, certificate=sign(payload, "carevouch-cert+jws", key("root records")))


def test_no_event_is_sealed_by_another_certificate_than_the_one_in_the_log() -> None:
    producer = Producer(HOUSE)
    first, _ = plan([producer.candidate(1)])
    marks = {mark.key: mark for mark in first.marks}
    # True by the certificate in its row, and by the one that readers know it is not.
    late = another(producer, producer.candidate(2, time=later(START, 25 * 3600)))
    second, _ = plan([late], first.head, marks, now=later(START, 25 * 3600))
    assert reasons(second) == ["another certificate of this key is in the log"]


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_certificates_of_a_key_in_one_batch_the_first_holds(turn: int) -> None:
    producer = Producer(HOUSE)
    candidates = [producer.candidate(1), another(producer, producer.candidate(2)), producer.candidate(3)]
    made, _ = plan(candidates[::turn])
    assert made == plan(candidates)[0]
    assert kinds(made).count("cert") == 1
    assert set(reasons(made)) == {"another certificate of this key is in the log"}


def test_a_certificate_whose_signature_is_spelled_otherwise_is_the_same_certificate() -> None:
    producer = Producer(HOUSE)
    first, _ = plan([producer.candidate(1)])
    marks = {mark.key: mark for mark in first.marks}
    spelled = replace(producer.candidate(2), certificate=respelled(producer.certificate))
    second, _ = plan([spelled, producer.candidate(3)], first.head, marks)
    assert kinds(second) == ["event", "event", "seal"]


def test_an_event_whose_signature_somebody_spelled_otherwise_is_one_event() -> None:
    true = Producer(HOUSE).candidate(1)
    spelled = replace(true, text=respelled(true.text))
    assert spelled.event is not None
    for one, other in ((true, spelled), (spelled, true)):
        first, _ = plan([one])
        marks = {mark.key: mark for mark in first.marks}
        again = sealing.plan(first.head, [other], marks, HOUSE.genesis, HOUSE.seal, NOW)
        assert again == (None, ())
    assert kinds(plan([true, spelled])[0]) == ["cert", "event", "seal"]


def test_two_events_with_one_id_are_never_both_sealed() -> None:
    one = Producer(HOUSE, name="one").candidate(1)
    other = Producer(HOUSE, name="other").candidate(1)
    together, _ = plan([one, other])
    assert kinds(together).count("event") == 1
    assert reasons(together) == ["another event has this id"]
    first, _ = plan([one])
    second, _ = plan([other], first.head, {mark.key: mark for mark in first.marks})
    assert reasons(second) == ["another event has this id"]


def test_a_forgery_that_comes_first_does_not_take_an_events_place() -> None:
    good = Producer(HOUSE).candidate(1)
    head, body, _ = good.text.split(".")
    forged = Candidate(f"{head}.{body}.{b64u(bytes(64))}", good.certificate)
    first, _ = plan([forged])
    assert len(first.rejections) == 1
    second, _ = plan([good], first.head, {mark.key: mark for mark in first.marks})
    assert "event" in kinds(second)


def test_a_rejection_names_the_hash_and_never_quotes_the_text() -> None:
    made, _ = plan([Candidate('{"name":"Secret"}', None)])
    payload = take_apart(made.entries[0].decode()).payload
    assert payload["type"] == "event.rejected"
    assert set(payload["data"]) == {"hash", "reason"}
    assert "Secret" not in json.dumps(payload)


def test_block_time_never_goes_back() -> None:
    first, _ = plan([Producer(HOUSE).candidate(1)], now=later(START, 30))
    second, _ = plan([Producer(HOUSE, name="two").candidate(2)], first.head, now=START)
    assert second.head.time == later(START, 30)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_no_text_whatever_stops_a_batch(text: str) -> None:
    made, _ = plan([Candidate(text, text)])
    assert kinds(made) == ["seal", "seal"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["id", "type", "n", "epoch", "time", "seal_by", "count", "root", "tags", "v"]),
    json_values,
)
def test_no_signed_member_whatever_stops_a_batch(member: str, value: object) -> None:
    producer = Producer(HOUSE)
    good = producer.candidate(1)
    payload = {**take_apart(good.text).payload, member: value}
    text = sign(payload, "carevouch-event+jws", producer.signer)
    made, _ = plan([Candidate(text, good.certificate)])
    assert len(made.rejections) == 1 or payload == take_apart(good.text).payload or kinds(made)[1] == "event"


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["v", "kid", "jwk", "service", "types", "epoch", "nbf", "exp"]),
    json_values,
)
def test_no_certificate_whatever_stops_a_batch(member: str, value: object) -> None:
    producer = Producer(HOUSE)
    payload = {**take_apart(producer.certificate).payload, member: value}
    text = sign(payload, "carevouch-cert+jws", key("root records"))
    made, _ = plan([Candidate(producer.event(1), text)])
    assert made.entries
