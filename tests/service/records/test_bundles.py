"""POST /fhir: one act for one person, references resolved, people known by identifier, nothing by halves."""

from typing import Any

import pytest

from carevouch.records.resource import resource_of
from tests import people
from tests.service.records.conftest import (
    Json,
    Scene,
    bundle,
    clinical,
    entry,
    patient_of,
    whole_patient,
)

NPI = "http://hl7.org/fhir/sid/us-npi"


def practitioner(value: str = "9000000001", **more: Any) -> Json:
    return {"resourceType": "Practitioner", "identifier": [{"system": NPI, "value": value}], **more}


def conditional(resource: Json) -> Json:
    identifier = resource["identifier"][0]
    asked = f"identifier={identifier['system']}|{identifier['value']}"
    return entry(resource, ifNoneExist=asked)


def post(scene: Scene, sent: Any, **headers: str) -> Any:
    return scene.call(scene.hospital, "POST", "/fhir", sent, **headers)


def statuses(answer: Any) -> list[str]:
    assert answer.status == 200, answer.body
    return [one["response"]["status"] for one in answer.json()["entry"]]


def issues(answer: Any, status: int = 422) -> list[Json]:
    assert answer.status == status, answer.body
    assert answer.json()["resourceType"] == "OperationOutcome"
    listed: list[Json] = answer.json()["issue"]
    return listed


def test_a_transaction_answers_each_entry_in_its_order(scene: Scene) -> None:
    sent = whole_patient(3)
    answer = post(scene, sent)
    body = answer.json()
    assert (body["resourceType"], body["type"]) == ("Bundle", "transaction-response")
    for asked, given in zip(sent["entry"], body["entry"], strict=True):
        place = given["response"]["location"]
        assert f"/fhir/{asked['resource']['resourceType']}/" in place
        assert given["response"]["etag"] == 'W/"1"'
        assert given["response"]["lastModified"] == scene.world.clock()
    assert answer.headers["carevouch-receipt"].count(" ") == 1


def test_references_between_entries_become_the_new_ids(scene: Scene) -> None:
    encounter = {
        **clinical("urn:uuid:x")[4],
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"},
    }
    visit = "urn:uuid:00000000-0000-4000-8000-0000000000ee"
    seen = people.observation("", subject=encounter["subject"], encounter={"reference": visit})
    first = entry(people.synthetic_patient(5), encounter["subject"]["reference"])
    patient = patient_of(post(scene, bundle(first, entry(encounter, visit), entry(seen))))
    stored = {one.doc.type: resource_of(one.doc.type, one.body) for one in scene.stored(patient)}
    assert stored["Observation"]["encounter"]["reference"] == f"Encounter/{stored['Encounter']['id']}"
    assert stored["Observation"]["subject"]["reference"] == f"Patient/{patient}"


def test_the_author_is_the_caller_whatever_the_client_says(scene: Scene) -> None:
    sent = people.observation(
        scene.person(), meta={"source": scene.payer.reference, "versionId": "7"}, id="mine"
    )
    answer = scene.call(scene.hospital, "POST", "/fhir/Observation", sent)
    assert answer.status == 201
    assert answer.json()["meta"]["source"] == scene.hospital.reference
    assert answer.json()["meta"]["versionId"] == "1"
    assert answer.json()["id"] != "mine"


def test_a_known_patient_is_answered_and_not_stored_again(scene: Scene) -> None:
    patient = patient_of(post(scene, whole_patient(11)))
    again = post(scene, whole_patient(11))
    assert patient_of(again) == patient
    assert statuses(again)[0] == "200 OK"
    stored = scene.stored(patient)
    assert [one.version for one in stored if one.doc.type == "Patient"] == [1]
    assert len(stored) == 1 + 2 * 7


def test_a_bundle_of_a_known_patient_alone_stores_nothing(scene: Scene) -> None:
    alone = bundle(entry(people.synthetic_patient(12)))
    patient = patient_of(post(scene, alone))
    before = scene.content()
    assert statuses(post(scene, alone)) == ["200 OK"]
    assert scene.content() == before
    assert [one.doc.id for one in scene.stored(patient)] == [patient]


