"""How entries become an act: lookups, the person, the outcome of each entry, and refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.fhir.bundle import Entry
from carevouch.kernel.errors import Conflict, Unprocessable
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import parse
from carevouch.records.bundle import (
    Stamp,
    StoreFacts,
    answer_references,
    document_of,
    place,
    repeated_outcomes,
)
from carevouch.records.survey import BundleSurvey, survey

BASE = "https://carevouch.test/fhir"
PERSON = "p" * 26
URN = "urn:uuid:1"
PATIENT = {"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}]}
IDENTIFIER = ("Patient", "s", "1")


def part(index: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz234567"[index] * 26


STAMP = Stamp("Organization/d.me", "2026-11-22T10:00:00.000Z", part)


def post(index: int, resource: Any, **more: Any) -> Entry:
    return Entry(index, "POST", resource["resourceType"], resource=resource, **more)


def observation(subject: str = URN, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": {"reference": subject}, **more}


def surveyed(*entries: Entry, links: dict[str, int] | None = None) -> BundleSurvey:
    return survey(entries, links or {}, BASE)


def world(person: str | None = None, **more: Any) -> StoreFacts:
    return StoreFacts(
        more.get("documents", {}), frozenset(more.get("existing", ())), more.get("versions", {}), person
    )


def new_patient() -> BundleSurvey:
    return surveyed(post(0, PATIENT), post(1, observation()), links={URN: 0})


def test_a_new_person_and_their_documents_get_ids_of_one_partition() -> None:
    placed = place(new_patient(), world(), STAMP)
    patient, document = placed.writes
    assert (patient.doc, placed.person, placed.new_person) == (Doc("Patient", part(0)), part(0), True)
    assert document.doc == Doc("Observation", f"{part(0)}.{part(1)}")
    assert parse(document.body, "x")["subject"] == {"reference": f"Patient/{part(0)}"}
    assert placed.identifiers == ((IDENTIFIER, patient.doc),)
    assert placed.event_type == "records.stored"


def test_a_known_person_is_answered_and_their_documents_join_them() -> None:
    documents = {IDENTIFIER: Doc("Patient", PERSON)}
    bundle = new_patient()
    assert bundle.person(documents) == PERSON
    placed = place(bundle, world(PERSON, documents=documents), STAMP)
    assert [(one.status, str(one.doc)) for one in placed.outcomes] == [
        (200, f"Patient/{PERSON}"),
        (201, f"Observation/{PERSON}.{part(1)}"),
    ]
    assert [write.doc.type for write in placed.writes] == ["Observation"]
    assert placed.identifiers == ()


def test_each_distinct_thing_is_looked_up_once() -> None:
    by = {"performer": [{"reference": "Practitioner?identifier=n|7"}]}
    bundle = surveyed(*(post(index, observation("Patient/" + PERSON, **by)) for index in range(9)))
    assert bundle.identifiers() == {("Practitioner", "n", "7")}
    assert list(bundle.local.values()) == [Doc("Patient", PERSON)]
    assert bundle.places["Practitioner?identifier=n|7"] == "Bundle.entry[0].resource.performer[0].reference"


def test_a_reference_under_our_own_address_is_our_own() -> None:
    bundle = surveyed(post(0, observation(f"{BASE}/Patient/{PERSON}")))
    placed = place(bundle, world(PERSON, existing={Doc("Patient", PERSON)}), STAMP)
    assert parse(placed.writes[0].body, "x")["subject"]["reference"] == f"Patient/{PERSON}"


def test_a_reference_elsewhere_and_into_itself_stay() -> None:
    performers = [{"reference": "https://elsewhere.test/fhir/Practitioner/1"}, {"reference": "#inside"}]
    bundle = surveyed(post(0, observation(f"Patient/{PERSON}", performer=performers)))
    placed = place(bundle, world(PERSON, existing={Doc("Patient", PERSON)}), STAMP)
    assert parse(placed.writes[0].body, "x")["performer"] == performers


def test_two_people_in_one_act_are_refused_however_they_are_named() -> None:
    other = Doc("Patient", "q" * 26)
    by_query = observation("Patient?identifier=s|1")
    for entries, documents in (
        ((post(0, observation(f"Patient/{PERSON}")), post(1, observation(str(other)))), {}),
        ((post(0, observation(f"Patient/{PERSON}")), post(1, by_query)), {IDENTIFIER: other}),
        ((post(0, PATIENT), post(1, observation(str(other)))), {}),
        ((post(0, PATIENT), post(1, observation(str(other)))), {IDENTIFIER: Doc("Patient", PERSON)}),
    ):
        with pytest.raises(Unprocessable, match="one person"):
            surveyed(*entries).person(documents)


def test_identifiers_of_two_people_are_a_conflict() -> None:
    both = {**PATIENT, "identifier": [*PATIENT["identifier"], {"system": "s", "value": "2"}]}
    documents = {IDENTIFIER: Doc("Patient", PERSON), ("Patient", "s", "2"): Doc("Patient", "q" * 26)}
    with pytest.raises(Conflict):
        surveyed(post(0, both)).person(documents)


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "BoundDevice"},
        {"resourceType": "AuditEvent"},
        {"resourceType": "Enrolment"},
        {"resourceType": "Patient", "identifier": [{"value": "without a system"}]},
        {"resourceType": "StructureDefinition"},
        observation("Patient/1"),
        observation(f"BoundDevice/{PERSON}.{PERSON}"),
        observation("Observation?identifier=a|b"),
        observation("Patient?name=x"),
        observation("urn:uuid:nobody"),
        observation("   "),
    ],
)
def test_a_fault_that_no_lookup_could_mend_is_refused_first(resource: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable) as refusal:
        surveyed(post(3, resource))
    assert all(issue.where.startswith("Bundle.entry[3].resource") for issue in refusal.value.issues)


def test_a_document_about_nobody_or_about_the_directory_is_refused() -> None:
    role = {"resourceType": "PractitionerRole"}
    group = surveyed(post(0, role), post(1, observation("urn:uuid:r")), links={"urn:uuid:r": 0})
    for bundle in (group, surveyed(post(0, {"resourceType": "Observation"}))):
        with pytest.raises(Unprocessable, match="whose document"):
            place(bundle, world(), STAMP)


def test_a_consent_is_stored_unsigned() -> None:
    consent = {"resourceType": "Consent", "patient": {"reference": f"Patient/{PERSON}"}}
    bundle = surveyed(post(0, consent))
    placed = place(bundle, world(PERSON, existing={Doc("Patient", PERSON)}), STAMP)
    assert parse(placed.writes[0].body, "x")["sig"] is None


def test_an_update_keeps_its_document_and_counts_on() -> None:
    doc = Doc("Observation", f"{PERSON}.{part(9)}")
    changed = {**observation(f"Patient/{PERSON}"), "id": doc.id}
    bundle = surveyed(Entry(0, "PUT", "Observation", doc.id, changed))
    assert bundle.person({}) == PERSON
    placed = place(bundle, world(PERSON, existing={Doc("Patient", PERSON)}, versions={doc: 4}), STAMP)
    assert [(write.doc, write.version) for write in placed.writes] == [(doc, 5)]
    assert placed.event_type == "record.updated"


@pytest.mark.parametrize("type_", ["Consent", "Coverage", "Organization", "AuditEvent", "BoundDevice"])
def test_types_that_another_service_changes_are_not_changed_here(type_: str) -> None:
    with pytest.raises(Unprocessable):
        surveyed(Entry(0, "PUT", type_, f"{PERSON}.{part(1)}", {"resourceType": type_}))


TYPES = ("Location", "Practitioner", "PractitionerRole", "HealthcareService")


@given(
    drawn=st.lists(
        st.tuples(st.sampled_from((*TYPES, "Observation", "Condition")), st.integers(0, 3), st.booleans()),
        max_size=12,
    ),
    known=st.sets(st.integers(0, 3)),
)
def test_a_retry_tells_exactly_what_was_told(drawn: list[tuple[str, int, bool]], known: set[int]) -> None:
    entries = [post(0, PATIENT)]
    for index, (type_, number, conditional) in enumerate(drawn, 1):
        resource: dict[str, Any] = {"resourceType": type_}
        more: dict[str, Any] = {}
        if type_ in TYPES:
            value = str(number) if conditional else f"own-{index}"
            resource["identifier"] = [{"system": "d", "value": value}]
            more = {"if_none_exist": (("identifier", f"d|{value}"),)} if conditional else {}
        else:
            resource["subject"] = {"reference": URN}
        entries.append(post(index, resource, **more))
    bundle = surveyed(*entries, links={URN: 0})
    documents = {
        (type_, "d", str(number)): Doc(type_, "d." + "z" * 26) for type_ in TYPES for number in known
    }

    placed = place(bundle, world(documents=documents), STAMP)

    assert repeated_outcomes(bundle, answer_references(placed), part) == placed.outcomes
    assert len({write.doc for write in placed.writes}) == len(placed.writes)
    assert placed.writes[0].doc == document_of(bundle.first(), placed.person, part)
    assert len({identifier for identifier, _ in placed.identifiers}) == len(placed.identifiers)
