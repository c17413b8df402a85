"""Invented organisations, patients, devices and consents in a `World`, for tests and the story.

They use the same store as the doors, so that a test of one door needs no other service. Every signature is
real: the operator admits, a provider offers, a device binds itself and signs its grants. Names and numbers
are invented.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carevouch.consent.signature import body_of, grant_payload, sign_grant
from carevouch.events.act import NONCE_BYTES, EventFacts, Revision, assemble, payload_of
from carevouch.events.catalogue import OPERATOR
from carevouch.events.envelope import EVENT_TYP, TAG_BYTES, parse_event
from carevouch.fhir.meta import with_meta
from carevouch.identity.caller import ACTIVE, Admission, admission_body
from carevouch.identity.links import (
    ENROLMENT,
    SEED_BYTES,
    answer_offer,
    device_body,
    enrolment_body,
    make_offer,
    one_time_key,
)
from carevouch.kernel.ids import Doc, about, directory, part
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import KeyInMemory, sign
from carevouch.kernel.times import later
from carevouch.store.documents import (
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    StoredAnswer,
    StoredRevision,
)
from carevouch.store.documents.reader import Index
from tests.acts import perform
from tests.api import Who
from tests.world import World, new_key

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
IDENTIFIERS = "https://clinic.example/patients"
OFFER_SECONDS = 3600
_GIVEN = ("Aldora", "Benwick", "Corvane", "Delphira", "Emmeric", "Fenella", "Garrick", "Hollis")
_FAMILY = ("Quillfeather", "Marrowdale", "Thistlewood", "Bramblecott", "Underhallow", "Wexmoor")


@dataclass(frozen=True, slots=True)
class Organization:
    """An admitted organisation with the key it signs assertions and offers with."""

    id: str
    key: KeyInMemory
    roles: tuple[str, ...]

    @property
    def reference(self) -> str:
        """How resources name it."""
        return f"Organization/{self.id}"

    @property
    def who(self) -> Who:
        """The caller that its token describes."""
        return Who(self.id)


@dataclass(frozen=True, slots=True)
class Device:
    """A device bound to `patient`; `id` is that of its BoundDevice document."""

    patient: str
    id: str
    key: KeyInMemory

    @property
    def reference(self) -> str:
        """How resources name the person it speaks for."""
        return f"Patient/{self.patient}"

    @property
    def who(self) -> Who:
        """The caller that its token describes."""
        return Who(self.patient, "device", "patient/*.cruds", self.id)


def admit(
    world: World,
    name: str,
    roles: Sequence[str],
    status: str = ACTIVE,
    keys: Sequence[dict[str, Any]] = (),
) -> Organization:
    """Admit an organisation by an act that the operator's key signs; `keys` are more public JWKs of it."""
    key, id_ = new_key(), directory(_part())
    keys = ({**key.jwk, "kid": key.kid}, *keys)
    resource = with_meta({"resourceType": "Organization", "name": name}, id_, 1, world.clock())
    bodies = {
        Doc("Organization", id_): render(resource),
        Doc("Admission", id_): admission_body(Admission(id_, tuple(roles), keys, status)),
    }
    _operate(world, "organization.admitted", [_first(doc, body) for doc, body in bodies.items()])
    return Organization(id_, key, tuple(roles))


def readmit(
    world: World,
    organization: Organization,
    *,
    status: str = ACTIVE,
    key: KeyInMemory | None = None,
    roles: Sequence[str] | None = None,
) -> Organization:
    """A new version of the terms of `organization`: its suspension, a new key in place of the old, roles."""
    before = world.reader.find(Doc("Admission", organization.id))
    if before is None:
        raise LookupError("the organisation was never admitted")
    now = Organization(organization.id, key or organization.key, tuple(roles or organization.roles))
    keys = ({**now.key.jwk, "kid": now.key.kid},)
    body = admission_body(Admission(organization.id, now.roles, keys, status))
    nonce = os.urandom(NONCE_BYTES)
    revision = Revision(before.doc, before.version + 1, before.revision.leaf_hash, nonce, body)
    _operate(world, "organization.changed", [revision])
    return now


