"""Rivals at the same member, and crashes at each write: all or nothing, and nothing twice."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from carevouch.claims.decision import replay
from carevouch.kernel.canonical import parse_jcs
from carevouch.kernel.jsontext import parse
from tests.api import Answer
from tests.fakes import Crash, MemoryRows
from tests.people import enrol
from tests.service.claims.member import Member, contract_of, cover, insure, new_api, register_contract
from tests.service.claims.test_coverage import revisions
from tests.unit.claims.resources import concept, item
from tests.world import World, memory_world

RIVALS = 8
TYPES = ("Claim", "ClaimResponse", "Decision", "Accumulator")


def together(works: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Run them at once, each in an execution environment of its own."""
    found: dict[int, Answer] = {}
    gate = threading.Barrier(len(works))

    def run(at: int) -> None:
        gate.wait()
        found[at] = works[at]()

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[at] for at in range(len(works))]


def rivals(member: Member, claims: Sequence[dict[str, Any]], key: str | None = None) -> list[Answer]:
    sent = {"idempotency_key": key} if key else {}
    environments = [replace(member, api=new_api(member.world)) for _ in claims]
    pairs = zip(environments, claims, strict=True)
    return together([lambda one=one, claim=claim: one.submit(claim, **sent) for one, claim in pairs])  # type: ignore[misc]


def used(member: Member) -> dict[str, int]:
    (stored,) = member.stored("Accumulator")
    value: dict[str, int] = parse_jcs(stored.body, "it")["used"]["individual"]
    return {name: value[name] for name in ("version", "deductible_cents", "oop_cents")}


def paid(answers: Sequence[Answer]) -> int:
    """Cents paid in all."""
    responses = [parse(answer.body) for answer in answers]
    return sum(int(100 * one["payment"]["amount"]["value"]) for one in responses if "payment" in one)


def different_claims(member: Member) -> list[dict[str, Any]]:
    return [member.claim(item(1, "LAB", f"{50 + at}.00")) for at in range(RIVALS)]


def test_eight_rivals_use_up_the_deductible_as_one_after_the_other_would() -> None:
    serial, racing = insure(memory_world()), insure(memory_world())
    in_turn = [serial.submit(claim) for claim in different_claims(serial)]
    at_once = rivals(racing, different_claims(racing))
    assert {answer.status for answer in at_once} == {200}
    assert used(racing) == used(serial)
    assert paid(at_once) == paid(in_turn)
    assert [one.version for one in racing.decisions()] == list(range(1, RIVALS + 1))
    for stored in racing.decisions():
        replay(stored.body, racing.contract)


def test_the_same_claim_from_eight_sides_is_paid_once(member: Member) -> None:
    answers = rivals(member, [member.worked()] * RIVALS)
    assert {answer.status for answer in answers} == {200}
    assert paid(answers) == 24000
    assert used(member)["version"] == 1


def test_the_same_claim_that_changes_no_accumulator_is_paid_once_all_the_same(world: World) -> None:
    free = insure(world, deductible=None, out_of_pocket=None, coinsurance_bp=0, categories={}, codes={})
    answers = rivals(free, [free.claim(item(1, "LAB", "40.00"))] * RIVALS)
    assert paid(answers) == 4000
    assert free.stored("Accumulator") == []


def test_the_same_service_under_two_plans_of_a_payer_is_paid_once(world: World) -> None:
    member = insure(world, deductible=None, out_of_pocket=None, coinsurance_bp=0)
    gold = contract_of(member.payer, member.clinic, plan="GOLD")
    assert register_contract(member.api, member.payer, gold).status == 201
    plan = [{"type": concept("plan"), "value": "GOLD"}]
    second = cover(member.api, member.payer, member.patient, **{"class": plan})
    other = [{"sequence": 1, "focal": True, "coverage": {"reference": second}}]
    visit = item(1, "VISIT", "180.00")
    answers = rivals(member, [member.claim(visit), member.claim(visit, insurance=other)] * 3)
    assert paid(answers) == 9500