def test_a_provider_without_a_link_meets_a_known_patient_as_absent(scene: Scene) -> None:
    patient = patient_of(post(scene, whole_patient(13)))
    before = scene.content()
    refused = scene.call(scene.clinic, "POST", "/fhir", whole_patient(13))
    assert refused.status == 404
    assert patient not in refused.body.decode()
    assert scene.content() == before
    assert [one["outcomeDesc"] for one in scene.audits(patient)] == ["not-found"]


def test_a_new_patient_is_linked_with_who_sent_the_bundle(scene: Scene) -> None:
    patient = patient_of(scene.call(scene.clinic, "POST", "/fhir", whole_patient(14)))
    sent = people.observation(patient)
    assert scene.call(scene.clinic, "POST", "/fhir/Observation", sent).status == 201
    assert scene.call(scene.hospital, "POST", "/fhir/Observation", sent).status == 404


@pytest.mark.parametrize("element", ["subject", "performer"])
@pytest.mark.parametrize("kind", ["transaction", "batch", "create"])
def test_an_identifier_does_not_tell_who_is_here(scene: Scene, element: str, kind: str) -> None:
    """A person whom the caller has no link with is referred to as somebody whom nobody knows."""
    known = people.synthetic_patient(61)
    theirs, own = people.enrol(scene.world, scene.hospital, known), people.enrol(scene.world, scene.clinic)
    before = scene.content()

    def refer(to: Json) -> Any:
        identifier = to["identifier"][0]
        asked = {"reference": f"Patient?identifier={identifier['system']}|{identifier['value']}"}
        sent = people.observation(own, **{element: [asked] if element == "performer" else asked})
        if kind == "create":
            return scene.call(scene.clinic, "POST", "/fhir/Observation", sent)
        return scene.call(scene.clinic, "POST", "/fhir", bundle(entry(sent), kind=kind))

    told, unknown = refer(known), refer(people.synthetic_patient(62))
    assert (told.status, told.body) == (unknown.status, unknown.body)
    assert "no document here has this identifier" in told.body.decode()
    assert scene.content() == before
    # The person learns that somebody tried.
    assert [one["agent"][0]["who"]["reference"] for one in scene.audits(theirs)] == [scene.clinic.reference]

    people.link(scene.world, scene.clinic, theirs)
    assert "no document here has this identifier" not in refer(known).body.decode()


def test_identifiers_of_two_people_are_refused(scene: Scene) -> None:
    for number in (21, 22):
        post(scene, whole_patient(number))
    both = people.synthetic_patient(21)
    both["identifier"] += people.synthetic_patient(22)["identifier"]
    assert issues(post(scene, bundle(entry(both))), 409)


