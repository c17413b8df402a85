"""People and their devices through the identity door."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey

from carevouch.events.envelope import tag
from carevouch.identity.links import answer_offer, make_offer, one_time_key
from carevouch.kernel.ids import Doc
from carevouch.kernel.times import later
from carevouch.store.keys import DEPLOYMENT_PK
from services.identity.ports import Ports
from tests.api import Answer, Api, Who
from tests.fakes import MemoryKeyRows, MemoryRows
from tests.people import Organization, admit, bind_device, enrol, synthetic_patient
from tests.service.identity.conftest import correct, register, with_identifier
from tests.world import World, new_key

SEED = bytes(range(16))
SOMEBODY = b'{"resourceType":"Patient","identifier":[{"system":"s:x","value":"1"}]'
NUMBERS = [b'{"system":"s:x","value":"%d"}' % n for n in range(41)]


def test_a_registered_patient_has_the_servers_id_and_names_its_author(
    api: Api, hospital: Organization
) -> None:
    answer = api.call("POST", "/fhir/Patient", {**synthetic_patient(1), "id": "mine"}, hospital.who)
    body = answer.json()
    assert answer.status == 201
    assert body["id"] != "mine"
    assert body["meta"]["source"] == hospital.reference
    assert answer.headers["location"].endswith(f"/fhir/Patient/{body['id']}/_history/1")
    assert len(answer.headers["carevouch-receipt"].split(" ")) == 2


def test_the_same_identifier_makes_one_person_and_links_the_second_provider(
    world: World, api: Api, hospital: Organization
) -> None:
    clinic = admit(world, "clinic", ["provider"])
    patient = register(api, hospital, synthetic_patient(1))
    again = api.call("POST", "/fhir/Patient", synthetic_patient(1), clinic.who)
    assert again.status == 200
    # The link reveals the id and nothing else; it does not allow reading.
    assert again.json() == {"resourceType": "Patient", "id": patient}
    links = world.reader.person(patient).latest("Enrolment")
    assert len(links) == 2
    assert api.call("POST", "/fhir/Patient", synthetic_patient(1), clinic.who).status == 200
    assert len(world.reader.person(patient).latest("Enrolment")) == 2


def test_concurrent_registrations_of_one_identifier_make_one_person(
    world: World, api: Api, hospital: Organization
) -> None:
    answers: list[Answer] = []
    start = threading.Barrier(8)

    def post() -> None:
        start.wait()
        answers.append(api.call("POST", "/fhir/Patient", synthetic_patient(7), hospital.who))

    # One door per thread, as each Lambda environment serves one request at a time.
    doors = [threading.Thread(target=post) for _ in range(8)]
    for thread in doors:
        thread.start()
    for thread in doors:
        thread.join()
    assert {answer.status for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.status == 201 for answer in answers) == 1


def test_identifiers_of_two_people_in_one_patient_are_a_conflict(api: Api, hospital: Organization) -> None:
    one, two = synthetic_patient(1), synthetic_patient(2)
    register(api, hospital, one)
    register(api, hospital, two)
    both = {**one, "identifier": [*one["identifier"], *two["identifier"]]}
    assert api.call("POST", "/fhir/Patient", both, hospital.who).status == 409


def test_a_corrected_identifier_leads_nobody_to_the_wrong_person(
    world: World, api: Api, hospital: Organization
) -> None:
    """The hospital typed another person's number and then corrected it. That person comes to a clinic."""
    clinic = admit(world, "clinic", ["provider"])
    patient = register(api, hospital, with_identifier(1))
    correct(world, patient, with_identifier(2))
    refused = api.call("POST", "/fhir/Patient", with_identifier(1), clinic.who)
    assert refused.status == 409
    assert "earlier record" in refused.json()["issue"][0]["diagnostics"]
    assert patient.encode() not in refused.body
    assert len(world.reader.person(patient).latest("Enrolment")) == 1
    both = {
        **with_identifier(1),
        "identifier": [*with_identifier(1)["identifier"], *with_identifier(2)["identifier"]],
    }
    assert api.call("POST", "/fhir/Patient", both, clinic.who).status == 409
    assert api.call("POST", "/fhir/Patient", with_identifier(2), clinic.who).json()["id"] == patient


def test_an_added_identifier_leads_to_its_person(world: World, api: Api, hospital: Organization) -> None:
    patient = register(api, hospital, with_identifier(1))
    both = {
        **with_identifier(1),
        "identifier": [*with_identifier(1)["identifier"], *with_identifier(2)["identifier"]],
    }
    correct(world, patient, both)
    for known in (with_identifier(1), with_identifier(2), both):
        assert api.call("POST", "/fhir/Patient", known, hospital.who).json()["id"] == patient


