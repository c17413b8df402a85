"""Each rule that may deny, with its code, and the nearest claim that it lets pass."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.claims.adjudicate import MAX_LINES, duplicate_key
from carevouch.claims.contract import Range
from carevouch.claims.model import Authorization, ClaimInput, CoverageInput, Line
from carevouch.kernel.errors import DomainError, Invalid, Unprocessable
from tests.unit.claims.cases import (
    claim,
    contract,
    coverage,
    decide,
    line,
    reasons,
    token,
    used,
)

LAB = line(1, "LAB", 4000)


def one(**changes: Any) -> Line:
    return replace(LAB, **changes)


def test_a_plain_claim_is_not_denied() -> None:
    assert not decide(claim(LAB)).denied


@pytest.mark.parametrize(
    ("submission", "cover", "code"),
    [
        (claim(LAB, patient="Patient/p2"), coverage(), "PR-31"),
        (claim(LAB), coverage(status="cancelled"), "PR-31"),
        (claim(LAB), coverage(status="entered-in-error"), "PR-31"),
        (claim(LAB), coverage(start="2026-03-16"), "PR-26"),
        (claim(LAB), coverage(end="2026-03-14"), "PR-27"),
        (claim(one(start="2026-03-14")), coverage(start="2026-03-15"), "PR-26"),
        (claim(LAB), coverage(order=2), "CO-22"),
        (claim(LAB, payer_order=2), coverage(), "CO-22"),
        (claim(LAB, provider="Organization/elsewhere"), coverage(), "PR-242"),
        (claim(line(1, "CREAM", 4000)), coverage(), "PR-96"),
        (claim(line(1, "UNHEARD", 4000)), coverage(), "PR-204"),
        (claim(one(system="https://example.org/other")), coverage(), "PR-204"),
    ],
)
def test_each_objection_denies_the_whole_line_with_its_code(
    submission: ClaimInput, cover: CoverageInput, code: str
) -> None:
    result = decide(submission, cover=cover)
    assert result.denied
    assert reasons(result) == {code: 4000}
    assert result.after == result.before
    assert result.keys == ()


@pytest.mark.parametrize(
    "cover",
    [
        coverage(start="2026-03-15"),
        coverage(end="2026-03-15"),
        coverage(start=None, end=None),
        coverage(plan=None),
    ],
)
def test_the_first_and_the_last_day_of_coverage_count(cover: CoverageInput) -> None:
    assert not decide(claim(LAB), cover=cover).denied


@pytest.mark.parametrize(("days", "denied"), [(17, False), (16, True)])
def test_filing_on_the_last_day_is_in_time_and_a_day_later_is_not(days: int, denied: bool) -> None:
    result = decide(claim(LAB), contract(timely_filing_days=days))
    assert (result.denied, reasons(result).get("CO-29", 0)) == (denied, 4000 if denied else 0)


def test_the_first_objection_in_the_fixed_order_is_the_one_given() -> None:
    submission = claim(line(1, "CREAM", 4000), patient="Patient/p2", provider="Organization/elsewhere")
    assert reasons(decide(submission)) == {"PR-31": 4000}


# Duplicates


def test_the_same_line_twice_in_one_claim_denies_the_second() -> None:
    result = decide(claim(LAB, line(2, "LAB", 4000)))
    assert [item.denied for item in result.lines] == [False, True]
    assert reasons(result, 1) == {"CO-18": 4000}


def test_a_line_paid_before_is_denied_and_the_match_is_recorded() -> None:
    first = decide(claim(LAB))
    again = decide(claim(LAB), history=first.keys)
    assert reasons(again) == {"CO-18": 4000}
    assert again.matched == first.keys


def test_a_line_denied_before_may_be_submitted_again() -> None:
    first = decide(claim(LAB), cover=coverage(order=2))
    assert not decide(claim(LAB), history=first.keys).denied


@pytest.mark.parametrize(
    "change",
    [
        {"modifiers": ("59",)},
        {"units_thousandths": 2000},
        {"billed_cents": 4001},
        {"place": "11"},
        {"start": "2026-03-14"},
        {"code": "XRAY"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_line_that_differs_in_one_part_of_the_key_is_not_a_duplicate(change: dict[str, Any]) -> None:
    first = decide(claim(LAB))
    assert not decide(claim(one(**change)), history=first.keys).denied


def test_the_order_of_modifiers_does_not_make_another_service() -> None:
    both, turned = one(modifiers=("25", "59")), one(modifiers=("59", "25"))
    assert duplicate_key(claim(both), both) == duplicate_key(claim(turned), turned)


def test_another_member_or_provider_is_another_service() -> None:
    submission = claim(LAB)
    assert duplicate_key(submission, LAB) != duplicate_key(claim(LAB, patient="Patient/p2"), LAB)
    assert duplicate_key(submission, LAB) != duplicate_key(claim(LAB, provider="Organization/o2"), LAB)


# Prior authorisation


def approved(**changes: Any) -> Authorization:
    base: dict[str, Any] = {
        "number": "A1",
        "codes": (token("LAB"),),
        "dates": Range("2026-03-01", "2026-03-31"),
        "units_thousandths": 2000,
    }
    return Authorization(**{**base, **changes})


GUARDED = contract(auth_required=[token("LAB")])


@pytest.mark.parametrize(
    ("numbers", "known", "code"),
    [
        ((), (), "CO-197"),
        ((), (approved(),), "CO-197"),
        (("A2",), (approved(),), "CO-15"),
        (("A1",), (approved(codes=(token("XRAY"),)),), "CO-15"),
        (("A1",), (approved(dates=Range("2026-03-16", "2026-03-31")),), "CO-15"),
        (("A1",), (approved(units_thousandths=999),), "CO-198"),
    ],
)
def test_a_guarded_service_without_a_fitting_authorisation_is_denied(
    numbers: tuple[str, ...], known: tuple[Authorization, ...], code: str
) -> None:
    result = decide(claim(LAB, authorizations=numbers), GUARDED, coverage(authorizations=known))
    assert reasons(result) == {code: 4000}


def test_an_authorisation_is_used_up_unit_by_unit() -> None:
    submission = claim(
        LAB, line(2, "LAB", 4000, place="11"), line(3, "LAB", 4000, place="22"), authorizations=("A1",)
    )
    result = decide(submission, GUARDED, coverage(authorizations=(approved(),)))
    assert [item.denied for item in result.lines] == [False, False, True]
    assert reasons(result, 2) == {"CO-198": 4000}
    assert result.after.individual.authorizations[0].units_thousandths == 2000
    later = decide(
        claim(one(place="99"), authorizations=("A1",)),
        GUARDED,
        coverage(authorizations=(approved(),)),
        result.after,
    )
    assert reasons(later) == {"CO-198": 4000}


# Out of network, and benefit limits


def test_outside_the_network_the_rest_above_the_fee_is_the_patients_and_counts_to_no_limit() -> None:
    fees = {"in_network": {token("LAB"): 4000}, "out_of_network": {token("LAB"): 1000}}
    plan = contract(fees=fees, deductible=None, coinsurance_bp=0, codes={}, categories={}, excluded=[])
    result = decide(claim(LAB, provider="Organization/elsewhere"), plan)
    assert (result.network, reasons(result), result.totals.paid_cents) == ("out", {"PR-45": 3000}, 1000)
    assert result.after.individual.oop_cents == 0


def limited(**limit: Any) -> Any:
    return contract(
        categories={"lab": {"limits": [limit], "deductible_waived": True, "coinsurance_bp": 0}},
        codes={token("LAB"): "lab"},
    )


def on(day: str, sequence: int = 1) -> Line:
    return line(sequence, "LAB", 4000, start=day, end=day)


def test_the_visit_after_the_last_allowed_one_is_the_patients() -> None:
    plan = limited(period="plan-year", visits=2)
    result = decide(claim(on("2026-03-01", 1), on("2026-03-02", 2), on("2026-03-03", 3)), plan)
    assert [item.paid_cents for item in result.lines] == [4000, 4000, 0]
    assert reasons(result, 2) == {"PR-119": 4000}
    assert result.after.individual.counters[0].dates == ("2026-03-01", "2026-03-02")
    assert result.after.individual.oop_cents == 0


def test_two_services_on_one_day_are_one_visit() -> None:
    plan = limited(period="plan-year", visits=1)
    submission = claim(on("2026-03-01", 1), line(2, "LAB", 3000, start="2026-03-01", end="2026-03-01"))
    assert [item.denied for item in decide(submission, plan).lines] == [False, False]


def test_a_monthly_limit_starts_again_with_the_month() -> None:
    plan = limited(period="month", visits=1)
    result = decide(claim(on("2026-01-31", 1), on("2026-02-01", 2), on("2026-02-02", 3)), plan)
    assert [item.denied for item in result.lines] == [False, False, True]


def test_an_amount_limit_pays_up_to_its_last_cent() -> None:
    plan = limited(period="plan-year", amount_cents=4001)
    result = decide(claim(on("2026-03-01", 1), on("2026-03-02", 2), on("2026-03-03", 3)), plan)
    assert [item.paid_cents for item in result.lines] == [4000, 1, 0]
    assert reasons(result, 1) == {"PR-119": 3999}


def test_a_later_service_does_not_use_up_an_earlier_days_limit() -> None:
    plan = limited(period="day", visits=1)
    later = decide(claim(on("2026-03-20")), plan)
    assert not decide(claim(on("2026-03-10")), plan, before=later.after).denied


# Claims that are refused rather than denied


@pytest.mark.parametrize(
    ("submission", "cover", "kind", "words"),
    [
        (claim(LAB, frequency="7"), coverage(), Unprocessable, "original"),
        (claim(LAB, frequency="8"), coverage(), Unprocessable, "original"),
        (claim(LAB), coverage(payer="Organization/other"), Unprocessable, "payer"),
        (claim(LAB), coverage(plan="GOLD"), Unprocessable, "plan"),
        (claim(LAB, currency="EUR"), coverage(), Unprocessable, "USD"),
        (claim(), coverage(), Invalid, "items"),
        (claim(LAB, line(1, "XRAY", 1)), coverage(), Invalid, "sequence"),
        (claim(one(start="2026-04-03", end="2026-04-03")), coverage(), Invalid, "after"),
        (claim(one(start="2026-03-16")), coverage(), Invalid, "ends before"),
        (claim(*[line(at, "LAB", 1) for at in range(1, MAX_LINES + 2)]), coverage(), Invalid, "split"),
        (claim(one(start="2025-12-31")), coverage(start="2025-01-01"), Unprocessable, "apart"),
    ],
)
def test_a_claim_that_cannot_be_adjudicated_is_refused_with_a_sentence(
    submission: ClaimInput, cover: CoverageInput, kind: type[DomainError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        decide(submission, cover=cover)


def test_accumulators_of_another_plan_year_are_refused() -> None:
    other = contract(effective={"start": "2025-01-01", "end": "2025-12-31"})
    with pytest.raises(Unprocessable, match="plan year"):
        decide(claim(LAB), before=used(other))


def test_a_contract_corrected_within_the_plan_year_keeps_the_accumulators() -> None:
    year = {"start": "2026-01-01", "end": "2026-12-31"}
    corrected = contract(effective={"start": "2026-03-01", "end": "2026-12-31"}, plan_year=year)
    assert not decide(claim(LAB), corrected, before=used(contract(), (100, 100))).denied


def test_every_denied_or_reduced_cent_names_its_rule_and_what_the_rule_read() -> None:
    submission = claim(line(1, "VISIT", 18000), line(2, "CREAM", 3000), line(3, "XRAY", 31000))
    for item in decide(submission).lines:
        for adjustment in item.adjustments:
            assert adjustment.rule
            assert adjustment.reads