def test_conditional_references_resolve_to_the_one_record(scene: Scene) -> None:
    made = post(scene, bundle(entry(practitioner()))).json()["entry"][0]["response"]["location"]
    asked = {"reference": f"Practitioner?identifier={NPI}|9000000001"}
    patient = scene.person()
    statuses(post(scene, bundle(entry(people.observation(patient, performer=[asked])))))
    stored = [resource_of(one.doc.type, one.body) for one in scene.stored(patient)]
    (performer,) = (one["performer"] for one in stored if "performer" in one)
    assert performer == [{"reference": made.split("/fhir/")[1].split("/_history")[0]}]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (f"Practitioner?identifier={NPI}|404", "no document here has this identifier"),
        ("Practitioner?name=x", "Type?identifier=system|value"),
        ("CareTeam?identifier=s|v", "only people and the directory"),
        ("Practitioner/d.aaaaaaaaaaaaaaaaaaaaaaaaaa", "leads to no document"),
        ("Practitioner/1", "does not name a document of this server"),
        ("nowhere at all", "not a reference of FHIR R4"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named_by_its_element(
    scene: Scene, reference: str, said: str
) -> None:
    patient = scene.person()
    before = scene.content()
    sent = people.observation(patient, performer=[{"reference": reference}])
    found = issues(post(scene, bundle(entry(sent))))
    assert found[0]["expression"] == ["Bundle.entry[0].resource.performer[0].reference"]
    assert said in found[0]["diagnostics"]
    alone = issues(scene.call(scene.hospital, "POST", "/fhir/Observation", sent))
    assert alone[0]["expression"] == ["Observation.performer[0].reference"]
    assert scene.content() == before


def test_a_urn_that_no_entry_has_is_refused(scene: Scene) -> None:
    sent = people.observation("", subject={"reference": "urn:uuid:00000000-0000-4000-8000-00000000dead"})
    assert issues(post(scene, bundle(entry(sent))), 400)[0]["code"] == "not-found"


def test_one_bundle_is_about_one_person(scene: Scene) -> None:
    one, other = scene.person(), scene.person()
    sent = bundle(entry(people.observation(one)), entry(people.observation(other)))
    before = scene.content()
    assert "one person" in issues(post(scene, sent))[0]["diagnostics"]
    assert (
        "one person"
        in issues(post(scene, bundle(*(entry(people.synthetic_patient(n)) for n in (1, 2)))))[0][
            "diagnostics"
        ]
    )
    mixed = bundle(entry(people.synthetic_patient(77)), entry(people.observation(one)))
    assert "one person" in issues(post(scene, mixed))[0]["diagnostics"]
    assert scene.content() == before


def test_a_document_that_is_nobodys_is_refused(scene: Scene) -> None:
    alone = people.observation("")
    alone.pop("subject")
    assert "whose document" in issues(post(scene, bundle(entry(alone))))[0]["diagnostics"]
    by_group = {**alone, "subject": {"reference": "Location?identifier=a|b"}}
    assert issues(post(scene, bundle(entry(by_group))))


def test_a_document_of_another_person_is_no_target(scene: Scene) -> None:
    mine, other = scene.person(), scene.person()
    theirs = people.record(scene.world, scene.hospital, other, people.observation(other))
    sent = people.observation(mine, hasMember=[{"reference": str(theirs.doc)}])
    assert "one person" in issues(post(scene, bundle(entry(sent))))[0]["diagnostics"]


@pytest.mark.parametrize("type_", ["AuditEvent", "ValueSet"])
def test_what_is_not_stored_here_is_named(scene: Scene, type_: str) -> None:
    resource: Json = {"resourceType": type_}
    if type_ == "ValueSet":
        resource["status"] = "active"
    if type_ == "AuditEvent":
        resource |= {
            "type": {"code": "rest"},
            "recorded": "2026-11-22T10:00:00Z",
            "agent": [{"requestor": False}],
            "source": {"observer": {"display": "x"}},
        }
    answer = post(scene, bundle(entry(resource)))
    assert issues(answer)[0]["code"] == "not-supported"


def test_a_directory_bundle_needs_no_person(scene: Scene) -> None:
    role = {"resourceType": "PractitionerRole", "active": True}
    answer = post(scene, bundle(conditional(practitioner()), entry(role)))
    assert statuses(answer) == ["201 Created", "201 Created"]
    assert statuses(post(scene, bundle(conditional(practitioner()), entry(role)))) == [
        "200 OK",
        "201 Created",
    ]


def test_the_same_identifier_twice_in_one_bundle_is_one_record(scene: Scene) -> None:
    answer = post(scene, bundle(conditional(practitioner()), conditional(practitioner())))
    assert statuses(answer) == ["201 Created", "200 OK"]
    places = {one["response"]["location"].split("/_history")[0] for one in answer.json()["entry"]}
    assert len(places) == 1
    twins = bundle(entry(practitioner("9")), entry(practitioner("9")))
    assert issues(post(scene, twins))[0]["code"] == "duplicate"


def test_a_taken_identifier_without_a_condition_is_a_conflict(scene: Scene) -> None:
    post(scene, bundle(entry(practitioner())))
    before = scene.content()
    assert "ifNoneExist" in issues(post(scene, bundle(entry(practitioner()))), 409)[0]["diagnostics"]
    assert scene.content() == before


def test_a_condition_must_be_one_that_the_resource_meets(scene: Scene) -> None:
    other = entry(practitioner("1"), ifNoneExist=f"identifier={NPI}|2")
    assert "must have this identifier" in issues(post(scene, bundle(other)))[0]["diagnostics"]
    by_name = entry(practitioner("1"), ifNoneExist="name=x")
    assert "identifier=system|value" in issues(post(scene, bundle(by_name)))[0]["diagnostics"]
    clinical_one = entry(people.observation(scene.person()), ifNoneExist="identifier=a|b")
    assert "only people and the directory" in issues(post(scene, bundle(clinical_one)))[0]["diagnostics"]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "HEAD"])
