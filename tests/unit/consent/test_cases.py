"""Published decision cases and our own, through the model and through real FHIR R4, with their neighbours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from carevouch.consent.shorthand import DecisionCase, read_cases
from tests.oracles import SHARED, or_skip, shared_path
from tests.unit.consent import second_evaluator
from tests.unit.consent.case_runs import case_of, own_cases, through_fhir, through_model

PUBLISHED = "cases/consent-decisions.jsonl"
WAYS = pytest.mark.parametrize("way", [through_model, through_fhir], ids=["model", "fhir"])
Way = Callable[[DecisionCase], Any]


def _published() -> tuple[DecisionCase, ...]:
    path = SHARED / PUBLISHED
    return read_cases(path.read_bytes()) if path.exists() else ()


def _ids(cases: tuple[DecisionCase, ...]) -> list[str]:
    return [case.name for case in cases]


@WAYS
@pytest.mark.parametrize("case", or_skip(_published(), PUBLISHED), ids=_ids(_published()) or None)
def test_published_case_is_decided_as_published(case: DecisionCase, way: Way) -> None:
    decision = way(case)
    assert decision.permitted == (case.expected == "permit"), decision.explain()


def test_all_published_cases_are_run() -> None:
    assert len(read_cases(shared_path(PUBLISHED).read_bytes())) >= 52


@WAYS
@pytest.mark.parametrize("case", own_cases(), ids=_ids(own_cases()))
def test_own_case_is_decided_as_written(case: DecisionCase, way: Way) -> None:
    decision = way(case)
    assert decision.permitted == (case.expected == "permit"), decision.explain()


@pytest.mark.parametrize("case", [*_published(), *own_cases()], ids=_ids((*_published(), *own_cases())))
def test_the_second_evaluator_agrees(case: DecisionCase) -> None:
    assert second_evaluator.permitted(case.raw) == (case.expected == "permit")


# A published case, the changes to its request and to its resource, and the new answer.
NEIGHBOURS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("basic-treat permit TREAT", {"purpose": "PATRQT"}, {}, "deny"),
    ("basic-treat permit TREAT", {"purpose": "HOPERAT"}, {}, "permit"),
    ("expired-treat on last day 23:59", {"now": "2022-12-31T23:59:59Z"}, {}, "permit"),
    ("expired-treat on last day 23:59", {"now": "2023-01-01T00:00:00Z"}, {}, "deny"),
    ("research permit, CLINTRCH", {"purpose": "CLINTRL"}, {}, "deny"),
    ("CLINTRCH permit, HRESCH not covered", {"purpose": "CLINTRCHPC"}, {}, "permit"),
    ("timeframe in", {}, {"date": "2022-12-31T23:59:59Z"}, "permit"),
    ("timeframe in", {}, {"date": "2023-01-01T00:00:00Z"}, "deny"),
    ("timeframe in", {}, {"date": "2022"}, "permit"),
    ("timeframe in", {}, {"date": None}, "deny"),
    ("not-timeframe inside", {}, {"date": "2021-12-31"}, "permit"),
    ("not-timeframe inside", {}, {"date": "2023-01-01"}, "permit"),
    ("not-timeframe inside", {}, {"date": "2022-01-01"}, "deny"),
    ("authoredby yes", {}, {"authors": ["Practitioner/else"]}, "deny"),
    ("authoredby yes", {}, {"authors": []}, "deny"),
    ("not-authoredby yes", {}, {"authors": ["Practitioner/else"]}, "permit"),
    ("encounter related", {}, {"related": ["Encounter/f"]}, "deny"),
    ("encounter itself", {}, {"id": "Encounter/f"}, "deny"),
    ("not-encounter related", {}, {"related": ["Encounter/f"]}, "permit"),
    ("data instance yes", {}, {"id": "Observation/2"}, "deny"),
    ("purpose FooBar org", {"actors": ["Practitioner/q"]}, {}, "deny"),
    ("purpose FooBar org", {"purpose": "TREAT"}, {}, "deny"),
    ("purpose FooBar org", {"purpose": "FooBaz"}, {}, "deny"),
    ("adv normal N", {}, {"conf": "R"}, "deny"),
    ("adv normal L (below)", {}, {"conf": "U"}, "permit"),
    ("N+R, R", {}, {"conf": "V"}, "deny"),
    ("N not R, R", {}, {"conf": "N"}, "permit"),
    ("focused R, P", {"actors": ["Practitioner/else"]}, {}, "deny"),
    ("focused R, P", {}, {"conf": "V"}, "deny"),
    ("focused R, P", {"actors": None}, {}, "deny"),
    ("focused psy, P, R+PSY", {"actors": ["Practitioner/else"]}, {}, "deny"),
    ("focused psy, P, R+PSY", {}, {"sens": []}, "deny"),
    ("btg-restricted BTG member R", {"btg_ok": False}, {}, "deny"),
    ("btg-restricted BTG member R", {}, {"conf": "V"}, "deny"),
    ("btg-restricted TREAT member R", {"purpose": "ETREAT"}, {}, "deny"),
    ("btg-restricted TREAT member R", {}, {"conf": "N"}, "permit"),
    ("dissent BTG member", {"btg_ok": False}, {}, "deny"),
    ("dissent BTG member", {"purpose": "ERTREAT"}, {}, "deny"),
    ("nested deny expired", {"now": "2020-01-01T23:59:59Z"}, {}, "deny"),
    ("nested deny expired", {"now": "2020-01-02T00:00:00Z"}, {}, "permit"),
    ("3-level ETREAT", {"purpose": "ERTREAT"}, {}, "permit"),
    ("3-level ETREAT", {"purpose": "COC"}, {}, "deny"),
    ("3-level TREAT", {"actors": ["Practitioner/else"]}, {}, "permit"),
    ("deny action correct; correct", {"action": "access"}, {}, "permit"),
    ("sibling deny not lifted by a cousin exception", {}, {"conf": "N"}, "permit"),
    ("sibling deny not lifted by a cousin exception", {}, {"conf": None}, "deny"),
    ("deny Obs except N: Obs N", {}, {"conf": "R"}, "deny"),
    ("deny Obs except N: Obs N", {}, {"conf": None}, "deny"),
    ("two consents: N for all, PSY to P", {"actors": ["Practitioner/else"]}, {}, "deny"),
    ("two consents: N for all, PSY to P", {}, {"sens": ["HIV"]}, "deny"),
    ("two consents: explicit deny wins", {"actors": ["Practitioner/else"]}, {}, "permit"),
    (
        "scenario G: OPTIN, untyped root, nested deny Bob: Bob",
        {"actors": ["Practitioner/else"]},
        {},
        "permit",
    ),
    ("deny ETH covers OPIOIDUD", {}, {"sens": ["HIV"]}, "permit"),
    ("deny ETH covers OPIOIDUD", {}, {"sens": ["ETHUD"]}, "deny"),
    ("actors unresolved: deny-actor applies", {"actors": []}, {}, "permit"),
]


@WAYS
@pytest.mark.parametrize(("name", "rq", "rs", "expected"), NEIGHBOURS)
def test_nearest_neighbour_of_a_published_case(
    name: str, rq: dict[str, Any], rs: dict[str, Any], expected: str, way: Way
) -> None:
    raw = next(case.raw for case in read_cases(shared_path(PUBLISHED).read_bytes()) if case.name == name)
    case = case_of({**raw, "rq": {**raw["rq"], **rq}, "rs": {**raw["rs"], **rs}, "exp": expected})
    decision = way(case)
    assert decision.permitted == (expected == "permit"), decision.explain()


@pytest.mark.parametrize("case", own_cases(), ids=_ids(own_cases()))
def test_without_the_device_signature_nothing_is_permitted(case: DecisionCase) -> None:
    unsigned = replace(
        case, consents=tuple(replace(one, signed=False) for one in case.consents), default="deny"
    )
    assert not through_model(unsigned).permitted