def test_the_same_request_sent_eight_times_at_once_is_one_act(member: Member) -> None:
    answers = rivals(member, [member.worked()] * RIVALS, key="once")
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.headers["carevouch-event"] for answer in answers}) == 1
    assert len(member.stored("Claim")) == len(member.decisions()) == 1


def test_a_family_at_the_counter_together_owes_its_deductible_once(world: World) -> None:
    limit = {"individual_cents": 15000, "family_cents": 15000, "family_rule": "aggregate"}
    one = insure(world, deductible=limit, out_of_pocket=None, coinsurance_bp=0)
    family = [{"type": concept("plan"), "value": "SILVER"}, {"type": concept("family"), "value": "F"}]
    people = [enrol(world, one.clinic) for _ in range(RIVALS)]
    covers = [cover(one.api, one.payer, person, **{"class": family}) for person in people]
    members = [
        replace(one, api=new_api(world), patient=person, coverage=covered)
        for person, covered in zip(people, covers, strict=True)
    ]
    answers = together([lambda m=m: m.submit(m.claim(item(1, "LAB", "40.00"))) for m in members])  # type: ignore[misc]
    assert {answer.status for answer in answers} == {200}
    assert paid(answers) == RIVALS * 4000 - 15000
    (shared,) = world.reader.directory("Accumulator").latest("Accumulator")
    assert parse_jcs(shared.body, "it")["used"]["deductible_cents"] == 15000


def test_rivals_that_never_end_are_answered_503_and_nothing_is_stored(
    world: World, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = world.rows
    assert isinstance(rows, MemoryRows)
    transact = rows.transact
    rival = replace(member, api=new_api(world))
    cents = iter(range(1, 1000))

    def outrun(*given: Any, **more: Any) -> None:
        monkeypatch.setattr(rows, "transact", transact)
        rival.submit(rival.claim(item(1, "LAB", f"0.{next(cents):02d}")))
        monkeypatch.setattr(rows, "transact", outrun)
        transact(*given, **more)

    monkeypatch.setattr(rows, "transact", outrun)
    told = member.submit(member.claim(item(1, "LAB", "95.00")))
    monkeypatch.setattr(rows, "transact", transact)
    assert told.status == 503
    assert told.headers["retry-after"]
    assert all(b'"value":95.00' not in stored.body for stored in member.stored("Claim"))


@pytest.mark.parametrize("how", ["before", "after", "lost", "dropped"])
@pytest.mark.parametrize("write", [1, 2, 3])
def test_a_crash_at_each_write_leaves_all_or_nothing_and_a_retry_ends_it(
    world: World, member: Member, write: int, how: str
) -> None:
    rows = world.rows
    assert isinstance(rows, MemoryRows)
    kept = revisions(member)
    rows.faults.plan = {rows.faults.writes + write: how}
    fresh = replace(member, api=new_api(world))
    outcome = attempt(fresh)
    rows.faults.plan = {}
    held = {type_: len(fresh.stored(type_)) for type_ in TYPES}
    assert set(held.values()) in ({0}, {1})
    if set(held.values()) == {0}:
        assert revisions(member) == kept
    told = replace(member, api=new_api(world)).submit(member.worked(), idempotency_key="again")
    assert told.status == 200
    assert outcome is None or outcome.body == told.body
    assert used(member) == {"version": 1, "deductible_cents": 9500, "oop_cents": 12000}
    assert paid([told]) == 24000
    assert [len(fresh.stored(type_)) for type_ in TYPES] == [1, 1, 1, 1]


def attempt(member: Member) -> Answer | None:
    """The answer, or None where the environment died or the outcome stayed open."""
    try:
        told = member.submit(member.worked(), idempotency_key="again")
    except Crash:
        return None
    return told if told.status == 200 else None