def test_a_bundle_reads_and_removes_nothing(scene: Scene, kind: str, method: str) -> None:
    patient = scene.person()
    sent = bundle({"request": {"method": method, "url": f"Patient/{patient}"}}, kind=kind)
    answer = scene.call(scene.hospital, "POST", "/fhir", sent)
    said = answer.body.decode()
    assert "POST, PUT only" in said
    assert "birthDate" not in said
    if kind == "transaction":
        assert answer.status == 400
    else:
        assert statuses(answer) == ["400 Bad Request"]


def test_a_bundle_with_updates_is_one_act(scene: Scene) -> None:
    patient = patient_of(post(scene, whole_patient(41)))
    stored = [one for one in scene.stored(patient) if one.doc.type == "Observation"][:2]
    changed = [
        {
            "resource": {**resource_of("Observation", one.body), "status": "amended"},
            "request": {"method": "PUT", "url": str(one.doc), "ifMatch": 'W/"1"'},
        }
        for one in stored
    ]
    sent = bundle(*changed, entry(people.observation(patient)))
    answer = post(scene, sent, idempotency_key="k")
    assert statuses(answer) == ["200 OK", "200 OK", "201 Created"]
    assert answer.json()["entry"][0]["response"]["etag"] == 'W/"2"'
    assert post(scene, sent, idempotency_key="k").json() == answer.json()
    assert post(scene, bundle(*changed)).status == 412
    updated = {one.doc for one in stored}
    assert sorted(one.version for one in scene.stored(patient) if one.doc in updated) == [1, 1, 2, 2]


def test_one_stale_update_undoes_the_whole_bundle(scene: Scene) -> None:
    patient = patient_of(post(scene, whole_patient(42)))
    one, other = [one for one in scene.stored(patient) if one.doc.type == "Observation"][:2]
    before = scene.content()
    changed = [
        {
            "resource": resource_of("Observation", each.body),
            "request": {"method": "PUT", "url": str(each.doc), "ifMatch": match},
        }
        for each, match in ((one, 'W/"1"'), (other, 'W/"2"'))
    ]
    assert post(scene, bundle(*changed)).status == 412
    assert scene.content() == before


def test_the_same_key_with_another_bundle_is_refused(scene: Scene) -> None:
    assert post(scene, whole_patient(51), idempotency_key="a").status == 200
    before = scene.content()
    assert post(scene, whole_patient(52), idempotency_key="a").status == 422
    assert scene.content() == before


def test_an_empty_transaction_is_answered_with_nothing(scene: Scene) -> None:
    answer = post(scene, {"resourceType": "Bundle", "type": "transaction"})
    assert (answer.status, answer.json()["type"], "entry" in answer.json()) == (
        200,
        "transaction-response",
        False,
    )


@pytest.mark.parametrize("who", ["payer", "auditor", "device"])
def test_only_a_provider_writes(scene: Scene, who: str) -> None:
    patient = scene.person()
    caller: Any = scene.device(patient) if who == "device" else getattr(scene, who)
    before = scene.content()
    sent = people.observation(patient)
    assert scene.call(caller, "POST", "/fhir", bundle(entry(sent))).status == 403
    assert scene.call(caller, "POST", "/fhir/Observation", sent).status == 403
    assert scene.content() == before
