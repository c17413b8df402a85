"""A row that an intruder puts into the tables is never believed, and never silently skipped."""

from dataclasses import dataclass, replace

import pytest

from carevouch.events.act import EventFacts, Revision, assemble
from carevouch.events.certificate import CERT_TYP, certificate_payload
from carevouch.events.envelope import EVENT_TYP, event_payload
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Doc, Key, about, part
from carevouch.kernel.jws import KeyInMemory, sign
from carevouch.kernel.times import later
from carevouch.store.documents.model import SignedAct, event_attributes, revision_row
from carevouch.store.documents.reader import SEAL_TYP
from carevouch.store.keys import associated_data, certificate_row, encrypt
from carevouch.store.rows import Row, Value
from tests.contract.stores import (
    new_person,
    only,
    random_part,
    store_observations,
    update,
)
from tests.world import DEPLOYMENT, START, World, new_key


def certified(
    world: World, service: str, *, root: KeyInMemory | None = None, **changes: object
) -> KeyInMemory:
    """A new session key with a certificate in the table, by the service's root unless another is given."""
    key = new_key()
    payload = certificate_payload(key.jwk, service, 1, later(START, -60), later(START, 3600)) | changes
    text = sign(payload, CERT_TYP, root or world.roots[service])
    world.rows.put_new(certificate_row(key.kid, service, text, START))
    return key


@dataclass(frozen=True)
class Forgery:
    """A row as the store would have written it, but for what a test changes."""

    key: KeyInMemory
    patient: str
    document_type: str = "Observation"
    event_type: str = "records.stored"
    producer: str = "records"
    time: str = START
    act: str = ""
    text: str | None = None
    root: bytes | None = None
    ct: bytes | None = None
    prev: bytes | None = None
    version: int = 1
    doc: Doc | None = None


def put(world: World, forgery: Forgery) -> Doc:
    """Write the row with what an intruder who holds the person's key could make."""
    doc = forgery.doc or Doc(forgery.document_type, about(forgery.patient, random_part()))
    revision = Revision(doc, forgery.version, forgery.prev, b"\x07" * 32, b'{"forged":true}')
    act = assemble([revision])
    event_id = random_part()
    facts = EventFacts(
        event_id, forgery.event_type, forgery.producer, 1, 1, forgery.time, later(START, 600), (bytes(32),)
    )
    payload = event_payload(
        **{name: getattr(facts, name) for name in EventFacts.__slots__},
        count=1,
        root=forgery.root or act.root,
    )
    signed = SignedAct(sign(payload, EVENT_TYP, forgery.key), forgery.key.kid, 1)
    if forgery.text is not None:
        signed = replace(signed, text=forgery.text)
    key = doc.key(forgery.version)
    data_key = world.reader.keys.person(forgery.patient).data
    sealed = encrypt(data_key, bytes(12), revision.nonce + revision.body, associated_data(DEPLOYMENT, key))
    row = revision_row(forgery.ct or sealed, forgery.act or event_id, 0, (), forgery.prev)
    world.rows.put_new(Row(key, {**row, **event_attributes(signed, key, [key])}))
    return doc


def test_a_row_by_a_certified_key_is_believed(world: World, patient: str) -> None:
    # The control: what the forgeries below change is what makes them fail.
    put(world, Forgery(certified(world, "records"), patient))
    assert only(world, patient).body == b'{"forged":true}'


def refused(world: World, patient: str, match: str) -> None:
    for prefix in (None, "Observation"):
        with pytest.raises(IntegrityFault, match=match):
            world.reader.person(patient).latest(prefix)


def test_an_event_by_an_uncertified_key_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(new_key(), patient))
    refused(world, patient, "without the certificate")


def test_a_certificate_by_another_root_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "records", root=new_key()), patient))
    refused(world, patient, "not by the records root")


def test_a_certificate_by_another_services_root_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "records", root=world.roots["claims"]), patient))
    refused(world, patient, "not by the records root")


def test_a_certificate_for_more_than_its_service_may_sign_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "records", types=["records.stored", "consent.granted"]), patient))
    refused(world, patient, "may not sign")


def test_an_event_by_another_services_key_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "claims"), patient))
    refused(world, patient, "its key is certified for claims")


def test_an_event_of_a_type_its_key_is_not_certified_for_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "records", types=["record.updated"]), patient))
    refused(world, patient, "not certified for records.stored")


def test_an_event_that_claims_to_be_the_operators_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "records"), patient, producer="operator"))
    refused(world, patient, "not by the operator")


@pytest.mark.parametrize("time", [later(START, -61), later(START, 3601)])
def test_an_event_outside_its_certificates_time_is_a_fault(world: World, patient: str, time: str) -> None:
    put(world, Forgery(certified(world, "records"), patient, time=time))
    refused(world, patient, "outside its certificate's")


def test_an_event_of_another_epoch_than_its_certificate_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "records", epoch=2), patient))
    refused(world, patient, "epoch")


def test_a_type_that_the_event_may_not_hold_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "consent"), patient, "Observation", "consent.granted", "consent"))
    refused(world, patient, "may not write this type")


def test_a_body_that_is_not_under_the_root_is_a_fault(world: World, patient: str) -> None:
    put(world, Forgery(certified(world, "records"), patient, root=b"\x01" * 32))
    refused(world, patient, "is not under the root")


def test_an_event_borrowed_from_another_act_is_a_fault(world: World, patient: str) -> None:
    store_observations(world, patient)
    genuine = only(world, patient)
    put(world, Forgery(certified(world, "records"), patient, text=genuine.event.text))
    refused(world, patient, "may not write this type")


