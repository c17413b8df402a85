"""Devices: binding one to a person, and the requests of the person's own device.

Binding needs no token; the chain of signatures is the authority. The document's id is derived from the one-
time key. So the key binds one device and no second: the conditional put says so.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from joserfc import jwe
from joserfc.jwk import ECKey

from carevouch.door.access import Visit, receipt_json
from carevouch.door.consents import Devices, devices_of
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import PROVIDER, Caller
from carevouch.identity.links import (
    REMOVED,
    Offer,
    device_body,
    is_active,
    parse_device,
    read_offer,
    verify_binding,
)
from carevouch.kernel.errors import Conflict, Forbidden, IntegrityFault, Invalid, NotFound
from carevouch.kernel.ids import Doc, about, part
from carevouch.kernel.jws import Jwk, thumbprint
from carevouch.store.documents import ActPlan, ActRequest, Draft, StoredAnswer
from services.identity.ports import Ports


def bind(request: HttpRequest, ports: Ports) -> Reply:
    """POST /identity/devices: {offer, binding}; 201 with the device's client id."""
    posted = request.object()
    if set(posted) != {"offer", "binding"} or not all(isinstance(item, str) for item in posted.values()):
        raise Invalid("a device is bound with exactly offer and binding, both compact JWS")
    offer = read_offer(posted["offer"])
    now = ports.store.clock()
    devices = Devices(ports.store.reader)
    key = devices.key_of(offer, now)
    _require_current(offer, key, ports)
    try:
        binding = verify_binding(posted, key, now)
    except IntegrityFault as fault:
        raise Forbidden(f"the device cannot be bound: {fault.message}") from fault
    devices.require_registrar(offer, now)
    derived = ports.store.reader.keys.deployment().derive("device", thumbprint(offer.one_time))
    doc = Doc("BoundDevice", about(offer.patient, part(derived)))

    attempts = ports.store.writer.attempts(ActRequest(f"device:{binding.kid}", None, request.content()), doc)
    try:
        for _ in attempts:
            with attempts:
                draft, answer = Draft(doc, device_body(posted)), StoredAnswer(201, (str(doc),))
                attempts.append(ActPlan("device.bound", (draft,), answer, (offer.patient,)))
    except Conflict:
        raise Conflict("this enrolment code was used already; ask the provider for a new one") from None
    body = {"client_id": offer.patient, "device": doc.id, "kid": binding.kid}
    return Reply(201, {**body, **receipt_json(attempts.committed)})


def remove(request: HttpRequest, ports: Ports) -> Reply:
    """DELETE /identity/devices/{id}, by any active device of the same person, the very one too; 204.

    Its tokens are refused from the next request on, and nothing it signs from then on counts. Its earlier
    signatures stay the person's word. Removing it again changes nothing.
    """
    caller = ports.access.caller(request)
    doc = Doc("BoundDevice", request.path["id"])
    with ports.access.visit(request, caller, doc.subject, "delete") as visit:
        if caller.patient is None or caller.patient != doc.subject:
            raise NotFound(ABSENT)
        caller.require_scope("Patient", "u")
        _device_key(caller, ports)
        visit.decided("removed already")
        by = f"{caller.id}:{caller.device}"
        attempts = ports.store.writer.attempts(
            ActRequest(by, request.idempotency_key, request.content()), doc
        )
        for _ in attempts:
            with attempts:
                stored = visit.partition.get(doc)
                if stored is None:
                    raise NotFound(ABSENT)
                posted, status = parse_device(stored.body)
                if status == REMOVED:
                    return Reply(204)
                draft = Draft(doc, device_body(posted, status=REMOVED), stored)
                attempts.append(ActPlan("device.removed", (draft,), StoredAnswer(204), (caller.id,)))
        return Reply(204, headers=visit.receipt(attempts.committed))


def describe(request: HttpRequest, ports: Ports) -> Reply:
    """GET /identity/subjects/{id}, for the person's own device: which devices speak for them."""
    with _own_visit(request, ports, "read", "r") as visit:
        revisions = devices_of(visit.partition)
        bound = {stored.doc: stored.time for stored in reversed(revisions)}
        latest = {stored.doc: stored for stored in revisions}
        listed = [
            {"device": doc.id, "bound": bound[doc], "active": is_active(stored.body)}
            for doc, stored in latest.items()
        ]
        return Reply(200, {"patient": visit.caller.id, "devices": listed})


def secret(request: HttpRequest, ports: Ports) -> Reply:
    """GET /identity/subjects/{id}/secret: the subject secret, readable by the calling device alone (JWE).

    With it a person finds the events about themselves in a mirror of the public log.
    """
    with _own_visit(request, ports, "read", "r") as visit:
        jwk: dict[str, str | list[str]] = {**_device_key(visit.caller, ports)}
        person = ports.store.reader.keys.person(visit.caller.id)
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "typ": "carevouch-secret+jwe"}
        visit.decided("self: the subject secret")
        return Reply(200, {"jwe": jwe.encrypt_compact(header, person.secret, ECKey.import_key(jwk))})


def erase(request: HttpRequest, ports: Ports) -> Reply:
    """DELETE /identity/subjects/{id}, by the person's own device: for good, at once."""
    with _own_visit(request, ports, "delete", "d") as visit:
        caller = visit.caller
        # An erasure cannot be undone, so it needs a device that stands, not just a row.
        _device_key(caller, ports)
        committed = ports.eraser.erase(caller.id, f"BoundDevice/{caller.device}")
        return Reply(204, headers=visit.receipt(committed))


@contextmanager
def _own_visit(request: HttpRequest, ports: Ports, interaction: str, letter: str) -> Iterator[Visit]:
    """A visit of the person's own device whose token covers `letter` on the Patient.

    Every other caller is answered as if there were no such person. Both are audited.
    """
    caller = ports.access.caller(request)
    with ports.access.visit(request, caller, request.path["id"], interaction) as visit:
        if caller.patient is None or caller.patient != visit.patient:
            raise NotFound(ABSENT)
        caller.require_scope("Patient", letter)
        visit.decided("self")
        yield visit


def _device_key(caller: Caller, ports: Ports) -> Jwk:
    revisions = devices_of(ports.store.reader.person(caller.id))
    standing = Devices(ports.store.reader).standing(revisions)
    key = next((binding.device for doc, binding in standing if doc.id == caller.device), None)
    if key is None:
        raise NotFound(ABSENT)
    return key


def _require_current(offer: Offer, key: Jwk, ports: Ports) -> None:
    """Raise `Forbidden` unless the newest admission, even if dated later, is a provider's with that key."""
    terms = ports.access.admission(offer.provider)
    known = terms.key(offer.kid) if terms and terms.active and PROVIDER in terms.roles else None
    if known is None or not key.items() <= known.items():
        raise Forbidden("the offer is not by a key of an admitted provider")
