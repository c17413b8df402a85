"""A Consent row without a valid signature of a device bound at that time permits nothing; it may deny.

Each forger here can write to the table and has the signing key of a service. An operator should never allow
that.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from carevouch.consent.signature import body_of, grant_payload, sign_grant
from carevouch.identity.links import device_body, parse_device
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Doc, about, parse_key
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import KeyInMemory
from carevouch.records.access import ReadAllowed, ReadRefused
from carevouch.records.resource import stamped
from carevouch.store.documents import ActPlan, Draft, StoredAnswer, StoredRevision
from carevouch.store.rows import Row
from tests import people
from tests.people import Device
from tests.service.consent.conftest import Scene
from tests.world import new_key

Forge = Callable[[Scene, dict[str, Any]], StoredRevision]


def content_of(
    scene: Scene, consent: dict[str, Any], doc: Doc, version: int = 1, author: str = "Organization/x"
) -> bytes:
    whole = {**consent, "patient": {"reference": f"Patient/{doc.subject}"}}
    return render(stamped(whole, doc.id, version, scene.world.clock(), author))


def new_doc(scene: Scene) -> Doc:
    return Doc("Consent", about(scene.patient, people._part()))


def signed(
    scene: Scene,
    consent: dict[str, Any],
    *,
    key: KeyInMemory | None = None,
    version: int = 1,
    prev: bytes | None = None,
    suffix: bytes = b"",
    doc: Doc | None = None,
) -> StoredRevision:
    """A stored consent whose signature covers a payload with these values instead of the right ones."""
    own = new_doc(scene)
    content = content_of(scene, consent, own)
    payload = grant_payload(content + suffix, str(doc or own), version, prev, "r")
    return people.store_consent(
        scene.world, own, body_of(content, sign_grant(payload, key or scene.device.key))
    )


def without_a_valid_signature(scene: Scene, consent: dict[str, Any], text: str | None) -> StoredRevision:
    doc = new_doc(scene)
    return people.store_consent(scene.world, doc, body_of(content_of(scene, consent, doc), text))


def by_a_device_bound_later(scene: Scene, consent: dict[str, Any]) -> StoredRevision:
    scene.world.clock.advance(60)
    late = people.bind_device(scene.world, scene.clinic, scene.patient)
    scene.world.clock.advance(-30)
    stored = people.grant(scene.world, late, consent)
    scene.world.clock.advance(60)
    return stored


def by_a_device_unbound_before(scene: Scene, consent: dict[str, Any]) -> StoredRevision:
    unbind(scene, scene.device)
    scene.world.clock.advance(1)
    return people.grant(scene.world, scene.device, consent)


def by_the_device_of_another_person(scene: Scene, consent: dict[str, Any]) -> StoredRevision:
    stranger = people.enrol(scene.world, scene.clinic)
    other = people.bind_device(scene.world, scene.clinic, stranger)
    return signed(scene, consent, key=other.key)


def with_a_flipped_bit(scene: Scene, consent: dict[str, Any]) -> StoredRevision:
    doc = new_doc(scene)
    content = content_of(scene, consent, doc)
    text = sign_grant(grant_payload(content, str(doc), 1, None, "r"), scene.device.key)
    flipped = text[:-5] + ("A" if text[-5] != "A" else "B") + text[-4:]
    return people.store_consent(scene.world, doc, body_of(content, flipped))


def by_the_records_service(scene: Scene, consent: dict[str, Any], *, is_signed: bool) -> StoredRevision:
    doc = new_doc(scene)
    content = content_of(scene, consent, doc, author=scene.clinic.reference)
    payload = grant_payload(content, str(doc), 1, None, "r")
    signature = sign_grant(payload, scene.device.key) if is_signed else None
    draft = Draft(doc, body_of(content, signature))
    plan = ActPlan("records.stored", (draft,), StoredAnswer(201), (scene.patient,))
    people.act(scene.world, "records", scene.clinic.id, doc, lambda _naming: plan)
    return scene.find("Consent", doc.id)


def offered_by_an_unadmitted_provider(scene: Scene, consent: dict[str, Any]) -> StoredRevision:
    rogue = replace(scene.clinic, id="d." + "a" * 26, key=new_key())
    device = people.bind_device(scene.world, rogue, scene.patient)
    return people.grant(scene.world, device, consent)


def by_a_device_moved_here_from_another_person(scene: Scene, consent: dict[str, Any]) -> StoredRevision:
    """The binding is genuine, but a holder of the identity service's key put it into this partition."""
    stranger = people.enrol(scene.world, scene.clinic)
    other = people.bind_device(scene.world, scene.clinic, stranger)
    doc = Doc("BoundDevice", about(scene.patient, other.id.split(".")[1]))
    draft = Draft(doc, scene.find("BoundDevice", other.id).body)
    plan = ActPlan("device.bound", (draft,), StoredAnswer(201), (scene.patient,))
    people.act(scene.world, "identity", stranger, doc, lambda _naming: plan)
    return people.grant(scene.world, replace(other, patient=scene.patient), consent)