def enrol(world: World, provider: Organization, patient: dict[str, Any] | None = None) -> str:
    """Register a Patient (an invented one if None) and enrol it with `provider`; the patient's id."""
    id_ = _part()
    world.reader.keys.create(id_)
    resource = patient or synthetic_patient(int.from_bytes(os.urandom(6), "big"))
    doc = Doc("Patient", id_)

    def build(naming: ActNames) -> ActPlan:
        meta = {**resource.get("meta", {}), "source": provider.reference}
        stored = with_meta({**resource, "meta": meta}, id_, 1, naming.time)
        drafts = (Draft(doc, render(stored)), _enrolment(world, id_, provider))
        blinds = tuple((blind, doc) for blind in Index(world.reader).blinds(resource))
        return ActPlan("patient.registered", drafts, StoredAnswer(201, (str(doc),)), (id_,), blinds)

    act(world, "identity", provider.id, doc, build)
    return id_


def link(world: World, provider: Organization, patient: str) -> None:
    """Enrol an existing patient with one more provider."""
    draft = _enrolment(world, patient, provider)
    act(
        world,
        "identity",
        provider.id,
        draft.doc,
        lambda _naming: ActPlan("patient.enrolled", (draft,), StoredAnswer(201), (patient,)),
    )


def bind_device(world: World, provider: Organization, patient: str) -> Device:
    """Bind a fresh device to `patient` through an offer of `provider`."""
    seed, key = os.urandom(SEED_BYTES), new_key()
    one_time = one_time_key(seed)
    offer = make_offer(patient, one_time.jwk, later(world.clock(), OFFER_SECONDS), provider.id, provider.key)
    doc = Doc(
        "BoundDevice", about(patient, part(world.reader.keys.deployment().derive("device", one_time.kid)))
    )
    draft = Draft(doc, device_body(answer_offer(offer, seed, key)))
    act(
        world,
        "identity",
        patient,
        doc,
        lambda _naming: ActPlan("device.bound", (draft,), StoredAnswer(201, (str(doc),)), (patient,)),
    )
    return Device(patient, doc.id, key)


def grant(
    world: World, device: Device, consent: dict[str, Any], after: StoredRevision | None = None
) -> StoredRevision:
    """Store `consent` for the device's person under the device's signature, as the consent door would.

    `after`: the revision it replaces. Its id, meta, patient and, where missing, status are filled in.
    """
    doc = after.doc if after else Doc("Consent", about(device.patient, _part()))
    version = after.version + 1 if after else 1
    prev = after.revision.leaf_hash if after else None
    whole = {"status": "active", **consent, "patient": {"reference": device.reference}}
    content = render(with_meta(whole, doc.id, version, world.clock()))
    request = about(device.patient, _part())
    signature = sign_grant(grant_payload(content, str(doc), version, prev, request), device.key)
    return store_consent(world, doc, body_of(content, signature), after)


def store_unsigned(world: World, doc: Doc, consent: dict[str, Any]) -> StoredRevision:
    """Store `consent` as `doc` with nobody's signature, as whoever holds the consent service's key could."""
    whole = {"status": "active", **consent, "patient": {"reference": f"Patient/{doc.subject}"}}
    return store_consent(world, doc, body_of(render(with_meta(whole, doc.id, 1, world.clock())), None))


def store_consent(world: World, doc: Doc, body: bytes, after: StoredRevision | None = None) -> StoredRevision:
    """Put any body as the next revision of a Consent through the consent service's writer."""
    draft = Draft(doc, body, after)
    subject = doc.subject or ""
    act(
        world,
        "consent",
        subject,
        doc,
        lambda _naming: ActPlan("consent.granted", (draft,), StoredAnswer(201, (str(doc),)), (subject,)),
    )
    stored = world.reader.find(doc)
    if stored is None:
        raise LookupError("the consent that was just stored is not there")
    return stored


