"""The recorded decision holds all that a replay needs, and a replay sees any change."""

import json
from typing import Any

import pytest

from carevouch.claims.contract import Range
from carevouch.claims.decision import (
    accumulators_body,
    decision_body,
    parse_accumulators,
    replay,
    trace_digest,
)
from carevouch.claims.model import Authorization, Counter
from carevouch.kernel.canonical import jcs
from carevouch.kernel.errors import DomainError, IntegrityFault, Invalid
from tests.unit.claims.cases import claim, contract, coverage, decide, line, terms, token, used

INPUTS = {"claim": {"event": "e1", "commit": "AAAA"}, "accumulator": {"event": "e2", "commit": "BBBB"}}
SUBMISSION = claim(
    line(1, "VISIT", 18000), line(2, "LAB", 9500), line(3, "XRAY", 31000), line(4, "CREAM", 3000)
)
RESULT = decide(SUBMISSION)
BODY = decision_body(RESULT, SUBMISSION, coverage(), INPUTS)


def test_the_body_names_its_inputs_contract_engine_and_instant() -> None:
    body = json.loads(BODY)
    assert body["inputs"] == INPUTS
    assert body["contract"] == contract().hash
    assert body["engine"] == {"name": "carevouch-claims", "version": "1"}
    assert body["at"] == "2026-04-01T10:00:00.000Z"
    assert body["accumulators"]["after"]["individual"]["oop_cents"] == 12000


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert decision_body(decide(SUBMISSION), SUBMISSION, coverage(), INPUTS) == BODY


def test_a_replay_agrees_with_the_record() -> None:
    assert replay(BODY, jcs(terms())) == RESULT


def test_a_replay_repeats_a_duplicate_that_history_showed() -> None:
    again = decide(SUBMISSION, history=(*RESULT.keys, "f" * 64))
    body = decision_body(again, SUBMISSION, coverage(), INPUTS)
    assert json.loads(body)["history"] == sorted(RESULT.keys)
    assert replay(body, jcs(terms())) == again


def test_a_replay_uses_the_authorisations_that_were_read() -> None:
    plan = terms(auth_required=[token("LAB")])
    known = Authorization("A1", (token("LAB"),), Range("2026-01-01", "2026-12-31"), 5000)
    submission, cover = claim(line(1, "LAB", 4000), authorizations=("A1",)), coverage(authorizations=(known,))
    result = decide(submission, contract(auth_required=[token("LAB")]), cover)
    assert replay(decision_body(result, submission, cover, {}), jcs(plan)).totals.allowed_cents == 4000


def forged(**path: Any) -> bytes:
    body = json.loads(BODY)
    for name, change in path.items():
        body[name] = change(body[name])
    return jcs(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (forged(totals=lambda was: {**was, "paid_cents": was["paid_cents"] + 1}), "totals"),
        (forged(lines=lambda was: [{**was[0], "paid_cents": 9501}, *was[1:]]), "lines"),
        (forged(keys=lambda was: was[:-1]), "keys"),
        (forged(trace=lambda was: was[:-1]), "trace"),
        (forged(network=lambda _: "out"), "network"),
        (forged(history=lambda _: ["0" * 64]), "history"),
        (forged(contract=lambda _: "0" * 64), "another contract"),
        (forged(coverage=lambda was: {**was, "end": "2026-03-01"}), "accumulators"),
        (forged(accumulators=lambda was: {**was, "after": was["before"]}), "accumulators"),
    ],
)
def test_a_replay_names_what_was_changed(body: bytes, words: str) -> None:
    with pytest.raises(IntegrityFault, match=words):
        replay(body, jcs(terms()))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        BODY + b" ",
        forged(kind=lambda _: "consent"),
        forged(engine=lambda was: {**was, "version": "0"}),
        forged(claim=lambda was: {**was, "patients": "x"}),
        forged(inputs=lambda _: []),
        forged(inputs=lambda _: {"claim": {"event": "e1"}}),
        forged(accumulators=lambda _: None),
        forged(history=lambda _: "x"),
        forged(at=lambda _: "yesterday"),
    ],
)
def test_a_body_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(DomainError):
        replay(body, jcs(terms()))


def test_an_input_must_be_named_by_event_and_commit() -> None:
    with pytest.raises(Invalid, match="event and commit"):
        decision_body(RESULT, SUBMISSION, coverage(), {"claim": {"event": "e1"}})


def test_the_trace_digest_changes_with_the_trace() -> None:
    assert trace_digest(RESULT) != trace_digest(decide(claim(line(1, "LAB", 4000))))
    assert trace_digest(RESULT) == trace_digest(decide(SUBMISSION))


def test_accumulators_survive_storage() -> None:
    state = used(contract(), (1, 2), (3, 4))
    assert parse_accumulators(accumulators_body(state)) == state
    assert parse_accumulators(json.loads(jcs(accumulators_body(RESULT.after)))) == RESULT.after


@pytest.mark.parametrize(
    "change",
    [{"plan": 1}, {"extra": 1}, {"period": {"start": "2026-01-01"}}, {"individual": {"oop_cents": -1}}],
)
def test_accumulators_of_another_form_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        parse_accumulators({**accumulators_body(used(contract())), **change})


def test_versions_grow_only_where_something_changed() -> None:
    before = used(contract(), (0, 0), (0, 0))
    paid = decide(claim(line(1, "LAB", 4000)), before=before).after
    assert paid.family is not None
    assert (paid.individual.version, paid.family.version) == (4, 8)
    denied = decide(claim(line(1, "CREAM", 4000)), before=before).after
    assert denied == before


def test_a_visit_alone_changes_the_member_and_not_the_family() -> None:
    plan = contract(
        categories={"visit": {"limits": [{"period": "plan-year", "visits": 5}], "coinsurance_bp": 0}},
        deductible=None,
    )
    before = used(plan, (0, 0), (0, 0))
    after = decide(claim(line(1, "VISIT", 12000)), plan, before=before).after
    assert after.individual.counters == (Counter("visit", "plan-year", ("2026-03-15",), 12000),)
    assert (after.individual.version, after.family) == (4, before.family)


def test_a_claim_of_the_greatest_length_fits_a_row_of_the_store() -> None:
    names = [line(at, "XRAY", 31000, place=f"place-{at}") for at in range(1, 101)]
    body = decision_body(decide(claim(*names)), claim(*names), coverage(), INPUTS)
    assert len(body) < 350_000
