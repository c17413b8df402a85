"""FHIR Claim and Coverage in, ClaimResponse out. No claim of others, and no mutilated one, crashes."""

import gzip
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.claims.decision import trace_digest
from carevouch.claims.fhir import claim_input, coverage_input, focal_coverage
from carevouch.claims.model import OUTCOME_TEXTS, OUTCOMES, Adjudication
from carevouch.claims.response import claim_response
from carevouch.kernel.errors import DomainError, Invalid, Unprocessable
from carevouch.kernel.jsontext import Number, parse, render
from tests.oracles import shared_path
from tests.unit.claims.cases import PAYER, claim, coverage, decide, line, reasons
from tests.unit.claims.resources import (
    concept,
    fhir_claim,
    fhir_coverage,
    item,
    usd,
    worked_claim,
)


def test_a_fhir_claim_is_read_line_by_line() -> None:
    read = claim_input(worked_claim())
    assert read == claim(
        line(1, "VISIT", 18000),
        line(2, "LAB", 9500),
        line(3, "XRAY", 31000),
        line(4, "CREAM", 3000),
        currency="USD",
    )


def test_a_fhir_coverage_is_read_with_its_plan() -> None:
    assert coverage_input(fhir_coverage()) == coverage()


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({"start": "2026", "end": "2026"}, ("2026-01-01", "2026-12-31")),
        ({"start": "2024-02", "end": "2024-02"}, ("2024-02-01", "2024-02-29")),
        ({"start": "2026-01-01T00:00:00+01:00"}, ("2026-01-01", None)),
        ({}, (None, None)),
    ],
)
def test_a_partial_period_opens_early_and_closes_late(
    period: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    read = coverage_input(fhir_coverage(period=period))
    assert (read.start, read.end) == expected


def one(**changes: Any) -> dict[str, Any]:
    return fhir_claim(item(1, "LAB", "40.00", **changes))


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"net": None, "unitPrice": usd("20"), "quantity": {"value": 2}}, "billed_cents", 4000),
        ({"net": None, "unitPrice": usd("33.33"), "quantity": {"value": 3}}, "billed_cents", 9999),
        ({"net": None, "unitPrice": usd("40.00"), "factor": Number("0.5")}, "billed_cents", 2000),
        (
            {"unitPrice": usd("26.67"), "quantity": {"value": Number("1.5")}, "net": usd("40.01")},
            "billed_cents",
            4001,
        ),
        (
            {"unitPrice": usd("26.67"), "quantity": {"value": Number("1.5")}, "net": usd("40.00")},
            "billed_cents",
            4000,
        ),
        ({"quantity": {"value": Number("1.5")}}, "units_thousandths", 1500),
        ({"modifier": [concept("25"), concept("59")]}, "modifiers", ("25", "59")),
        ({"locationCodeableConcept": concept("11")}, "place", "11"),
        (
            {"servicedDate": None, "servicedPeriod": {"start": "2026-03-01", "end": "2026-03-02"}},
            "end",
            "2026-03-02",
        ),
        ({"servicedDate": "2026-03-15T23:59:00-05:00"}, "start", "2026-03-15"),
    ],
)
def test_the_parts_of_an_item_are_read(changes: dict[str, Any], field: str, expected: Any) -> None:
    [read] = claim_input(one(**changes)).lines
    assert getattr(read, field) == expected


def test_an_item_without_its_own_date_has_the_claims_billable_period() -> None:
    submission = fhir_claim(
        item(1, "LAB", "40.00", servicedDate=None), billablePeriod={"start": "2026-03-01"}
    )
    [read] = claim_input(submission).lines
    assert (read.start, read.end) == ("2026-03-01", "2026-03-01")


def test_authorisation_numbers_are_those_of_the_focal_insurance() -> None:
    insurance = [
        {"sequence": 2, "focal": True, "coverage": {"reference": "Coverage/b"}, "preAuthRef": ["A1"]},
        {"sequence": 1, "focal": False, "coverage": {"reference": "Coverage/a"}, "preAuthRef": ["A2"]},
    ]
    submission = fhir_claim(item(1, "LAB", "40.00"), insurance=insurance)
    assert (claim_input(submission).authorizations, claim_input(submission).payer_order) == (("A1",), 2)
    assert focal_coverage(submission) == "Coverage/b"


LAB = item(1, "LAB", "40.00")


