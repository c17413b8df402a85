"""On every path exactly those documents show that the consents allow, and nothing tells of the others."""

from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carevouch.consent.decide import decide
from carevouch.consent.facts import facts_of
from carevouch.consent.question import AccessRequest
from carevouch.consent.signature import body_of, grant_payload, sign_grant
from carevouch.door.consents import Consents
from carevouch.fhir.meta import with_meta
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import render
from carevouch.kernel.times import moment
from carevouch.records.resource import resource_of
from carevouch.store.documents import StoredRevision
from tests import people
from tests.people import Device, Organization
from tests.service.records.conftest import (
    CONFIDENTIALITY,
    Scene,
    bundle,
    entry,
    patient_of,
    resources,
    whole_patient,
)
from tests.service.records.paths import OF_VERSIONS, PATHS, latest, revision
from tests.world import BASE_URL, new_key

BASE = f"{BASE_URL}/fhir"
TYPES = ("Patient", "Observation", "Condition", "Encounter", "Immunization", "Procedure")


@pytest.fixture
def patient(scene: Scene) -> str:
    """A person with seven documents, one of which has a second, restricted version."""
    id_ = patient_of(scene.call(scene.hospital, "POST", "/fhir", whole_patient(1)))
    condition = next(one for one in scene.stored(id_) if one.doc.type == "Condition")
    changed = resource_of("Condition", condition.body)
    changed["meta"]["security"] = [{"system": CONFIDENTIALITY, "code": "V"}]
    answer = scene.call(scene.hospital, "PUT", f"/fhir/{condition.doc}", changed, if_match='W/"1"')
    assert answer.status == 200, answer.body
    return id_


def allowed(scene: Scene, who: Organization, patient: str, purpose: str = "HPAYMT") -> set[str]:
    """The documents that the consents alone allow, by the decision core itself."""
    partition = scene.world.reader.person(patient)
    consents = Consents(scene.world.reader, BASE, UTC).of(partition)
    request = AccessRequest(purpose, frozenset({who.reference}), moment(scene.world.clock()))

    def permits(stored: StoredRevision) -> bool:
        resource = resource_of(stored.doc.type, stored.body)
        facts = facts_of(resource, base=BASE, zone=UTC, subject=f"Patient/{patient}")
        return stored.doc.type != "Consent" and decide(consents, request, facts).permitted

    return {revision(stored) for stored in scene.stored(patient) if permits(stored)}


def expected(scene: Scene, patient: str, permitted: set[str], path: str) -> set[str]:
    newest = {revision(stored) for stored in latest(scene.stored(patient))}
    return permitted if path in OF_VERSIONS else permitted & newest


@pytest.mark.parametrize("path", PATHS)
def test_without_a_consent_a_payer_sees_nothing(scene: Scene, patient: str, path: str) -> None:
    assert PATHS[path](scene, scene.payer, scene.stored(patient)) == set()


@pytest.mark.parametrize("path", PATHS)
def test_another_provider_sees_nothing_of_what_it_did_not_write(
    scene: Scene, patient: str, path: str
) -> None:
    people.link(scene.world, scene.clinic, patient)
    assert PATHS[path](scene, scene.clinic, scene.stored(patient)) == set()


@pytest.mark.parametrize("path", PATHS)
def test_the_author_sees_all(scene: Scene, patient: str, path: str) -> None:
    stored = scene.stored(patient)
    everything = {revision(one) for one in stored}
    assert PATHS[path](scene, scene.hospital, stored) == expected(scene, patient, everything, path)


@pytest.mark.parametrize("path", PATHS)
def test_the_person_sees_all_of_themselves(scene: Scene, patient: str, path: str) -> None:
    device = scene.device(patient)
    stored = scene.stored(patient)
    everything = {revision(one) for one in stored}
    assert PATHS[path](scene, device, stored) == expected(scene, patient, everything, path)


@pytest.mark.parametrize("path", PATHS)
def test_the_device_of_another_person_sees_nothing(scene: Scene, patient: str, path: str) -> None:
    stranger = scene.device(scene.person())
    assert PATHS[path](scene, stranger, scene.stored(patient)) == set()


@pytest.mark.parametrize("path", PATHS)
def test_a_consent_for_observations_shows_observations_and_no_more(
    scene: Scene, patient: str, path: str
) -> None:
    consent = people.consent_for(scene.payer.reference, "HPAYMT", ["Observation"])
    people.grant(scene.world, scene.device(patient), consent)
    permitted = allowed(scene, scene.payer, patient)
    shown = shown_on(path, scene, scene.payer, patient)
    assert shown == expected(scene, patient, permitted, path)
    assert {one.split("/")[0] for one in shown} == {"Observation"}


