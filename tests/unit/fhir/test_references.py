"""References: every one is found, told apart, and replaced without touching anything else."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.fhir.compartment import _ABOUT, concerned, is_personal, subject, subjects
from carevouch.fhir.definitions import elements, resource_types
from carevouch.fhir.references import Form, ReferenceTarget, identifier_query, parse_target, rewrite, walk
from carevouch.kernel.errors import Invalid

PARSED: list[tuple[str, ReferenceTarget]] = [
    ("#x", ReferenceTarget("fragment", id="x")),
    ("#", ReferenceTarget("fragment", id="")),
    ("urn:uuid:1", ReferenceTarget("urn", id="urn:uuid:1")),
    ("Patient/1", ReferenceTarget("local", "Patient", "1")),
    ("Patient/1/_history/2", ReferenceTarget("local", "Patient", "1", "2")),
    ("https://here.org/fhir/Patient/1", ReferenceTarget("local", "Patient", "1")),
    ("https://here.org/fhirx/Patient/1", ReferenceTarget("absolute", "Patient", "1")),
    ("https://there.org/a/b/Patient/1/_history/2", ReferenceTarget("absolute", "Patient", "1", "2")),
    ("https://there.org/x", ReferenceTarget("absolute")),
    ("Patient?identifier=a|b", ReferenceTarget("conditional", "Patient", query=(("identifier", "a|b"),))),
    ("Patent/1", ReferenceTarget("unknown")),
    ("Patient/a_b", ReferenceTarget("unknown")),
    ("Patient/1/x", ReferenceTarget("unknown")),
    ("1", ReferenceTarget("unknown")),
    ("", ReferenceTarget("unknown")),
]


@pytest.mark.parametrize(("text", "target"), PARSED)
def test_the_form_of_a_reference_is_told(text: str, target: ReferenceTarget) -> None:
    assert parse_target(text, "https://here.org/fhir/") == target


@given(st.text())
def test_any_text_has_a_form(text: str) -> None:
    assert parse_target(text, "https://here.org").form in get_args(Form)


def test_a_conditional_reference_gives_system_and_value() -> None:
    assert identifier_query(parse_target("Patient?identifier=http://a%2Fb|1%7C2")) == ("http://a/b", "1|2")
    others = "?identifier=b", "?name=x", "?identifier=a|b&name=x", "?identifier=a|", "/1"
    for other in (f"Patient{end}" for end in others):
        with pytest.raises(Invalid):
            identifier_query(parse_target(other))


RESOURCE: dict[str, Any] = {
    "resourceType": "Observation",
    "identifier": [{"system": "urn:x", "value": "urn:uuid:1"}],
    "contained": [{"resourceType": "Basic", "id": "c", "subject": {"reference": "urn:uuid:2"}}],
    "extension": [{"url": "urn:uuid:1", "valueReference": {"reference": "urn:uuid:1"}},
                  {"url": "y", "valueUri": "urn:uuid:1"}],
    "subject": {"reference": "urn:uuid:1", "display": "urn:uuid:1"},
    "performer": [{"reference": "#c"}, {"display": "x"}],
    "code": {"text": "x"},
}  # fmt: skip


def test_references_are_found_with_their_places() -> None:
    assert walk(RESOURCE) == [
        ("Observation.contained[0].subject.reference", "urn:uuid:2"),
        ("Observation.extension[0].valueReference.reference", "urn:uuid:1"),
        ("Observation.subject.reference", "urn:uuid:1"),
        ("Observation.performer[0].reference", "#c"),
    ]


def test_rewriting_replaces_references_and_links_and_nothing_else() -> None:
    before = repr(RESOURCE)
    ids = {"urn:uuid:1": "Patient/1"}
    new = rewrite(RESOURCE, lambda text: ids.get(text, text), ids)
    assert repr(RESOURCE) == before
    assert [text for _, text in walk(new)] == ["urn:uuid:2", "Patient/1", "Patient/1", "#c"]
    # A link is replaced, an extension's name is one too; identifiers and displays are texts and stay.
    assert new["extension"][1]["valueUri"] == "Patient/1"
    assert new["identifier"] == RESOURCE["identifier"]
    assert new["subject"]["display"] == "urn:uuid:1"
    assert new["code"] is RESOURCE["code"]


def test_rewriting_to_the_same_gives_the_same_object() -> None:
    assert rewrite(RESOURCE, lambda text: text) is RESOURCE


def test_a_resource_is_about_its_subject_and_concerns_more() -> None:
    observation = RESOURCE | {"performer": [{"reference": "Patient/2"}]}
    assert subjects(observation) == ("urn:uuid:1",)
    assert concerned(observation) == ("urn:uuid:1", "Patient/2")
    assert subject(observation) == "urn:uuid:1"


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation"},
        {"resourceType": "Observation", "subject": {"display": "x"}},
        {"resourceType": "Group", "member": [{"entity": {"reference": f"Patient/{n}"}} for n in (1, 2)]},
        {"resourceType": "Organization"},
    ],
)  # fmt: skip
def test_without_exactly_one_subject_nobody_is_guessed(resource: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        subject(resource)


def test_directory_types_are_about_nobody() -> None:
    assert not any(
        is_personal(type_) for type_ in ("Organization", "Practitioner", "PractitionerRole", "Location")
    )
    assert all(is_personal(type_) for type_ in ("Patient", "Observation", "Claim", "Consent", "AuditEvent"))


def test_the_compartment_names_elements_that_r4_has() -> None:
    def references(type_: str, path: list[str]) -> bool:
        kinds = [kind for e in elements(type_) for name, kind in e.names().items() if name == path[0]]
        if path[1:]:
            return any(references(kind.type, path[1:]) for kind in kinds)
        return any(kind.type == "Reference" for kind in kinds)

    assert set(_ABOUT) <= resource_types()
    for type_, (about, others) in _ABOUT.items():
        for path in f"{about} {others}".split():
            assert references(type_, path.split(".")), f"{type_}.{path}"