def test_a_borrowed_event_with_its_id_does_not_help(world: World, patient: str) -> None:
    store_observations(world, patient)
    event = only(world, patient).event
    other = new_person(world)
    put(world, Forgery(certified(world, "records"), other, text=event.text, act=event.id))
    refused(world, other, "is not under the root")


@pytest.mark.parametrize("text", ["", "rubbish", "a.b.c", "é"])
def test_an_event_that_cannot_be_read_is_a_fault_and_no_callers_mistake(
    world: World, patient: str, text: str
) -> None:
    put(world, Forgery(certified(world, "records"), patient, text=text))
    refused(world, patient, "cannot be read")


def test_a_certificate_that_cannot_be_read_is_a_fault(world: World, patient: str) -> None:
    key = new_key()
    world.rows.put_new(certificate_row(key.kid, "records", "rubbish", START))
    put(world, Forgery(key, patient))
    refused(world, patient, "cannot be read")


@pytest.mark.parametrize("ct", [b"short", b"x" * 200])
def test_a_body_that_does_not_decrypt_is_a_fault(world: World, patient: str, ct: bytes) -> None:
    put(world, Forgery(certified(world, "records"), patient, ct=ct))
    refused(world, patient, "does not decrypt")


def copy(world: World, row: Row, to: Key, **changes: Value) -> None:
    world.rows.put_new(Row(to, {**row.attributes, **changes}))


def test_a_row_moved_to_another_document_does_not_decrypt(world: World, patient: str) -> None:
    store_observations(world, patient)
    stored = only(world, patient)
    row = world.rows.get(stored.key)
    assert row is not None
    to = Doc("Observation", about(patient, random_part())).key(1)
    copy(world, row, to, home=[stored.key.pk, stored.key.sk])
    refused(world, patient, "does not decrypt")


def test_a_row_moved_to_another_person_does_not_decrypt(world: World, patient: str) -> None:
    store_observations(world, patient)
    row = world.rows.get(only(world, patient).key)
    assert row is not None
    other = new_person(world)
    to = Doc("Observation", about(other, random_part())).key(1)
    copy(world, row, to, rows=[f"{to.pk} {to.sk}"])
    refused(world, other, "does not decrypt")


def test_a_row_with_the_key_of_no_revision_is_a_fault(world: World, patient: str) -> None:
    store_observations(world, patient)
    row = world.rows.get(only(world, patient).key)
    assert row is not None
    copy(world, row, Key(row.key.pk, "Observation#x#v#one"), home=[row.key.pk, row.key.sk])
    refused(world, patient, "the key of no revision")


@pytest.mark.parametrize(
    ("name", "value"), [("index", 1), ("path", b"\x00" * 32), ("prev", b"\x00" * 32), ("path", b"x")]
)
def test_a_changed_place_in_the_act_is_a_fault(world: World, patient: str, name: str, value: Value) -> None:
    store_observations(world, patient)
    row = world.rows.get(only(world, patient).key)
    assert row is not None
    world.rows.delete(row.key)
    copy(world, row, row.key, **{name: value})
    with pytest.raises(IntegrityFault):
        world.reader.person(patient).latest()


def test_a_row_taken_out_of_an_act_is_missed(world: World, patient: str) -> None:
    store_observations(world, patient, 5)
    found = world.reader.person(patient).latest()
    world.rows.delete(next(stored.key for stored in found if stored.index == 3))
    refused(world, patient, "a row of a stored act is missing")


def test_a_version_taken_out_of_a_history_is_missed(world: World, patient: str) -> None:
    store_observations(world, patient)
    first = only(world, patient)
    update(world, first, b"2")
    world.rows.delete(first.key)
    with pytest.raises(IntegrityFault, match="do not follow each other"):
        world.reader.person(patient).history(first.doc)


def test_a_version_with_another_predecessor_breaks_the_history(world: World, patient: str) -> None:
    store_observations(world, patient)
    first = only(world, patient)
    key = certified(world, "records")
    put(world, Forgery(key, patient, doc=first.doc, version=2, prev=bytes(32), event_type="record.updated"))
    with pytest.raises(IntegrityFault, match="do not follow each other"):
        world.reader.find(first.doc)


# --- rejection by the log


def reject(world: World, key: Key, act: str, signer: KeyInMemory, typ: str = SEAL_TYP) -> None:
    data = {"id": act, "hash": b64u(bytes(32)), "reason": "a test"}
    payload = {"v": 1, "type": "event.rejected", "time": START, "data": data}
    world.rows.put_new(Row(Key(key.pk, f"{key.sk}#rejected"), {"event": sign(payload, typ, signer)}))


def test_a_rejected_latest_version_is_a_fault_until_it_is_corrected(world: World, patient: str) -> None:
    store_observations(world, patient)
    stored = only(world, patient)
    reject(world, stored.key, stored.event.id, world.seal)
    refused(world, patient, "the log rejected")
    with pytest.raises(IntegrityFault, match="the log rejected"):
        world.reader.find(stored.doc)
    update(world, stored, b'{"corrected":true}')
    assert only(world, patient).body == b'{"corrected":true}'


def test_a_marker_that_the_sealer_did_not_sign_hides_nothing(world: World, patient: str) -> None:
    store_observations(world, patient, 3)
    unsigned, foreign, other_act = world.reader.person(patient).latest()
    key = unsigned.key
    world.rows.put_new(Row(Key(key.pk, f"{key.sk}#rejected"), {"event": "rubbish"}))
    reject(world, foreign.key, foreign.event.id, new_key())
    reject(world, other_act.key, part(bytes(16)), world.seal)
    assert len(world.reader.person(patient).latest()) == 3