@pytest.mark.parametrize("path", PATHS)
def test_each_version_is_judged_by_its_own_labels(scene: Scene, patient: str, path: str) -> None:
    labels = [{"system": CONFIDENTIALITY, "code": "N"}]
    consent = people.consent_for(scene.payer.reference, "HPAYMT")
    consent["provision"]["securityLabel"] = labels
    people.grant(scene.world, scene.device(patient), consent)
    shown = shown_on(path, scene, scene.payer, patient)
    conditions = {one for one in shown if one.startswith("Condition/")}
    assert shown == expected(scene, patient, allowed(scene, scene.payer, patient), path)
    assert {one[-2:] for one in conditions} == ({"@1"} if path in OF_VERSIONS else set())


def revoke(scene: Scene, device: Device, consent: StoredRevision) -> None:
    resource = resource_of("Consent", consent.body)
    people.grant(scene.world, device, {**resource, "status": "inactive"}, consent)


def shown_on(path: str, scene: Scene, who: Any, patient: str) -> set[str]:
    """The documents on a path, without Consents, which the parties that they name may always see."""
    shown = PATHS[path](scene, who, scene.stored(patient))
    return {one for one in shown if not one.startswith("Consent/")}


@pytest.mark.parametrize("path", PATHS)
def test_a_revoked_consent_refuses_the_very_next_request(scene: Scene, patient: str, path: str) -> None:
    device = scene.device(patient)
    consent = people.grant(scene.world, device, people.consent_for(scene.payer.reference, "HPAYMT"))
    assert PATHS[path](scene, scene.payer, scene.stored(patient))
    revoke(scene, device, consent)
    shown = shown_on(path, scene, scene.payer, patient)
    assert shown == set()


@pytest.mark.parametrize("query", ["Observation?patient={0}&_count=1", "Patient/{0}/$everything?_count=1"])
def test_a_next_link_from_before_the_revocation_shows_nothing_after(
    scene: Scene, patient: str, query: str
) -> None:
    device = scene.device(patient)
    consent = people.grant(
        scene.world, device, people.consent_for(scene.payer.reference, "HPAYMT", ["Observation"])
    )
    pages = scene.pages(scene.payer, f"/fhir/{query.format(patient)}")
    first = next(pages)
    assert len(resources(first)) == 1
    revoke(scene, device, consent)
    assert [one["resourceType"] for page in pages for one in resources(page)] in ([], ["Consent"])


def test_an_old_next_link_and_a_new_search_answer_alike_after_the_revocation(
    scene: Scene, patient: str
) -> None:
    device = scene.device(patient)
    consent = people.grant(
        scene.world, device, people.consent_for(scene.payer.reference, "HPAYMT", ["Observation"])
    )
    first = next(scene.pages(scene.payer, f"/fhir/Observation?patient={patient}&_count=1"))
    old = next(one["url"] for one in first["link"] if one["relation"] == "next")
    revoke(scene, device, consent)
    answer = scene.get(scene.payer, old)
    assert answer.status == 200
    assert (answer.json()["total"], resources(answer.json())) == (0, [])
    assert [one["relation"] for one in answer.json()["link"]] == ["self"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("signer", ["nobody", "an unbound key", "another person's device"])
def test_a_forged_consent_row_shows_nothing(scene: Scene, patient: str, path: str, signer: str) -> None:
    doc = Doc("Consent", f"{patient}.{'c' * 26}")
    whole = people.consent_for(scene.payer.reference, None, patient=patient)
    content = render(with_meta(whole, doc.id, 1, scene.world.clock()))
    keys = {"an unbound key": new_key(), "another person's device": scene.device(scene.person()).key}
    payload = grant_payload(content, str(doc), 1, None, "r")
    signature = sign_grant(payload, keys[signer]) if signer in keys else None
    people.store_consent(scene.world, doc, body_of(content, signature))
    assert shown_on(path, scene, scene.payer, patient) == set()


@pytest.mark.parametrize("path", PATHS)
def test_a_consent_that_a_provider_recorded_shows_nothing(scene: Scene, patient: str, path: str) -> None:
    answer = scene.call(
        scene.hospital,
        "POST",
        "/fhir",
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "resource": people.consent_for(scene.clinic.reference, None, patient=patient),
                    "request": {"method": "POST", "url": "Consent"},
                }
            ],
        },
    )
    assert answer.status == 200, answer.body
    shown = shown_on(path, scene, scene.clinic, patient)
    assert shown == set()


