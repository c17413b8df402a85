"""Reading, searching, paging: what an authorised caller gets, and how absence looks."""

from typing import Any

import pytest

from carevouch.fhir.validate import check
from carevouch.store.documents.erasure import Eraser
from tests import people
from tests.api import Who
from tests.service.records.conftest import (
    Scene,
    bundle,
    clinical,
    entry,
    link,
    patient_of,
    resources,
    whole_patient,
)

ABSENT = "a" * 26


@pytest.fixture
def patient(scene: Scene) -> str:
    return patient_of(scene.call(scene.hospital, "POST", "/fhir", whole_patient(1)))


def one(scene: Scene, patient: str, type_: str) -> str:
    return next(str(stored.doc) for stored in scene.stored(patient) if stored.doc.type == type_)


def test_a_document_is_read_with_its_version(scene: Scene, patient: str) -> None:
    answer = scene.get(scene.hospital, f"/fhir/{one(scene, patient, 'Condition')}")
    assert answer.status == 200
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"] == "Sun, 22 Nov 2026 10:00:00 GMT"
    assert answer.headers["cache-control"] == "no-store"
    assert check(answer.json()) == []


def test_a_known_version_is_not_sent_again(scene: Scene, patient: str) -> None:
    path = f"/fhir/{one(scene, patient, 'Condition')}"
    known = scene.get(scene.hospital, path, if_none_match='W/"1"')
    assert (known.status, known.body) == (304, b"")
    assert scene.get(scene.hospital, path, if_none_match='W/"2"').status == 200


def test_bodies_keep_their_decimals(scene: Scene, patient: str) -> None:
    text = (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        f'"subject":{{"reference":"Patient/{patient}"}},"valueQuantity":{{"value":1.50}}}}'
    )
    made = scene.call(scene.hospital, "POST", "/fhir/Observation", text)
    assert made.status == 201
    assert b'"value":1.50' in scene.get(scene.hospital, made.headers["location"]).body


def test_history_is_newest_first_and_says_how_each_came(scene: Scene, patient: str) -> None:
    reference = one(scene, patient, "Condition")
    for version in (1, 2):
        current = scene.get(scene.hospital, f"/fhir/{reference}").json()
        scene.world.clock.advance(60)
        put = scene.call(scene.hospital, "PUT", f"/fhir/{reference}", current, if_match=f'W/"{version}"')
        assert put.status == 200
    first = scene.get(scene.hospital, f"/fhir/{reference}/_history?_count=2").json()
    (rest,) = scene.pages(scene.hospital, str(link(first, "next")))
    methods = [entry_["request"]["method"] for entry_ in first["entry"] + rest["entry"]]
    assert [found["meta"]["versionId"] for found in resources(first) + resources(rest)] == ["3", "2", "1"]
    assert methods == ["PUT", "PUT", "POST"]
    assert (first["type"], first["total"]) == ("history", 3)
    assert check(first) == []


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Patient/{0}",
        "/fhir/Patient/{0}/_history",
        "/fhir/Patient/{0}/_history/1",
        "/fhir/Patient/{0}/$everything",
        "/fhir/Condition/{0}." + "b" * 26,
        "/ledger/documents/Patient/{0}/history",
        "/ledger/documents/Patient/{0}/1/opening",
        "/ledger/documents/Patient/{0}/1",
        "/ledger/documents/Patient/{0}/history?at=2026-11-22T10:00:00Z",
        "/ledger/documents/Patient/{0}/history?from=2026-11-22T10:00:00Z",
        "/ledger/documents/Patient/{0}/feed",
        "/fhir/Observation?patient={0}",
        "/fhir/Patient?_id={0}",
        "/fhir/AuditEvent?patient={0}",
    ],
)
def test_absent_refused_and_erased_look_alike(scene: Scene, patient: str, path: str) -> None:
    erased = patient_of(scene.call(scene.hospital, "POST", "/fhir", whole_patient(2)))
    writer = scene.world.writer("identity")
    Eraser(scene.world.reader, writer, scene.world.key_rows, lambda _body: []).erase(erased, "Organization/x")
    answers = {}
    for name, person in (("absent", ABSENT), ("refused", patient), ("erased", erased)):
        answer = scene.get(scene.payer, path.format(person))
        answers[name] = (answer.status, answer.body.replace(person.encode(), b"*"), sorted(answer.headers))
    assert answers["absent"] == answers["refused"] == answers["erased"]


