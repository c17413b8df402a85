"""Random cases: model, real FHIR R4 and the second evaluator agree, and less consent never permits more."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.consent import second_evaluator
from tests.unit.consent.case_runs import case_of, through_fhir, through_model

PEOPLE = ["Practitioner/p", "Practitioner/q", "Organization/o", "Group/g"]
PURPOSES = ["TREAT", "ETREAT", "BTG", "HRESCH", "CLINTRCH", "CLINTRL", "HPAYMT"]
LABELS = ["L", "N", "R", "V", "PSY", "HIV", "ETH", "SUD", "OPIOIDUD"]
SENSITIVITIES = ["PSY", "HIV", "SUD", "OPIOIDUD", "ETHUD"]
ACTIONS = ["access", "disclose", "correct"]
TYPES = ["Observation", "Condition"]
DATES = ["2021", "2021-06", "2022-01-01", "2022-12-31", "2023-01-01T00:00:00Z"]
NOWS = ["2022-06-01T00:00:00Z", "2022-12-31T23:59:59Z", "2023-01-01T00:00:00Z"]
ENCOUNTERS = ["Encounter/e", "Encounter/f"]
DATA = [
    ["instance", "Observation/1"],
    ["related", "Encounter/e"],
    ["dependents", "Encounter/f"],
    ["authoredby", "Practitioner/p"],
]


def some(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique_by=str)


PERIODS = st.fixed_dictionaries({}, optional={"start": st.sampled_from(DATES), "end": st.sampled_from(DATES)})
ELEMENTS = {
    "actor": some(PEOPLE),
    "purpose": some(PURPOSES),
    "action": some(ACTIONS),
    "label": some(LABELS),
    "class": some(TYPES),
    "data": some(DATA),
    "dataPeriod": PERIODS,
    "period": PERIODS,
    "unknown": st.just(1),
}
EFFECTS = st.sampled_from(["permit", "deny"])
# Strategies are made once, because making one takes longer than drawing from it.
DEEPEST = 3
# Few elements at a time, or hardly any case would match. A missing type and a modifier are rare.
CHOSEN = st.lists(st.sampled_from(sorted(ELEMENTS)), max_size=2, unique=True)
TYPED, MODIFIED = st.integers(0, 15), st.booleans()
STATUSES = st.sampled_from(["active"] * 6 + ["inactive", "draft"])
POLICIES = st.sampled_from([None, None, "OPTIN", "OPTOUT"])
SENSITIVE = st.lists(st.sampled_from(SENSITIVITIES), max_size=2, unique=True)
# Reading FHIR raises sensitive data labelled below R to R; a case file keeps their label.
PLAIN_LABEL, SENSITIVE_LABEL = st.sampled_from([None, "L", "N", "R", "V"]), st.sampled_from([None, "R", "V"])
ONE_TYPE, ONE_DATE = st.sampled_from(TYPES), st.sampled_from([None, *DATES])
AUTHORS = st.lists(st.sampled_from(PEOPLE[:2]), max_size=1)
RELATED = st.lists(st.sampled_from(ENCOUNTERS), max_size=1)


@st.composite
def provisions(draw: st.DrawFn, depth: int) -> dict[str, Any]:
    chosen = draw(CHOSEN)
    clause = {name: draw(ELEMENTS[name]) for name in chosen if name != "unknown" or draw(MODIFIED)}
    if draw(TYPED):
        clause["type"] = draw(EFFECTS)
    children = draw(PROVISIONS[depth + 1]) if depth < DEEPEST else []
    return {**clause, "provision": children} if children else clause


# The nested provisions, by their depth.
PROVISIONS = [st.lists(provisions(depth), max_size=2) for depth in range(DEEPEST + 1)]
ROOT = provisions(0)


@st.composite
def consents(draw: st.DrawFn) -> dict[str, Any]:
    consent = {"status": draw(STATUSES), "provision": draw(ROOT)}
    policy = draw(POLICIES)
    return {**consent, "policyRule": policy} if policy else consent


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    type_ = draw(ONE_TYPE)
    sensitivities = draw(SENSITIVE)
    return {
        "type": type_,
        "id": f"{type_}/1",
        "conf": draw(SENSITIVE_LABEL if sensitivities else PLAIN_LABEL),
        "sens": sensitivities,
        "date": draw(ONE_DATE),
        "authors": draw(AUTHORS),
        "related": draw(RELATED),
    }


CASES = st.fixed_dictionaries(
    {
        "n": st.just("random"),
        "consents": st.lists(consents(), max_size=3),
        "rq": st.fixed_dictionaries(
            {
                "purpose": st.sampled_from(PURPOSES),
                "actors": st.one_of(st.none(), st.lists(st.sampled_from(PEOPLE), max_size=2)),
                "action": st.sampled_from(ACTIONS),
                "now": st.sampled_from(NOWS),
                "btg_ok": st.booleans(),
            }
        ),
        "rs": resources(),
        "exp": EFFECTS,
        "default": EFFECTS,
    }
)


@settings(max_examples=400, deadline=None, database=None)
@given(CASES)
def test_three_ways_to_decide_agree(raw: dict[str, Any]) -> None:
    case = case_of(raw)
    expected = second_evaluator.permitted(raw)
    assert through_model(case).permitted == expected
    assert through_fhir(case).permitted == expected


@settings(max_examples=200, deadline=None, database=None)
@given(CASES, consents())
def test_another_deny_never_permits_more(raw: dict[str, Any], further: dict[str, Any]) -> None:
    root = {name: value for name, value in further["provision"].items() if name != "provision"}
    refusal = {"status": "active", "provision": {**root, "type": "deny"}}
    before, after = case_of(raw), case_of({**raw, "consents": [*raw["consents"], refusal]})
    assert through_model(before).permitted or not through_model(after).permitted


@settings(max_examples=200, deadline=None, database=None)
@given(CASES)
def test_removing_signatures_never_permits_more(raw: dict[str, Any]) -> None:
    case = replace(case_of(raw), default="deny")
    unsigned = replace(case, consents=tuple(replace(one, signed=False) for one in case.consents))
    assert not through_model(unsigned).permitted


@settings(max_examples=200, deadline=None, database=None)
@given(CASES)
def test_every_decision_has_reasons(raw: dict[str, Any]) -> None:
    decision = through_model(case_of(raw))
    assert decision.reasons
    assert decision.explain()["decision"] == ("permit" if decision.permitted else "deny")