@pytest.mark.parametrize(
    ("submission", "kind", "words"),
    [
        (fhir_claim(LAB, total=usd("40.01")), Invalid, "total is more than"),
        (fhir_claim(LAB, total=usd("39.99")), Invalid, "total is less than"),
        (fhir_claim(LAB, total={"value": Number("40.00"), "currency": "EUR"}), Invalid, "one currency"),
        (one(net=None), Invalid, r"item\[0\] states no amount"),
        (one(net=usd("40.001")), Invalid, "fraction of a cent"),
        (one(net=usd("-40.00")), Invalid, "negative"),
        (one(net=usd("1E+999999")), Invalid, "everyday size"),
        (one(net={"value": 40.0}), Invalid, "decimal"),
        (one(net={"value": True}), Invalid, "decimal"),
        (one(unitPrice=usd("39.99")), Invalid, "net is not unitPrice"),
        (one(net=None, unitPrice=usd("0.01"), factor=Number("0.5")), Invalid, "whole cents"),
        (one(quantity={"value": 0}), Invalid, "quantity"),
        (one(quantity={"value": Number("0.0001")}), Invalid, "quantity"),
        (one(sequence=0), Invalid, "sequence"),
        (one(sequence=True), Invalid, "sequence"),
        (one(servicedDate="2026-03"), Invalid, "servicedDate"),
        (one(servicedDate="2026-02-29"), Invalid, "exists"),
        (one(servicedDate=None), Invalid, "has no date"),
        (one(productOrService={"text": "blood test"}), Invalid, "system and code"),
        (one(detail=[{}]), Unprocessable, "detail"),
        (one(modifierExtension=[{}]), Unprocessable, "modifierExtension"),
        (fhir_claim(LAB, use="preauthorization"), Unprocessable, "use"),
        (fhir_claim(LAB, status="draft"), Invalid, "status"),
        (fhir_claim(LAB, type=None), Invalid, "type"),
        (fhir_claim(LAB, insurance=None), Invalid, "insurance"),
        (fhir_claim(LAB, patient={"display": "Somebody"}), Invalid, "patient.reference"),
        (fhir_claim(), Invalid, "at least one"),
        (fhir_claim(LAB, related=[{"relationship": concept("prior")}]), Unprocessable, "related"),
        (
            fhir_claim(
                LAB,
                insurance=[
                    {
                        "sequence": 1,
                        "focal": True,
                        "coverage": {"reference": "Coverage/v1"},
                        "claimResponse": {"reference": "ClaimResponse/1"},
                    }
                ],
            ),
            Unprocessable,
            "prior payer",
        ),
        (fhir_coverage(), Invalid, "Claim resource"),
        ([], Invalid, "Claim resource"),
    ],
)
def test_a_claim_that_cannot_be_read_is_refused_naming_the_element(
    submission: Any, kind: type[DomainError], words: str
) -> None:
    with pytest.raises(kind, match=words) as refused:
        claim_input(submission)
    assert "Somebody" not in refused.value.message
    assert "LAB" not in refused.value.message


def test_a_cross_reference_to_another_claim_is_no_obstacle() -> None:
    assert claim_input(fhir_claim(LAB, related=[{"relationship": concept("associated")}])).lines


@pytest.mark.parametrize(
    "changes",
    [
        {"payor": [{"reference": "Organization/a"}, {"reference": "Organization/b"}]},
        {"payor": []},
        {"payor": [{"display": "Some insurer"}]},
        {"status": None},
        {"beneficiary": None},
        {"order": 0},
        {"period": {"start": "2026-13-01"}},
        {"class": [{"value": "SILVER"}]},
    ],
)
def test_a_coverage_that_cannot_be_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((Invalid, Unprocessable)):
        coverage_input(fhir_coverage(**changes))


# The answer


def answer(submission: dict[str, Any]) -> tuple[Adjudication, dict[str, Any]]:
    result = decide(claim_input(submission))
    return result, claim_response(submission, result, request="Claim/c1", insurer=PAYER)


def codes_and_amounts(adjudications: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["category"]["coding"][0]["code"], one["amount"]["value"].text) for one in adjudications]


def test_the_worked_example_leaves_as_a_claim_response() -> None:
    result, response = answer(worked_claim())
    assert (response["outcome"], response["use"], response["request"]) == (
        "complete",
        "claim",
        {"reference": "Claim/c1"},
    )
    assert codes_and_amounts(response["item"][0]["adjudication"]) == [
        ("submitted", "180.00"),
        ("eligible", "120.00"),
        ("adjustment", "60.00"),
        ("copay", "25.00"),
        ("benefit", "95.00"),
    ]
    assert codes_and_amounts(response["total"]) == [
        ("submitted", "615.00"),
        ("eligible", "360.00"),
        ("deductible", "95.00"),
        ("copay", "25.00"),
        ("coinsurance", "0.00"),
        ("contractual", "225.00"),
        ("patient", "150.00"),
        ("benefit", "240.00"),
    ]
    assert response["payment"]["amount"]["value"].text == "240.00"
    urls = {one["url"].rsplit("/", 1)[1]: one["valueString"] for one in response["extension"]}
    assert urls == {"contract-hash": result.contract, "trace-digest": trace_digest(result)}


def test_reasons_are_group_and_carc_by_number_with_words_of_our_own() -> None:
    _, response = answer(worked_claim())
    excluded = response["item"][3]
    [reason] = [one["reason"]["coding"] for one in excluded["adjudication"] if "reason" in one]
    assert [code["code"] for code in reason] == ["PR", "96"]
    assert reason[1] == {"system": "https://x12.org/codes/claim-adjustment-reason-codes", "code": "96"}
    notes = {note["number"]: note["text"] for note in response["processNote"]}
    assert notes[excluded["noteNumber"][0]] == OUTCOME_TEXTS[("PR", "96")]


