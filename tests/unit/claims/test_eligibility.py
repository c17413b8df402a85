"""The four purposes of an eligibility request, and the part of the accumulators that an answer shows."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.claims.eligibility import MemberCoverage, eligibility_response
from carevouch.claims.model import Accumulators, Counter
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import render
from tests.unit.claims.cases import NOW, PATIENT, PAYER, SYSTEM, contract, coverage, token, used
from tests.unit.claims.resources import concept

PLAN = contract(
    deductible={"individual_cents": 15000, "family_cents": 30000},
    categories={
        "visit": {"copay_cents": 2500, "coinsurance_bp": 0, "limits": [{"period": "plan-year", "visits": 20}]}
    },
    auth_required=[token("XRAY")],
)


def request(*purposes: str, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "resourceType": "CoverageEligibilityRequest",
        "status": "active",
        "purpose": list(purposes),
        "patient": {"reference": PATIENT},
        "created": "2026-04-01",
        "insurer": {"reference": PAYER},
    }
    return {**base, **changes}


def insured(before: Accumulators | None = None, **cover: Any) -> MemberCoverage:
    return MemberCoverage("Coverage/v1", coverage(**cover), PLAN, before)


def ask(question: dict[str, Any], *known: MemberCoverage) -> dict[str, Any]:
    return eligibility_response(question, known, NOW, request="CoverageEligibilityRequest/r1")


def test_validation_says_in_force_and_nothing_more() -> None:
    answer = ask(request("validation"), insured())
    assert [one["inforce"] for one in answer["insurance"]] == [True]
    assert "item" not in answer["insurance"][0]
    assert (answer["outcome"], answer["purpose"]) == ("complete", ["validation"])


@pytest.mark.parametrize(
    "cover",
    [
        {"status": "cancelled"},
        {"start": "2026-04-02"},
        {"end": "2026-03-31"},
        {"beneficiary": "Patient/p2"},
    ],
)
def test_a_coverage_that_does_not_hold_today_is_not_in_force_and_shows_no_benefit(
    cover: dict[str, Any],
) -> None:
    [one] = ask(request("validation", "benefits"), insured(**cover))["insurance"]
    assert one == {"coverage": {"reference": "Coverage/v1"}, "inforce": False}


def test_a_coverage_without_a_contract_is_not_in_force() -> None:
    answer = ask(request("validation"), MemberCoverage("Coverage/v1", coverage(), None, None))
    assert answer["insurance"][0]["inforce"] is False


def test_the_dates_asked_about_decide_not_today() -> None:
    [one] = ask(request("validation", servicedDate="2027-01-01"), insured())["insurance"]
    assert one["inforce"] is False


def test_discovery_lists_every_coverage_known() -> None:
    answer = ask(request("discovery"), insured(), replace(insured(end="2026-01-31"), place="Coverage/v2"))
    assert [one["inforce"] for one in answer["insurance"]] == [True, False]


def test_discovery_of_nothing_has_no_empty_list() -> None:
    assert "insurance" not in ask(request("discovery"))


def benefits(answer: dict[str, Any], category: str, unit: str = "individual") -> dict[str, tuple[Any, Any]]:
    by_type: dict[str, tuple[Any, Any]] = {}
    for one in (item for item in answer["insurance"][0]["item"] if "benefit" in item):
        frame = (one["category"]["coding"][0]["code"], one["unit"]["coding"][0]["code"])
        for benefit in one["benefit"] if frame == (category, unit) else ():
            by_type[benefit["type"]["coding"][0]["code"]] = (
                _side_value(benefit, "allowed"),
                _side_value(benefit, "used"),
            )
    return by_type


def _side_value(benefit: dict[str, Any], side: str) -> Any:
    value = next((item for name, item in benefit.items() if name.startswith(side)), None)
    return value["value"].text if isinstance(value, dict) else value


def test_benefits_show_what_is_allowed_and_what_is_used() -> None:
    answer = ask(request("benefits"), insured(used(PLAN, (4000, 6500), (9000, 9000))))
    assert benefits(answer, "30") == {"deductible": ("150.00", "40.00"), "out-of-pocket": ("120.00", "65.00")}
    assert benefits(answer, "30", "family") == {"deductible": ("300.00", "90.00")}


def test_visits_used_come_from_the_counters() -> None:
    state = used(PLAN)
    counter = Counter("visit", "plan-year", ("2026-01-05", "2026-02-05"), 24000)
    state = replace(state, individual=replace(state.individual, counters=(counter,)))
    answer = ask(request("benefits"), insured(state))
    assert benefits(answer, "visit") == {
        "copay": ("25.00", None),
        "copay-percent": ("0.00", None),
        "visit": (20, 2),
    }


def test_under_an_aggregate_family_limit_the_members_own_is_not_shown() -> None:
    shared = {"individual_cents": 1, "family_cents": 2, "family_rule": "aggregate"}
    plan = contract(deductible=shared, out_of_pocket=None)
    answer = ask(request("benefits"), replace(insured(used(plan, (0, 0), (0, 0))), contract=plan))
    assert benefits(answer, "30") == {}
    assert benefits(answer, "30", "family") == {"deductible": ("0.02", "0.00")}


def services(answer: dict[str, Any]) -> list[tuple[str, bool, bool | None]]:
    items = [one for one in answer["insurance"][0]["item"] if "productOrService" in one]
    return [
        (one["productOrService"]["coding"][0]["code"], one["excluded"], one.get("authorizationRequired"))
        for one in items
    ]


def asking(*codes: str) -> dict[str, Any]:
    return {"item": [{"productOrService": concept(code, SYSTEM)} for code in codes]}


def test_auth_requirements_answer_for_each_service_asked() -> None:
    answer = ask(request("auth-requirements", **asking("XRAY", "LAB", "CREAM", "UNHEARD")), insured())
    assert services(answer) == [
        ("XRAY", False, True),
        ("LAB", False, False),
        ("CREAM", True, False),
        ("UNHEARD", True, False),
    ]


def test_auth_requirements_without_a_service_list_all_that_need_one() -> None:
    assert services(ask(request("auth-requirements"), insured())) == [("XRAY", False, True)]


def test_benefits_of_a_service_are_those_of_its_category() -> None:
    answer = ask(request("benefits", **asking("LAB")), insured())
    assert benefits(answer, "visit") == {}
    assert services(answer) == [("LAB", False, None)]
    assert benefits(ask(request("benefits", **asking("VISIT")), insured()), "visit")["visit"] == (20, 0)


def test_the_answer_renders() -> None:
    assert b'"inforce":true' in render(ask(request("benefits", "auth-requirements"), insured()))


@pytest.mark.parametrize(
    "question",
    [
        [],
        {"resourceType": "Claim"},
        request(),
        request("everything"),
        request("benefits", purpose="benefits"),
        request("benefits", purpose=[["benefits"]]),
        request("benefits", status="draft"),
        request("benefits", patient={}),
        request("benefits", insurer=None),
        request("benefits", servicedDate="soon"),
        request("benefits", item={}),
        request("benefits", item=[{"category": concept("visit")}]),
        request("benefits", item=[{"productOrService": concept("LAB")}] * 101),
    ],
)
def test_a_request_without_sense_is_refused(question: Any) -> None:
    with pytest.raises(Invalid):
        ask(question, insured())