def record(world: World, author: Organization, patient: str, resource: dict[str, Any]) -> StoredRevision:
    """Store a clinical resource about `patient` as `author` would through the records door."""
    doc = Doc(str(resource["resourceType"]), about(patient, _part()))
    meta = {**resource.get("meta", {}), "source": author.reference}
    body = render(with_meta({**resource, "meta": meta}, doc.id, 1, world.clock()))
    act(
        world,
        "records",
        author.id,
        doc,
        lambda _naming: ActPlan(
            "records.stored", (Draft(doc, body),), StoredAnswer(201, (str(doc),)), (patient,)
        ),
    )
    stored = world.reader.find(doc)
    if stored is None:
        raise LookupError("the resource that was just stored is not there")
    return stored


def act(world: World, service: str, caller: str, doc: Doc, build: Any) -> CommittedAct:
    """Perform one act of `service` in a fresh execution environment; `doc` is its document of index 0."""
    return perform(world.writer(service), ActRequest(caller, None, b""), lambda _naming: doc, build)


def synthetic_patient(n: int) -> dict[str, Any]:
    """The n-th invented person, as a FHIR R4 Patient with one identifier of its own."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": IDENTIFIERS, "value": f"T-{n:08d}"}],
        "name": [{"family": _FAMILY[n % len(_FAMILY)], "given": [_GIVEN[n % len(_GIVEN)]]}],
        "gender": ("female", "male", "other")[n % 3],
        "birthDate": f"19{30 + n % 70:02d}-{1 + n % 12:02d}-{1 + n % 28:02d}",
    }


def observation(patient: str, **more: Any) -> dict[str, Any]:
    """A plain laboratory Observation about `patient`, labelled N, as invented as everything here."""
    return {
        "resourceType": "Observation",
        "meta": {
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]
        },
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-05-01",
        **more,
    }


def consent_for(
    actor: str | None,
    purpose: str | None = "HPAYMT",
    classes: Sequence[str] | None = None,
    *,
    effect: str = "permit",
    period: dict[str, str] | None = None,
    status: str = "active",
    patient: str | None = None,
    provisions: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """An R4 Consent: `actor` (a reference; None: anybody) may, or may not, for `purpose`, see `classes`.

    Valid once it names its patient (ppc-2), which `patient` (an id) or `grant` fills in.
    """
    provision: dict[str, Any] = {"type": effect}
    if period is not None:
        provision["period"] = period
    if actor is not None:
        role = {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]}
        provision["actor"] = [{"role": role, "reference": {"reference": actor}}]
    if purpose is not None:
        provision["purpose"] = [{"system": ACT_REASON, "code": purpose}]
    if classes is not None:
        provision["class"] = [{"system": RESOURCE_TYPES, "code": name} for name in classes]
    if provisions:
        provision["provision"] = list(provisions)
    return {
        "resourceType": "Consent",
        "status": status,
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        **({"patient": {"reference": f"Patient/{patient}"}} if patient else {}),
        "policyRule": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                    "code": "OPTIN" if effect == "permit" else "OPTOUT",
                }
            ]
        },
        "provision": provision,
    }


def _operate(world: World, event_type: str, revisions: list[Revision]) -> None:
    assembled = assemble(revisions)
    time = world.clock()
    facts = EventFacts(
        id=_part(),
        type=event_type,
        producer=OPERATOR,
        n=1,
        epoch=world.genesis.epoch,
        time=time,
        seal_by=later(time, world.genesis.seal_by_seconds),
        tags=(os.urandom(TAG_BYTES),),
    )
    event = parse_event(sign(payload_of(assembled, facts), EVENT_TYP, world.operator))
    world.writer("identity").append_signed(event, assembled)


def _first(doc: Doc, body: bytes) -> Revision:
    return Revision(doc, 1, None, os.urandom(NONCE_BYTES), body)


def _enrolment(world: World, patient: str, provider: Organization) -> Draft:
    derived = world.reader.keys.deployment().derive("enrolment", patient, provider.id)
    doc = Doc(ENROLMENT, about(patient, part(derived)))
    return Draft(doc, enrolment_body(patient, provider.id))


def _part() -> str:
    return part(os.urandom(16))