def test_every_item_of_the_answer_adds_up_to_what_was_submitted() -> None:
    _, response = answer(worked_claim())
    for one in response["item"]:
        submitted, _eligible, *rest = (part["amount"]["value"] for part in one["adjudication"])
        assert submitted == sum(rest)


def test_the_answer_is_json_with_two_digits() -> None:
    _, response = answer(worked_claim())
    again = parse(render(response))
    assert again["payment"]["amount"] == {"value": Number("240.00"), "currency": "USD"}
    assert b'"value":240.00' in render(response)


def test_a_denied_claim_pays_nothing_and_says_so() -> None:
    _, response = answer(fhir_claim(item(1, "CREAM", "30.00")))
    assert "payment" not in response
    assert response["disposition"].startswith("Denied")


def test_a_claim_below_the_deductible_is_not_called_denied() -> None:
    _, response = answer(fhir_claim(item(1, "LAB", "40.00")))
    assert "payment" not in response
    assert response["disposition"].startswith("Adjudicated")


def test_every_reason_has_a_sentence_of_its_own() -> None:
    assert len(OUTCOME_TEXTS) == len(OUTCOMES) == len(set(OUTCOME_TEXTS.values()))


# Other people's claims


def synthea_claims() -> list[dict[str, Any]]:
    files = sorted(shared_path("data/synthea").glob("*_*.json.gz"))
    bundles = [parse(gzip.decompress(path.read_bytes())) for path in files]
    entries = [entry["resource"] for bundle in bundles for entry in bundle["entry"]]
    return [one for one in entries if one["resourceType"] == "Claim"]


def test_synthea_claims_are_refused_for_the_encounter_item_without_an_amount() -> None:
    claims = synthea_claims()
    assert len(claims) == 150
    for submission in claims:
        with pytest.raises(Invalid, match=r"Claim.item\[0\] states no amount: give net, or unitPrice"):
            claim_input(submission)


def test_synthea_claims_with_every_item_priced_are_adjudicated() -> None:
    for submission in synthea_claims():
        priced = [{**one, "net": one.get("net", usd("129.16"))} for one in submission["item"]]
        total = sum(one["net"]["value"] for one in priced)
        read = claim_input(
            {**submission, "item": priced, "total": {"value": Number(str(total)), "currency": "USD"}}
        )
        assert len(read.lines) == len(priced)


def test_the_total_that_synthea_states_is_refused_where_it_is_not_the_sum() -> None:
    seen: Counter[str] = Counter()
    for submission in synthea_claims():
        free = [{**one, "net": one.get("net", usd("0.00"))} for one in submission["item"]]
        with pytest.raises(Invalid) as refused:
            claim_input({**submission, "item": free})
        seen[refused.value.message.split(" than ")[0].split(" has ")[0]] += 1
    assert seen == {"Claim.total is more": 134, "Claim.total": 16}  # 16 totals have fractions of a cent


# A mutilated claim gets an answer or a sentence

junk: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({}) | st.just([1])
)


@st.composite
def mutilated(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    value: Any = whole
    path: list[Any] = []
    while isinstance(value, dict | list) and value and (not path or draw(st.booleans())):
        path.append(draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value)))))
        value = value[path[-1]]
    return _replaced(whole, path, draw(junk))


def _replaced(value: Any, path: list[Any], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {**value, path[0]: _replaced(value[path[0]], path[1:], new)}
    return [_replaced(one, path[1:], new) if at == path[0] else one for at, one in enumerate(value)]


FULL = fhir_claim(
    item(
        1,
        "LAB",
        "40.00",
        unitPrice=usd("20.00"),
        quantity={"value": 2},
        factor=1,
        modifier=[concept("25")],
        locationCodeableConcept=concept("11"),
        servicedDate=None,
        servicedPeriod={"start": "2026-03-15", "end": "2026-03-15"},
    ),
    total=usd("40.00"),
    related=[{"relationship": concept("associated")}],
    billablePeriod={"start": "2026-03-15", "end": "2026-03-15"},
)


@settings(max_examples=300, deadline=None)
@given(mutilated(FULL), mutilated(fhir_coverage()))
def test_a_mutilated_claim_or_coverage_is_answered_or_refused_never_a_crash(
    submission: Any, cover: Any
) -> None:
    # Anything but a DomainError with its sentence would be a 500, and fails the test.
    with suppress(DomainError):
        read, known = claim_input(submission), coverage_input(cover)
        result = decide(read, cover=known)
        render(claim_response(submission, result, request="Claim/c1", insurer=PAYER))


def test_the_full_claim_that_is_mutilated_above_is_itself_good() -> None:
    assert reasons(decide(claim_input(FULL), cover=coverage_input(fhir_coverage()))) == {"PR-1": 4000}
