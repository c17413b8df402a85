"""`check` answers any input. It never raises and never changes the input."""

import copy
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carevouch.fhir.definitions import Element, elements
from carevouch.fhir.validate import MAX_ISSUES, check
from tests.unit.fhir.samples import VALID, valid

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
WORDS = (
    "resourceType id meta text div reference entry resource contained extension url valueString period "
    "start end parameter low high given _given"
)
NAMES = st.sampled_from(WORDS.split()) | st.text(max_size=5)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)
TYPES = st.sampled_from(sorted(VALID))


@given(JSON)
def test_any_value_gets_an_answer(value: Any) -> None:
    assert len(check(value)) <= MAX_ISSUES


@given(TYPES, st.dictionaries(NAMES, JSON, max_size=5))
def test_any_members_of_a_resource_get_an_answer(type_: str, members: dict[str, Any]) -> None:
    assert len(check({**valid(type_), **members, "resourceType": type_})) <= MAX_ISSUES


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inner for place in places(item, (*path, key))]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(TYPES, st.randoms(use_true_random=False), JSON)
def test_one_place_replaced_by_anything_gets_an_answer(type_: str, chance: random.Random, value: Any) -> None:
    resource = valid(type_)
    *way, last = chance.choice(places(resource))
    target: Any = resource
    for step in way:
        target = target[step]
    target[last] = value
    before = copy.deepcopy(resource)
    check(resource)
    assert repr(resource) == repr(before)


def test_endless_nesting_is_refused() -> None:
    value: Any = "x"
    for _ in range(500):
        value = {"extension": [value]}
    assert [issue.code for issue in check({**valid("Patient"), "extension": value})] == ["structure"]


def test_bundles_in_bundles_end() -> None:
    value: Any = {"resourceType": "Bundle", "type": "collection"}
    for _ in range(300):
        value = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": value}]}
    assert [issue.code for issue in check(value)] == ["too-costly"]


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    for value in ("\ud800", b"x", object(), {1, 2}):
        assert [issue.code for issue in check({**valid("Patient"), "language": value})] == ["structure"]
    assert [issue.code for issue in check({**valid("Patient"), 1: "x"})] == ["structure"]


def test_a_large_resource_of_faults_alone_is_answered_with_its_first() -> None:
    # Not with all: they are costly to collect, and the sender needs only one to look again.
    issues = check({**valid("Patient"), "name": [1] * 1_000_000})
    assert [issue.where for issue in issues] == ["Patient.name[0]"]
    assert len(check({**valid("Patient"), "name": [1] * 1000})) == MAX_ISSUES


PRIMITIVES: dict[str, Any] = {
    "boolean": True, "integer": 1, "unsignedInt": 1, "positiveInt": 1, "decimal": 1, "date": "2020",
    "dateTime": "2020", "instant": "2020-01-01T00:00:00Z", "time": "10:00:00", "oid": "urn:oid:1.2",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "base64Binary": "YQ==",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
}  # fmt: skip


def least(type_: str) -> dict[str, Any]:
    """The required elements of a type, from the table."""
    made = {
        name: value for element in elements(type_) if element.required for name, value in [first(element)]
    }
    return made or {"id": "x"}


def first(element: Element) -> tuple[str, Any]:
    name, kind = next(iter(element.names().items()))
    if kind.type == "Resource":
        value: Any = {"resourceType": "Basic", "code": {"text": "x"}}
    elif kind.primitive:
        value = kind.allowed[0] if kind.type == "code" and kind.allowed else PRIMITIVES.get(kind.type, "x")
    else:
        value = least(kind.type)
    return name, [value] if element.many else value


def test_each_required_element_of_the_common_types_is_required() -> None:
    for type_ in ("Patient", "Observation", "Encounter", "Claim", "ClaimResponse", "Coverage", "AuditEvent",
                  "ExplanationOfBenefit", "Provenance", "DocumentReference", "ResearchStudy"):  # fmt: skip
        resource = {"resourceType": type_, **least(type_)}
        assert check(resource) == [], type_
        for element in elements(type_):
            if element.required:
                missing = {key: value for key, value in resource.items() if key not in element.names()}
                place = f"{type_}.{element.name}{'[x]' if element.choice else ''}"
                assert [(issue.where, issue.code) for issue in check(missing)] == [(place, "required")]


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, [[]], [None], {"a": 1}, True])
@pytest.mark.parametrize("member", ["id", "meta", "resourceType", "contained", "extension"])
def test_a_contained_resource_of_odd_form_is_a_finding_and_not_a_crash(member: str, odd: Any) -> None:
    whole = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    inner = {"resourceType": "Patient", "id": "a", member: odd}
    assert check({**whole, "contained": [inner]})