@pytest.mark.parametrize(
    "type_", ["BoundDevice", "Enrolment", "Admission", "Nonsense", "ValueSet", "observation"]
)
@pytest.mark.parametrize("rest", ["", f"/{ABSENT}.{ABSENT}", f"/{ABSENT}.{ABSENT}/_history"])
def test_types_without_a_fhir_door_are_not_there(scene: Scene, type_: str, rest: str) -> None:
    assert scene.get(scene.hospital, f"/fhir/{type_}{rest}").status == 404


def test_a_scope_that_does_not_cover_the_type_is_refused(scene: Scene, patient: str) -> None:
    narrow = Who(scene.hospital.id, scope="system/Condition.rs")
    assert scene.get(narrow, f"/fhir/{one(scene, patient, 'Condition')}").status == 200
    for path in (f"/fhir/{one(scene, patient, 'Procedure')}", f"/fhir/Procedure?patient={patient}"):
        assert scene.get(narrow, path).status == 403
    found = scene.get(narrow, f"/fhir/Patient/{patient}/$everything")
    assert found.status == 403


def test_everything_holds_only_the_types_that_the_scope_covers(scene: Scene, patient: str) -> None:
    narrow = Who(scene.hospital.id, scope="system/Patient.rs system/Condition.rs")
    found = scene.get(narrow, f"/fhir/Patient/{patient}/$everything").json()
    assert {resource["resourceType"] for resource in resources(found)} == {"Patient", "Condition"}


def test_a_suspended_organisation_is_refused_at_once(scene: Scene, patient: str) -> None:
    people.readmit(scene.world, scene.hospital, status="suspended")
    assert scene.get(scene.hospital, f"/fhir/Patient/{patient}").status == 403


# --- search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["patient={0}", "patient=Patient/{0}", "subject={0}", "subject=Patient/{0}"])
def test_a_search_names_its_person(scene: Scene, patient: str, form: str) -> None:
    answer = scene.get(scene.hospital, f"/fhir/Observation?{form.format(patient)}")
    assert (answer.status, answer.json()["total"]) == (200, 3)
    assert check(answer.json()) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("Observation", "patient=Patient/<id>"),
        ("Observation?code=x", "patient=Patient/<id>"),
        (f"Observation?patient={ABSENT}&patient={'b' * 26}", "one person"),
        (f"Observation?patient=Group/{ABSENT}", "one person"),
        (f"Observation?patient={ABSENT},{'b' * 26}", "one person"),
        (f"Observation?patient={ABSENT}&nonsense=1", "not searched by"),
        (f"Observation?patient={ABSENT}&code:in=x", "modifiers"),
        (f"Observation?patient={ABSENT}&encounter.status=x", "modifiers"),
        (f"Observation?patient={ABSENT}&_include=x", "not searched by"),
        (f"Observation?patient={ABSENT}&_has:Observation:code=x", "not searched by"),
        (f"Observation?patient={ABSENT}&date=2026-02-31", "calendar"),
        (f"Observation?patient={ABSENT}&_count=-1", "whole number"),
        (f"Observation?patient={ABSENT}&_count=1&_count=2", "once"),
        (f"Observation?patient={ABSENT}&_sort=code", "sorted by"),
        (f"Observation?patient={ABSENT}&_cursor=xx", "page link"),
        (f"Observation?patient={ABSENT}&_cursor=bm90OmE", "page link"),
        (f"Patient/{ABSENT}/$everything?_since=2026", "only _count and _type"),
        (f"Patient/{ABSENT}/$everything?_type=Nonsense", "types that this server serves"),
        ("Patient", "_id, or identifier"),
        ("Patient?name=x", "_id, or identifier"),
        ("Patient?identifier=x", "system|value"),
        (f"Patient?_id={ABSENT}&identifier=a|b", "one Patient at a time"),
        (f"Patient?_id={ABSENT},{'b' * 26}", "one Patient at a time"),
        ("AuditEvent", "patient=Patient/<id>"),
        (f"AuditEvent?patient={ABSENT}&date=ge2001", "24 months"),
    ],
)
def test_a_search_that_is_not_served_says_what_to_mend(scene: Scene, query: str, said: str) -> None:
    answer = scene.get(scene.hospital, f"/fhir/{query}")
    assert answer.status == 400, answer.body
    assert said in answer.json()["issue"][0]["diagnostics"]


