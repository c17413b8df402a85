"""A lost phone is removed by another device of the person, or by itself; its earlier signatures stay."""

from datetime import UTC

import pytest

from carevouch.door.consents import Consents
from carevouch.identity.links import SEED_BYTES, answer_offer, make_offer, one_time_key
from carevouch.kernel.ids import Doc, about
from carevouch.kernel.times import later
from tests.api import Answer, Api
from tests.people import Device, Organization, admit, bind_device, consent_for, enrol, grant
from tests.service.identity.test_audit import audits
from tests.service.identity.test_tokens import ask, assertion, claims
from tests.world import BASE_URL, World, new_key


@pytest.fixture
def devices(world: World, hospital: Organization) -> tuple[Device, Device]:
    """The lost phone and another one of the same person."""
    patient = enrol(world, hospital)
    lost, other_device = bind_device(world, hospital, patient), bind_device(world, hospital, patient)
    world.clock.advance(1)
    return lost, other_device


def remove(world: World, api: Api, device: Device, by: Device) -> Answer:
    answer = api.call("DELETE", f"/identity/devices/{device.id}", who=by.who)
    world.clock.advance(1)
    return answer


def token(world: World, api: Api, device: Device) -> int:
    return ask(api, assertion(device.key, claims(world, device.patient)), "patient/*.rs").status


def test_a_removed_device_is_refused_with_its_old_token_and_gets_no_new_one(
    world: World, api: Api, devices: tuple[Device, Device]
) -> None:
    lost, other_device = devices
    path = f"/identity/subjects/{lost.patient}"
    assert api.call("GET", path, who=lost.who).status == 200
    answer = remove(world, api, lost, by=other_device)
    assert answer.status == 204
    event = world.reader.event(answer.headers["carevouch-receipt"].split(" ")[0])
    assert event.type == "device.removed"
    assert api.call("GET", path, who=lost.who).status == 401
    assert api.call("DELETE", path, who=lost.who).status == 401
    assert (token(world, api, lost), token(world, api, other_device)) == (401, 200)
    listed = api.call("GET", path, who=other_device.who).json()["devices"]
    assert {item["device"]: item["active"] for item in listed} == {lost.id: False, other_device.id: True}
    # It is the time of binding, not that of the removal.
    assert len({item["bound"] for item in listed}) == 1


def test_only_signatures_before_the_removal_of_a_device_count(
    world: World, api: Api, devices: tuple[Device, Device]
) -> None:
    lost, other_device = devices
    payer = admit(world, "payer", ["payer"])
    before = grant(world, lost, consent_for(payer.reference))
    world.clock.advance(1)
    assert remove(world, api, lost, by=other_device).status == 204
    after = grant(world, lost, consent_for(payer.reference))
    other = grant(world, other_device, consent_for(payer.reference))
    consents = Consents(world.reader, f"{BASE_URL}/fhir", UTC).of(world.reader.person(lost.patient))
    signed = {consent.reference: consent.signed for consent in consents}
    assert signed == {str(before.doc): True, str(after.doc): False, str(other.doc): True}


def test_a_device_removes_itself(world: World, api: Api, devices: tuple[Device, Device]) -> None:
    lost, other_device = devices
    assert remove(world, api, lost, by=lost).status == 204
    assert (token(world, api, lost), token(world, api, other_device)) == (401, 200)


def test_removing_again_changes_nothing(world: World, api: Api, devices: tuple[Device, Device]) -> None:
    lost, other_device = devices
    assert remove(world, api, lost, by=other_device).status == 204
    again = remove(world, api, lost, by=other_device)
    assert (again.status, "carevouch-event" in again.headers) == (204, False)
    assert len(world.reader.person(lost.patient).history(Doc("BoundDevice", lost.id))) == 2
    assert (other_device.reference, "delete", "0", "removed already") in audits(world, lost.patient)


def test_a_retry_with_its_key_gets_the_same_receipt(
    world: World, api: Api, devices: tuple[Device, Device]
) -> None:
    lost, other_device = devices
    path, headers = f"/identity/devices/{lost.id}", {"idempotency-key": "k-1"}
    first, again = (api.call("DELETE", path, who=other_device.who, headers=headers) for _ in range(2))
    assert first.headers["carevouch-receipt"] == again.headers["carevouch-receipt"]


def test_no_other_caller_removes_a_device(
    world: World, api: Api, hospital: Organization, devices: tuple[Device, Device]
) -> None:
    lost, other_device = devices
    stranger = bind_device(world, hospital, enrol(world, hospital))
    world.clock.advance(1)
    absent = about(other_device.patient, "a" * 26)
    refused = [
        remove(world, api, lost, by=stranger),
        api.call("DELETE", f"/identity/devices/{lost.id}", who=hospital.who),
        api.call("DELETE", f"/identity/devices/{absent}", who=other_device.who),
        api.call("DELETE", "/identity/devices/no-id", who=other_device.who),
    ]
    assert {(answer.status, answer.body) for answer in refused} == {(404, refused[0].body)}
    assert api.call("DELETE", f"/identity/devices/{lost.id}").status == 401
    assert token(world, api, lost) == 200
    who = {fact[0] for fact in audits(world, lost.patient)}
    assert {stranger.reference, hospital.reference} <= who


def test_a_removed_device_does_not_come_back_with_its_old_code(
    world: World, api: Api, hospital: Organization
) -> None:
    patient, seed, key = enrol(world, hospital), bytes(SEED_BYTES), new_key()
    exp = later(world.clock(), 600)
    posted = answer_offer(
        make_offer(patient, one_time_key(seed).jwk, exp, hospital.id, hospital.key), seed, key
    )
    bound = api.call("POST", "/identity/devices", posted)
    device = Device(patient, bound.json()["device"], key)
    assert remove(world, api, device, by=device).status == 204
    assert api.call("POST", "/identity/devices", posted).status == 409
    assert token(world, api, device) == 401