def recorded_by(scene: Scene, provider: Organization, patient: str) -> StoredRevision:
    """A Consent that shuts everybody out, as `provider` records one in a Bundle."""
    consent = people.consent_for(None, None, effect="deny", patient=patient)
    sent = bundle(entry(consent))
    answer = scene.call(provider, "POST", "/fhir", sent)
    assert answer.status == 200, answer.body
    return next(
        one for one in scene.stored(patient) if one.doc.type == "Consent" and one.event.producer == "records"
    )


@pytest.mark.parametrize("registered", ["in a Bundle", "at the identity door"])
def test_a_provider_that_linked_itself_cannot_switch_off_what_the_person_signed(
    scene: Scene, patient: str, registered: str
) -> None:
    person = patient if registered == "in a Bundle" else scene.person()
    device = scene.device(person)
    people.grant(scene.world, device, people.consent_for(scene.payer.reference, "HPAYMT"))
    path = f"/fhir/Patient/{person}"
    people.link(scene.world, scene.clinic, person)
    recorded = recorded_by(scene, scene.clinic, person)
    assert scene.get(scene.payer, path).status == 200
    # It is kept as what it is: a record of the clinic's, which the person sees.
    assert scene.get(device, f"/fhir/{recorded.doc}").status == 200
    recorded_by(scene, scene.hospital, person)
    assert scene.get(scene.payer, path).status == 404


def test_what_the_person_makes_of_a_recorded_denial_counts(scene: Scene, patient: str) -> None:
    """Once the person's own device has written it, it is the person's word."""
    device = scene.device(patient)
    people.grant(scene.world, device, people.consent_for(scene.payer.reference, "HPAYMT"))
    people.link(scene.world, scene.clinic, patient)
    recorded = recorded_by(scene, scene.clinic, patient)
    people.store_consent(scene.world, recorded.doc, recorded.body, recorded)
    assert scene.get(scene.payer, f"/fhir/Patient/{patient}").status == 404


@pytest.mark.parametrize("path", PATHS)
def test_a_denial_is_not_shown_to_whom_it_denies(scene: Scene, patient: str, path: str) -> None:
    denial = people.consent_for(scene.payer.reference, None, effect="deny")
    people.store_unsigned(scene.world, Doc("Consent", f"{patient}.{'c' * 26}"), denial)
    assert PATHS[path](scene, scene.payer, scene.stored(patient)) == set()


@pytest.fixture(scope="module")
def town() -> Scene:
    return Scene()


def clauses() -> st.SearchStrategy[dict[str, Any]]:
    """Random clauses of the kinds that real consents use."""
    return st.fixed_dictionaries(
        {"effect": st.sampled_from(["permit", "deny"])},
        optional={
            "classes": st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
            "purpose": st.sampled_from(["HPAYMT", "TREAT", "CLINTRCH"]),
            "label": st.sampled_from(["N", "R", "V"]),
            "data": st.sampled_from(["2026-01-01/2026-02-28", "2026-03-01/2026-12-31"]),
            "anybody": st.booleans(),
        },
    )


def clause_of(drawn: dict[str, Any], payer: Organization) -> dict[str, Any]:
    actor = None if drawn.get("anybody") else payer.reference
    made = people.consent_for(actor, drawn.get("purpose"), drawn.get("classes"), effect=drawn["effect"])
    if "label" in drawn:
        made["provision"]["securityLabel"] = [{"system": CONFIDENTIALITY, "code": drawn["label"]}]
    if "data" in drawn:
        start, _, end = drawn["data"].partition("/")
        made["provision"]["dataPeriod"] = {"start": start, "end": end}
    return made


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(st.tuples(clauses(), st.none() | clauses()), min_size=1, max_size=2), number=st.integers(1)
)
def test_the_set_on_every_path_is_the_set_the_decision_allows(
    town: Scene, drawn: list[tuple[dict[str, Any], dict[str, Any] | None]], number: int
) -> None:
    patient = patient_of(town.call(town.hospital, "POST", "/fhir", whole_patient(number % 10**8 * 100 + 7)))
    device = town.device(patient)
    for outer, inner in drawn:
        consent = clause_of(outer, town.payer)
        if inner is not None:
            consent["provision"]["provision"] = [clause_of(inner, town.payer)["provision"]]
        people.grant(town.world, device, consent)
    permitted = allowed(town, town.payer, patient)
    for path in PATHS:
        assert shown_on(path, town, town.payer, patient) == expected(town, patient, permitted, path), path