def test_a_search_by_date_and_code_finds_what_matches(scene: Scene, patient: str) -> None:
    base = f"/fhir/Observation?patient={patient}"
    assert scene.get(scene.hospital, f"{base}&date=ge2026-05-01").json()["total"] == 1
    assert scene.get(scene.hospital, f"{base}&date=ge2026-01-02&date=lt2026-05-01").json()["total"] == 1
    assert scene.get(scene.hospital, f"{base}&code=http://loinc.org|718-7").json()["total"] == 3
    assert scene.get(scene.hospital, f"{base}&code=718-8").json()["total"] == 0


@pytest.mark.parametrize("sort", ["", "&_sort=date", "&_sort=-date", "&_sort=-_id"])
def test_pages_hold_everything_once(scene: Scene, sort: str) -> None:
    patient = scene.person()
    more = [resource for at in range(12) for resource in clinical(f"Patient/{patient}", at)[:2]]
    assert scene.call(scene.hospital, "POST", "/fhir", bundle(*map(entry, more))).status == 200
    query = f"/fhir/Observation?patient={patient}{sort}"
    whole = [found["id"] for found in resources(scene.get(scene.hospital, f"{query}&_count=200").json())]
    pages = list(scene.pages(scene.hospital, f"{query}&_count=7"))
    assert [len(resources(page)) for page in pages] == [7, 7, 7, 3]
    assert [found["id"] for page in pages for found in resources(page)] == whole
    assert len(set(whole)) == 24


def test_without_a_count_a_page_holds_fifty_and_never_more_than_two_hundred(scene: Scene) -> None:
    patient = scene.person()
    more = [people.observation(patient) for _ in range(230)]
    assert scene.call(scene.hospital, "POST", "/fhir", bundle(*map(entry, more))).status == 200
    query = f"/fhir/Observation?patient={patient}"
    assert len(resources(scene.get(scene.hospital, query).json())) == 50
    assert len(resources(scene.get(scene.hospital, f"{query}&_count=900").json())) == 200


def test_what_is_stored_between_two_pages_is_neither_lost_nor_shown_twice(scene: Scene) -> None:
    patient = scene.person()
    before = [people.observation(patient) for _ in range(10)]
    scene.call(scene.hospital, "POST", "/fhir", bundle(*map(entry, before)))
    pages = scene.pages(scene.hospital, f"/fhir/Observation?patient={patient}&_count=4")
    seen = [found["id"] for found in resources(next(pages))]
    known = {stored.doc.id for stored in scene.stored(patient) if stored.doc.type == "Observation"}
    scene.call(scene.hospital, "POST", "/fhir", bundle(*map(entry, before)))
    seen += [found["id"] for page in pages for found in resources(page)]
    assert len(seen) == len(set(seen))
    assert known <= set(seen)


def test_an_answer_stays_below_four_megabytes(scene: Scene) -> None:
    patient = scene.person()
    note = "x" * 190_000
    for _ in range(10):
        more = [people.observation(patient, note=[{"text": note}]) for _ in range(3)]
        assert scene.call(scene.hospital, "POST", "/fhir", bundle(*map(entry, more))).status == 200
    for path in (f"Observation?patient={patient}", f"Patient/{patient}/$everything"):
        found = 0
        url: str | None = f"/fhir/{path}{'&' if '?' in path else '?'}_count=200"
        while url:
            answer = scene.get(scene.hospital, url)
            assert len(answer.body) < 4_000_000
            found += len(resources(answer.json()))
            url = link(answer.json(), "next")
        assert found in (30, 31)


def test_a_next_link_holds_nothing_of_the_record(scene: Scene, patient: str) -> None:
    first = next(scene.pages(scene.hospital, f"/fhir/Observation?patient={patient}&_count=1&_sort=date"))
    url = str(link(first, "next"))
    assert url.startswith(f"https://carevouch.test/fhir/Observation?patient={patient}&")
    for value in ("718-7", "2026-0", "loinc"):
        assert value not in url


def test_an_identifier_finds_at_most_one_patient(scene: Scene, patient: str) -> None:
    identifier = people.synthetic_patient(1)["identifier"][0]
    query = f"/fhir/Patient?identifier={identifier['system']}|{identifier['value']}"
    found = scene.get(scene.hospital, query).json()
    assert [resource["id"] for resource in resources(found)] == [patient]
    refused = scene.get(scene.payer, query)
    absent = scene.get(scene.payer, query + "0")
    assert (refused.status, refused.json()["total"]) == (absent.status, absent.json()["total"]) == (200, 0)