def test_a_retry_with_its_key_gets_the_same_answer_and_another_request_does_not(
    api: Api, hospital: Organization
) -> None:
    headers = {"idempotency-key": "k-1"}
    first = api.call("POST", "/fhir/Patient", synthetic_patient(1), hospital.who, headers)
    again = api.call("POST", "/fhir/Patient", synthetic_patient(1), hospital.who, headers)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["carevouch-receipt"] == first.headers["carevouch-receipt"]
    # The same key for another person is a mistake and is refused as one.
    other = api.call("POST", "/fhir/Patient", synthetic_patient(2), hospital.who, headers)
    assert (first.status, other.status) == (201, 422)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        (None, 401),
        ("payer", 403),
        ("unscoped", 403),
        ("nobody", 401),
    ],
)
def test_only_a_provider_with_the_scope_registers(
    world: World, api: Api, hospital: Organization, who: str | None, status: int
) -> None:
    callers = {
        None: None,
        "payer": admit(world, "payer", ["payer"]).who,
        "unscoped": Who(hospital.id, scope="system/Patient.rs"),
        "nobody": Who("d." + "a" * 26),
    }
    before = dict(world.rows.rows)  # type: ignore[attr-defined]
    assert api.call("POST", "/fhir/Patient", synthetic_patient(1), callers[who]).status == status
    after = world.rows.rows  # type: ignore[attr-defined]
    assert {key for key in after if key not in before} == set()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"resourceType":"Observation"}', 400),
        (b'{"resourceType":"Patient","identifier":[{"system":"s:x","value":"1"}],"surprise":1}', 400),
        (
            b'{"resourceType":"Patient","identifier":[{"system":"s:x","value":"1"}],"birthDate":"1980-02-31"}',
            400,
        ),
        (b'{"resourceType":"Patient"}', 400),
        (b'{"resourceType":"Patient","id":"a","id":"b"}', 400),
        (b'{"resourceType":"Patient","language":"' + b"x" * 3_000_000 + b'"}', 400),
        (b" " * 4_000_001, 413),
        (b"[" * 1_000, 400),
        (SOMEBODY + b',"name":[{"text":"' + b"x" * 379_000 + b'"}]}', 413),
        (b'{"resourceType":"Patient","identifier":[' + b",".join(NUMBERS) + b"]}", 422),
    ],
    ids=[
        "cut",
        "list",
        "type",
        "field",
        "date",
        "no-identifier",
        "twice",
        "3MB",
        "4MB",
        "deep",
        "row",
        "many",
    ],
)
def test_bad_input_gets_its_status_and_leaves_nothing(
    world: World, api: Api, hospital: Organization, body: bytes, status: int
) -> None:
    rows, keys = world.rows, world.key_rows
    assert isinstance(rows, MemoryRows)
    assert isinstance(keys, MemoryKeyRows)
    before = set(rows.rows), set(keys.rows)
    headers = {"idempotency-key": "k-1"}
    assert api.call("POST", "/fhir/Patient", body, hospital.who, headers).status == status
    answer = api.call("POST", "/fhir/Patient", body, hospital.who)
    assert answer.status == status
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["diagnostics"] for issue in outcome["issue"])
    # There is neither a document nor a key of a person who was not registered.
    assert (set(rows.rows), set(keys.rows) - {DEPLOYMENT_PK}) == (before[0], before[1] - {DEPLOYMENT_PK})


def test_the_largest_accepted_patient_fits_its_row(api: Api, hospital: Organization) -> None:
    body = SOMEBODY + b',"name":[{"text":"' + b"x" * 378_000 + b'"}]}'
    headers = {"idempotency-key": "k" * 255}
    assert api.call("POST", "/fhir/Patient", body, hospital.who, headers).status == 201


def patient_with_identifiers(count: int) -> dict[str, Any]:
    """A person with this number of identifiers."""
    numbers = [{"system": "s:numbers", "value": str(n)} for n in range(count)]
    return {**synthetic_patient(1), "identifier": numbers}


def test_too_many_identifiers_are_refused_and_not_cut(
    world: World, ports: Ports, api: Api, hospital: Organization
) -> None:
    refused = api.call("POST", "/fhir/Patient", patient_with_identifiers(41), hospital.who)
    assert refused.status == 422
    assert "at most 40" in refused.json()["issue"][0]["diagnostics"]
    patient = register(api, hospital, patient_with_identifiers(40))
    last = {**patient_with_identifiers(40), "identifier": patient_with_identifiers(40)["identifier"][-1:]}
    assert ports.index.one(last) == Doc("Patient", patient)