def offered_with_another_key_of_the_provider(scene: Scene, consent: dict[str, Any]) -> StoredRevision:
    device = people.bind_device(scene.world, replace(scene.clinic, key=new_key()), scene.patient)
    return people.grant(scene.world, device, consent)


FORGERIES: dict[str, Forge] = {
    "unsigned": lambda scene, consent: without_a_valid_signature(scene, consent, None),
    "by an unbound key": lambda scene, consent: signed(scene, consent, key=new_key()),
    "by a device bound later": by_a_device_bound_later,
    "by a device unbound before": by_a_device_unbound_before,
    "by the device of another person": by_the_device_of_another_person,
    "by a device moved here from another person": by_a_device_moved_here_from_another_person,
    "for another version": lambda scene, consent: signed(scene, consent, version=2),
    "for another predecessor": lambda scene, consent: signed(scene, consent, prev=bytes(32)),
    "for other content": lambda scene, consent: signed(scene, consent, suffix=b" "),
    "for another document": lambda scene, consent: signed(scene, consent, doc=new_doc(scene)),
    "with a flipped bit": with_a_flipped_bit,
    "with a malformed signature": lambda scene, consent: without_a_valid_signature(scene, consent, "a.b.c"),
    "by the records service": lambda scene, consent: by_the_records_service(scene, consent, is_signed=False),
    "by the records service, signed": lambda scene, consent: by_the_records_service(
        scene, consent, is_signed=True
    ),
    "offered by an unadmitted provider": offered_by_an_unadmitted_provider,
    "offered with another key of the provider": offered_with_another_key_of_the_provider,
}


def unbind(scene: Scene, device: Device) -> None:
    before = scene.find("BoundDevice", device.id)
    posted, _ = parse_device(before.body)
    draft = Draft(before.doc, device_body(posted, status="inactive"), before)
    plan = ActPlan("device.bound", (draft,), StoredAnswer(200), (scene.patient,))
    people.act(scene.world, "identity", scene.patient, before.doc, lambda _naming: plan)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_permit_permits_nothing(scene: Scene, forge: Forge) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    stored = forge(scene, people.consent_for(scene.payer.reference))
    assert stored in scene.consents()
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_deny_still_denies(scene: Scene, forge: Forge) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)
    forge(scene, people.consent_for(scene.payer.reference, effect="deny"))
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)


def test_the_same_consent_with_a_valid_signature_permits(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)


def test_a_signature_from_before_unbinding_stays_valid(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    scene.world.clock.advance(1)
    unbind(scene, scene.device)
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)


def test_a_malformed_device_does_not_void_the_signature_of_another(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    doc = Doc("BoundDevice", about(scene.patient, "a" * 26))
    plan = ActPlan("device.bound", (Draft(doc, b"{}"),), StoredAnswer(201), (scene.patient,))
    people.act(scene.world, "identity", scene.patient, doc, lambda _naming: plan)
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadAllowed)


def test_an_unreadable_consent_denies(scene: Scene) -> None:
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    people.store_consent(scene.world, new_doc(scene), b"not a body")
    assert isinstance(scene.may_read(scene.payer.who, observation), ReadRefused)


@pytest.mark.parametrize("change", ["copied", "renamed", "patched", "event swapped"])
def test_a_row_written_past_the_store_is_a_fault_and_permits_nothing(scene: Scene, change: str) -> None:
    """An attacker who can write to the table, but has no signing key, cannot make a reader believe a row."""
    observation = people.record(scene.world, scene.clinic, scene.patient, people.observation(scene.patient))
    stranger = people.enrol(scene.world, scene.clinic)
    other = people.bind_device(scene.world, scene.clinic, stranger)
    theirs = people.grant(scene.world, other, people.consent_for(scene.payer.reference))
    rows: Any = scene.world.rows
    row = rows.rows[theirs.key]
    doc, version = parse_key(theirs.key)
    target = Doc("Consent", about(scene.patient, doc.id.split(".")[1])).key(version)
    attributes = dict(row.attributes)
    if change == "renamed":
        target = new_doc(scene).key(1)
    if change == "patched":
        attributes["ct"] = bytes(len(attributes["ct"]))
    if change == "event swapped":
        attributes["event"] = observation.event.text
    rows.rows[target] = Row(target, attributes)
    with pytest.raises(IntegrityFault):
        scene.may_read(scene.payer.who, observation)
    body = {"patient": scene.patient, "resource": {"type": "Observation", "id": observation.doc.id}}
    answer = scene.api.call("POST", "/consent/decision", body, scene.payer.who)
    assert answer.status == 500
    assert b"permit" not in answer.body
