"""Only the provider that registered a person may bind a device for them, at the door and in every row.

A provider can link itself with a person if it knows an identifier. If a link were enough to offer a device,
the provider could read everything, consent to anything and erase the person. The forged rows are written with
the identity service's own key, past its door. They must count for nothing all the same.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest

from carevouch.door.consents import Consents
from carevouch.door.http import Door
from carevouch.identity.links import SEED_BYTES, answer_offer, make_offer, one_time_key
from carevouch.kernel.times import later
from services.identity.ports import Ports
from services.records.ports import ports_of as records_ports_of
from services.records.routes import ROUTES as RECORDS_ROUTES
from tests.api import Answer, Api
from tests.descriptions import description
from tests.people import (
    Device,
    Organization,
    admit,
    bind_device,
    consent_for,
    enrol,
    grant,
    link,
    readmit,
    synthetic_patient,
)
from tests.sealed_log import log_of
from tests.service.identity.test_tokens import ask, assertion, claims
from tests.world import BASE_URL, World, new_key

ONLY = "only the provider that registered the person may enrol a device"
Forge = Callable[[World, Organization, str], Device]


def bind_at_door(
    world: World, api: Api, provider: Organization, patient: str, seconds: float = 600
) -> Answer:
    """The answer of the door to a new device that binds itself by an offer of `provider`."""
    seed = bytes(range(SEED_BYTES))
    exp = later(world.clock(), seconds)
    offer = make_offer(patient, one_time_key(seed).jwk, exp, provider.id, provider.key)
    return api.call("POST", "/identity/devices", answer_offer(offer, seed, new_key()))


def token_of(world: World, api: Api, device: Device) -> Answer:
    signed = assertion(device.key, claims(world, device.patient))
    return ask(api, signed, "patient/*.cruds")


def is_valid(world: World, device: Device) -> bool:
    """Whether the signature of `device` under a consent counts."""
    payer = admit(world, "payer", ["payer"])
    grant(world, device, consent_for(payer.reference))
    consents = Consents(world.reader, f"{BASE_URL}/fhir", UTC).of(world.reader.person(device.patient))
    [consent] = consents
    return consent.signed


def test_a_provider_that_only_knew_an_identifier_cannot_enrol_a_device(
    world: World, api: Api, hospital: Organization
) -> None:
    patient = api.call("POST", "/fhir/Patient", synthetic_patient(1), hospital.who).json()["id"]
    clinic = admit(world, "clinic", ["provider"])
    assert bind_at_door(world, api, clinic, patient).status == 404
    known = api.call("POST", "/fhir/Patient", synthetic_patient(1), clinic.who)
    assert (known.status, known.json()["id"]) == (200, patient)
    refused = bind_at_door(world, api, clinic, patient)
    assert (refused.status, refused.json()["detail"]) == (403, ONLY)
    assert world.reader.person(patient).latest("BoundDevice") == []
    assert bind_at_door(world, api, hospital, patient).status == 201


def test_a_person_made_by_a_bundle_is_registered_by_its_author(
    world: World, ports: Ports, api: Api, hospital: Organization
) -> None:
    store = world.store("records")
    records = Door("records")
    records.serve(RECORDS_ROUTES, lambda: records_ports_of(store, log_of(world).sealed, description))
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": synthetic_patient(2), "request": {"method": "POST", "url": "Patient"}}],
    }
    answer = Api(records).call("POST", "/fhir", bundle, hospital.who)
    assert answer.status == 200, answer.body
    found = ports.index.one(synthetic_patient(2))
    assert found is not None
    clinic = admit(world, "clinic", ["provider"])
    link(world, clinic, found.id)
    assert bind_at_door(world, api, clinic, found.id).status == 403
    assert bind_at_door(world, api, hospital, found.id).status == 201


def test_absent_and_unlinked_people_get_the_same_answer(
    world: World, api: Api, hospital: Organization
) -> None:
    clinic = admit(world, "clinic", ["provider"])
    answers = [
        bind_at_door(world, api, clinic, enrol(world, hospital)),
        bind_at_door(world, api, clinic, "a" * 26),
        bind_at_door(world, api, clinic, "nobody"),
    ]
    assert {(answer.status, answer.body) for answer in answers} == {(404, answers[0].body)}


def test_an_offer_is_good_for_a_day_at_most(world: World, api: Api, hospital: Organization) -> None:
    patient = enrol(world, hospital)
    refused = bind_at_door(world, api, hospital, patient, 86_400.001)
    assert refused.status == 403
    assert "24 hours" in refused.json()["detail"]
    assert bind_at_door(world, api, hospital, patient, 86_400).status == 201


CHANGES: dict[str, Any] = {
    "suspended": {"status": "suspended"},
    "another key": {"key": new_key()},
    "no provider any more": {"roles": ["payer"]},
}


@pytest.mark.parametrize("ahead", [0, 60], ids=["now", "dated later"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_an_offer_counts_only_under_the_current_admission(
    world: World, api: Api, hospital: Organization, change: dict[str, Any], ahead: int
) -> None:
    patient = enrol(world, hospital)
    world.clock.advance(ahead)
    readmit(world, hospital, **change)
    world.clock.advance(-ahead)
    refused = bind_at_door(world, api, hospital, patient)
    assert (refused.status, refused.json()["title"]) == (403, "forbidden")
    assert world.reader.person(patient).latest("BoundDevice") == []


def test_a_payer_that_registered_a_person_cannot_enrol_a_device(world: World, api: Api) -> None:
    payer = admit(world, "payer", ["payer"])
    assert bind_at_door(world, api, payer, enrol(world, payer)).status == 403


def by_a_linked_provider(world: World, _hospital: Organization, patient: str) -> Device:
    clinic = admit(world, "clinic", ["provider"])
    link(world, clinic, patient)
    return bind_device(world, clinic, patient)


def by_a_registering_payer(world: World, _hospital: Organization, _patient: str) -> Device:
    payer = admit(world, "rogue payer", ["payer", "app"])
    return bind_device(world, payer, enrol(world, payer))


def with_a_retired_key(world: World, hospital: Organization, patient: str) -> Device:
    readmit(world, hospital, key=new_key())
    return bind_device(world, hospital, patient)


def with_a_key_admitted_later(world: World, hospital: Organization, patient: str) -> Device:
    early = replace(hospital, key=new_key())
    device = bind_device(world, early, patient)
    world.clock.advance(1)
    readmit(world, hospital, key=early.key)
    return device


def before_the_person_was_registered(world: World, hospital: Organization, patient: str) -> Device:
    world.clock.advance(-0.5)
    device = bind_device(world, hospital, patient)
    world.clock.advance(0.5)
    return device


FORGERIES: dict[str, Forge] = {
    "by a linked provider": by_a_linked_provider,
    "by a provider without a link": lambda world, _hospital, patient: bind_device(
        world, admit(world, "clinic", ["provider"]), patient
    ),
    "by a registering payer": by_a_registering_payer,
    "by a former provider": lambda world, hospital, patient: bind_device(
        world, readmit(world, hospital, roles=["app"]), patient
    ),
    "by a suspended provider": lambda world, hospital, patient: bind_device(
        world, readmit(world, hospital, status="suspended"), patient
    ),
    "with a retired key": with_a_retired_key,
    "with a key admitted later": with_a_key_admitted_later,
    "before the person was registered": before_the_person_was_registered,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_device_gets_no_token_and_its_consents_permit_nothing(
    world: World, api: Api, hospital: Organization, forge: Forge
) -> None:
    world.clock.advance(1)
    device = forge(world, hospital, enrol(world, hospital))
    world.clock.advance(1)
    assert token_of(world, api, device).status == 401
    assert not is_valid(world, device)
    device_alone = api.call("GET", f"/identity/subjects/{device.patient}/secret", who=device.who)
    assert device_alone.status == 404


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_bound_device_stays_valid_when_its_providers_terms_change(
    world: World, api: Api, hospital: Organization, change: dict[str, Any]
) -> None:
    device = bind_device(world, hospital, enrol(world, hospital))
    world.clock.advance(1)
    readmit(world, hospital, **change)
    world.clock.advance(1)
    assert token_of(world, api, device).status == 200
    assert is_valid(world, device)