class TestDevices:
    def posted(self, world: World, hospital: Organization, patient: str, **changed: Any) -> dict[str, Any]:
        exp = later(world.clock.now, changed.get("seconds", 600))
        key = changed.get("signer", hospital.key)
        provider = changed.get("provider", hospital.id)
        offer = make_offer(patient, one_time_key(SEED).jwk, exp, provider, key)
        return answer_offer(offer, changed.get("seed", SEED), changed.get("device", new_key()))

    def test_a_device_binds_itself_with_the_code_of_the_provider(
        self, world: World, api: Api, hospital: Organization
    ) -> None:
        patient = enrol(world, hospital)
        answer = api.call("POST", "/identity/devices", self.posted(world, hospital, patient))
        assert answer.status == 201
        body = answer.json()
        assert body["client_id"] == patient
        device = Who(patient, "device", "patient/*.rs", body["device"])
        listed = api.call("GET", f"/identity/subjects/{patient}", who=device).json()
        assert [item["device"] for item in listed["devices"]] == [body["device"]]

    def test_a_code_binds_one_device_and_no_second(
        self, world: World, api: Api, hospital: Organization
    ) -> None:
        patient = enrol(world, hospital)
        assert api.call("POST", "/identity/devices", self.posted(world, hospital, patient)).status == 201
        second = api.call("POST", "/identity/devices", self.posted(world, hospital, patient))
        assert second.status == 409
        assert "used already" in second.json()["detail"]

    def test_every_link_of_the_chain_is_needed(self, world: World, api: Api, hospital: Organization) -> None:
        patient = enrol(world, hospital)
        stranger = admit(world, "stranger", ["provider"])
        refused = {
            "another seed": self.posted(world, hospital, patient, seed=bytes(16)),
            "expired": self.posted(world, hospital, patient, seconds=-1),
            "not the provider's key": self.posted(world, hospital, patient, signer=new_key()),
            "provider without a link": self.posted(
                world, hospital, patient, provider=stranger.id, signer=stranger.key
            ),
            "nobody's patient": self.posted(world, hospital, "a" * 26),
            "no offer": {"offer": "x.y.z", "binding": "x.y.z"},
            "more": {**self.posted(world, hospital, patient), "extra": "x"},
        }
        statuses = {
            name: api.call("POST", "/identity/devices", body).status for name, body in refused.items()
        }
        assert statuses == {
            "another seed": 403,
            "expired": 403,
            "not the provider's key": 403,
            "provider without a link": 404,
            "nobody's patient": 404,
            "no offer": 400,
            "more": 400,
        }
        assert world.reader.person(patient).latest("BoundDevice") == []

    def test_a_possession_of_another_offer_is_refused(
        self, world: World, api: Api, hospital: Organization
    ) -> None:
        patient = enrol(world, hospital)
        one = self.posted(world, hospital, patient)
        two = self.posted(world, hospital, patient, seconds=601)
        mixed = {"offer": one["offer"], "binding": two["binding"]}
        assert api.call("POST", "/identity/devices", mixed).status == 403

    def test_the_subject_secret_is_for_the_device_alone(
        self, world: World, api: Api, hospital: Organization
    ) -> None:
        patient = enrol(world, hospital)
        device = bind_device(world, hospital, patient)
        path = f"/identity/subjects/{patient}/secret"
        body = api.call("GET", path, who=device.who).json()
        secret = jwe.decrypt_compact(body["jwe"], ECKey.import_key(device.key._key)).plaintext
        event = world.reader.person(patient).latest("BoundDevice")[0].event
        assert secret is not None
        assert tag(secret, event.id) in event.tags
        assert api.call("GET", path, who=hospital.who).status == 404

    @pytest.mark.parametrize(
        ("method", "tail", "needed"),
        [("GET", "", "r"), ("GET", "/secret", "r"), ("DELETE", "", "d")],
        ids=["devices", "secret", "erase"],
    )
    def test_a_token_covers_only_its_scope(
        self, world: World, api: Api, hospital: Organization, method: str, tail: str, needed: str
    ) -> None:
        patient = enrol(world, hospital)
        device = bind_device(world, hospital, patient)
        path = f"/identity/subjects/{patient}{tail}"
        for letters in ("cus", "r" if needed == "d" else "d"):
            without = replace(device.who, scope=f"patient/Patient.{letters} patient/Observation.cruds")
            refused = api.call(method, path, who=without)
            assert refused.status == 403
            assert f"patient/Patient.{needed}" in refused.json()["detail"]
        within = replace(device.who, scope=f"patient/Patient.{needed}")
        assert api.call(method, path, who=within).status in (200, 204)
