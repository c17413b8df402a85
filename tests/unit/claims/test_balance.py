"""Properties for any plan, claim and history. The balance check sees a single lost cent."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.claims.accumulate import fresh, remaining_limits
from carevouch.claims.adjudicate import BalanceBroken, assert_balanced
from carevouch.claims.contract import Contract, parse_contract
from carevouch.claims.decision import decision_body, replay
from carevouch.claims.model import Accumulators, ClaimInput, FamilyUse, IndividualUse
from carevouch.kernel.canonical import jcs
from tests.unit.claims.cases import PROVIDER, claim, contract, coverage, decide, line, terms, token

CODES = ("A", "B", "C", "D")
amounts = st.integers(0, 300_000)


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any] | None:
    if draw(st.booleans()):
        return None
    own = draw(amounts)
    limit: dict[str, Any] = {"individual_cents": own}
    if draw(st.booleans()):
        rule = draw(st.sampled_from(["embedded", "aggregate"]))
        limit |= {"family_cents": own + draw(amounts), "family_rule": rule}
    return limit


@st.composite
def categories(draw: st.DrawFn) -> dict[str, Any]:
    kinds = draw(st.lists(st.sampled_from(["plan-year", "month", "day"]), unique=True, max_size=2))
    return {
        "copay_cents": draw(amounts),
        "coinsurance_bp": draw(st.integers(0, 10_000)),
        "deductible_waived": draw(st.booleans()),
        "limits": [
            {"period": kind, "visits": draw(st.integers(0, 3)), "amount_cents": draw(amounts)}
            for kind in kinds
        ],
    }


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    priced = draw(st.sets(st.sampled_from(CODES)))
    return terms(
        cost_sharing=draw(st.sampled_from(["copay_then_deductible", "deductible_then_copay"])),
        oop_cut_order=draw(st.permutations(["coinsurance", "copay", "deductible"])),
        coinsurance_bp=draw(st.integers(0, 10_000)),
        fees={
            "in_network": {token(code): draw(amounts) for code in sorted(priced)},
            "out_of_network": {token(code): draw(amounts) for code in sorted(priced)},
        },
        network=draw(st.sampled_from([[], [PROVIDER]])),
        deductible=draw(limits()),
        out_of_pocket=draw(limits()),
        categories={"one": draw(categories()), "two": draw(categories())},
        codes={token("A"): "one", token("B"): "two"},
        excluded=draw(st.sampled_from([[], [token("C")]])),
    )


@st.composite
def claims(draw: st.DrawFn) -> ClaimInput:
    lines = []
    for at in range(draw(st.integers(1, 6))):
        day = f"2026-0{draw(st.integers(1, 3))}-0{draw(st.integers(1, 3))}"
        units = draw(st.sampled_from([1000, 2000, 1500, 333]))
        code = draw(st.sampled_from(CODES))
        lines.append(line(at + 1, code, draw(amounts), start=day, end=day, units_thousandths=units))
    return claim(*lines)


@st.composite
def histories(draw: st.DrawFn) -> tuple[IndividualUse, FamilyUse | None]:
    own = IndividualUse(2, draw(amounts), draw(amounts))
    return own, draw(st.none() | st.builds(FamilyUse, st.just(5), amounts, amounts))


def before(plan: Contract, history: tuple[IndividualUse, FamilyUse | None]) -> Accumulators:
    return replace(fresh(plan), individual=history[0], family=history[1])


@settings(max_examples=150, deadline=None)
@given(plans(), claims(), histories())
def test_every_cent_is_accounted_for_and_no_limit_is_passed(
    data: dict[str, Any], submission: ClaimInput, history: tuple[IndividualUse, FamilyUse | None]
) -> None:
    plan = parse_contract(jcs(data))
    result = decide(submission, plan, before=before(plan, history))
    for one, answered in zip(submission.lines, result.lines, strict=True):
        reduced = sum(item.cents for item in answered.adjustments)
        assert (answered.sequence, answered.billed_cents) == (one.sequence, one.billed_cents)
        assert one.billed_cents == answered.paid_cents + reduced
        assert all(item.cents > 0 for item in answered.adjustments)
        assert 0 <= answered.paid_cents <= answered.allowed_cents <= one.billed_cents
    totals = result.totals
    groups = totals.contractual_cents + totals.patient_cents + totals.other_cents
    assert sum(one.billed_cents for one in submission.lines) == totals.paid_cents + groups
    shares = totals.copay_cents + totals.deductible_cents + totals.coinsurance_cents
    was = remaining_limits(plan, result.before)
    assert totals.deductible_cents <= was.deductible
    assert was.oop is None or shares <= was.oop
    now = remaining_limits(plan, result.after)
    assert (was.oop is None) == (now.oop is None)


@settings(max_examples=60, deadline=None)
@given(plans(), claims(), claims())
def test_two_claims_in_a_row_never_pass_a_limit_that_one_could_not(
    data: dict[str, Any], first: ClaimInput, second: ClaimInput
) -> None:
    plan = parse_contract(jcs(data))
    one = decide(first, plan)
    two = decide(second, plan, before=one.after, history=one.keys)
    after = two.after.individual
    if plan.terms.deductible:
        assert after.deductible_cents <= plan.terms.deductible.individual_cents
    if plan.terms.out_of_pocket:
        assert after.oop_cents <= plan.terms.out_of_pocket.individual_cents
    for counter in after.counters:
        limit = next(
            item
            for item in plan.terms.categories[counter.category].limits
            if len(counter.period) == {"plan-year": 9, "month": 7, "day": 10}[item.period]
        )
        assert len(counter.dates) <= (limit.visits or 0)
        assert counter.amount_cents <= (limit.amount_cents or 0)


@settings(max_examples=60, deadline=None)
@given(plans(), claims(), histories())
def test_the_recorded_decision_replays_to_the_same_bytes(
    data: dict[str, Any], submission: ClaimInput, history: tuple[IndividualUse, FamilyUse | None]
) -> None:
    plan = parse_contract(jcs(data))
    result = decide(submission, plan, before=before(plan, history))
    body = decision_body(result, submission, coverage(), {})
    again = replay(body, jcs(data))
    assert decision_body(again, submission, coverage(), {}) == body


def test_the_balance_check_sees_one_lost_cent_wherever_it_is() -> None:
    result, plan = decide(claim(line(1, "LAB", 9500), line(2, "XRAY", 31000))), contract()
    assert_balanced(result, plan)
    first = result.lines[0]
    own, totals = result.after.individual, result.totals
    broken = [
        replace(result, lines=(replace(first, paid_cents=first.paid_cents + 1), result.lines[1])),
        replace(result, lines=(replace(first, adjustments=first.adjustments[1:]), result.lines[1])),
        replace(result, lines=(replace(first, deductible_cents=first.deductible_cents - 1), result.lines[1])),
        replace(result, totals=replace(totals, paid_cents=totals.paid_cents + 1)),
        replace(result, totals=replace(totals, billed_cents=totals.billed_cents + 1)),
        replace(
            result,
            totals=replace(
                totals,
                patient_cents=totals.patient_cents + 1,
                contractual_cents=totals.contractual_cents - 1,
            ),
        ),
        replace(result, after=replace(result.after, individual=replace(own, oop_cents=own.oop_cents - 1))),
        replace(
            result,
            after=replace(result.after, individual=replace(own, deductible_cents=own.deductible_cents + 1)),
        ),
    ]
    for one in broken:
        with pytest.raises(BalanceBroken):
            assert_balanced(one, plan)


def test_an_answer_above_a_limit_is_not_let_out() -> None:
    result = decide(claim(line(1, "LAB", 9500)))
    tighter = contract(deductible={"individual_cents": 3999})
    with pytest.raises(BalanceBroken, match="deductible"):
        assert_balanced(result, tighter)