def test_any_personal_type_is_searched_by_its_person(scene: Scene) -> None:
    patient = scene.person()
    coded = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "safety"}]}
    flag = {
        "resourceType": "Flag",
        "status": "active",
        "code": coded,
        "subject": {"reference": f"Patient/{patient}"},
    }
    assert scene.call(scene.hospital, "POST", "/fhir/Flag", flag).status == 201
    assert scene.get(scene.hospital, f"/fhir/Flag?patient={patient}").json()["total"] == 1


# --- the directory -----------------------------------------------------------------------------------------


@pytest.fixture
def practitioner(scene: Scene) -> str:
    sent = {"resourceType": "Practitioner", "identifier": [{"system": "s", "value": "1"}], "active": True}
    made = scene.call(scene.hospital, "POST", "/fhir/Practitioner", sent)
    assert made.status == 201
    return str(made.json()["id"])


@pytest.mark.parametrize("who", ["hospital", "clinic", "payer", "device"])
def test_the_directory_is_everybodys(scene: Scene, practitioner: str, who: str) -> None:
    caller: Any = scene.device(scene.person()) if who == "device" else getattr(scene, who)
    rows: Any = scene.world.rows
    before = len(rows.rows)
    for path in (
        f"/fhir/Practitioner/{practitioner}",
        f"/fhir/Practitioner/{practitioner}/_history",
        f"/fhir/Practitioner/{practitioner}/_history/1",
        "/fhir/Practitioner?identifier=s|1",
        "/fhir/Practitioner?active=true",
        f"/fhir/Practitioner?_id={practitioner}",
    ):
        answer = scene.get(caller, path)
        assert answer.status == 200
        assert answer.json().get("total", 1) == 1
    # It is about nobody, so that no audit is kept of who read it.
    assert len(rows.rows) == before


def test_the_directory_is_searched_by_identifier_in_every_form(scene: Scene, practitioner: str) -> None:
    for query, total in (("s|1", 1), ("1", 1), ("s|", 1), ("s|1,s|2", 1), ("s|2", 0), ("t|1", 0)):
        found = scene.get(scene.payer, f"/fhir/Practitioner?identifier={query}").json()
        assert (query, found["total"]) == (query, total)
    both = f"/fhir/Practitioner?identifier=s|1&_id=d.{'x' * 26}"
    assert scene.get(scene.payer, both).json()["total"] == 0


def test_an_organisation_is_read_as_the_operator_signed_it(scene: Scene) -> None:
    found = scene.get(scene.payer, f"/fhir/{scene.hospital.reference}")
    assert (found.status, found.json()["name"]) == (200, "Hospital")
    assert scene.get(scene.payer, "/fhir/Organization").json()["total"] == 4


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Practitioner/{0}",
        "/fhir/Practitioner/{0}/_history",
        "/fhir/Practitioner/{0}/_history/1",
        "/fhir/Organization/{0}",
        "/ledger/documents/BenefitContract/{0}/history",
        "/ledger/documents/Admission/{0}/1/opening",
        "/ledger/documents/Plan/{0}/history",
    ],
)
def test_the_directory_does_not_tell_who_is_a_person_here(scene: Scene, patient: str, path: str) -> None:
    gone = scene.person()
    scene.world.key_rows.entomb(f"P#{gone}", scene.world.clock(), ())
    subjects = [patient, gone, ABSENT, "d"]
    answers = [scene.get(scene.payer, path.format(f"{one_}.{'b' * 26}")) for one_ in subjects]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.body for answer in answers}) == 1
    assert b"no such resource, or it may not be read" in answers[0].body


def test_everything_of_a_type_that_there_is_none_of_is_an_empty_page(scene: Scene, patient: str) -> None:
    path = f"/fhir/Patient/{patient}/$everything?_type=Goal"
    people.grant(
        scene.world, scene.device(patient), people.consent_for(scene.payer.reference, classes=["Patient"])
    )
    for who in (scene.device(patient), scene.hospital, scene.payer):
        answer = scene.get(who, path)
        assert (answer.status, answer.json()["total"], resources(answer.json())) == (200, 0, [])
    # What is there, and not to be seen, is as absent to whoever may see the Patient.
    assert scene.get(scene.payer, path.replace("Goal", "Observation")).json()["total"] == 0
    absent = scene.get(scene.clinic, f"/fhir/Patient/{ABSENT}/$everything?_type=Goal")
    stranger = scene.get(scene.clinic, path)
    assert (stranger.status, stranger.body) == (absent.status, absent.body) == (404, absent.body)
