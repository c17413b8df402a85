"""Devices: binding one to a person, and the requests of the person's own device.

Binding needs no token, because the chain of signatures is the authority. The document's id is derived from
the one-time key. So one key binds one device only: the conditional put refuses a second.
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
        raise Invalid("send exactly offer and binding, both as compact JWS")
    offer = read_offer(posted["offer"])
    now = ports.store.clock()
    devices = Devices(ports.store.reader)
    key = devices.key_of(offer, now)
    # The newest admission must still have that key, even if it is dated later than the binding.
    terms = ports.access.admission(offer.provider)
    current = terms.key(offer.kid) if terms and terms.active and PROVIDER in terms.roles else None
    if current is None or not key.items() <= current.items():
        raise Forbidden("the offer is not by a key of an admitted provider")
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
    """DELETE /identity/devices/{id}, by any active device of the same person, also by the device itself; 204.

    From the next request on its tokens are refused and its new signatures do not count. Its earlier
    signatures stay valid. Removing it again changes nothing.
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
    """GET /identity/subjects/{id}, for the person's own device: the devices that are bound to the person."""
    with _own_visit(request, ports, "read", "r") as visit:
        revisions = devices_of(visit.partition)
        bound = {stored.doc: stored.time for stored in reversed(revisions)}
        latest = {stored.doc: stored for stored in revisions}
        views = [
            {"device": doc.id, "bound": bound[doc], "active": is_active(stored.body)}
            for doc, stored in latest.items()
        ]
        return Reply(200, {"patient": visit.caller.id, "devices": views})


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
    """DELETE /identity/subjects/{id}, by the person's own device: erase the person for good, at once."""
    with _own_visit(request, ports, "delete", "d") as visit:
        caller = visit.caller
        # An erasure cannot be undone, so the device must prove its binding; a row is not enough.
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
    """The key of the calling device, if its binding proves itself and is active; raises `NotFound`."""
    revisions = devices_of(ports.store.reader.person(caller.id))
    standing = Devices(ports.store.reader).standing(revisions)
    key = next((binding.device for doc, binding in standing if doc.id == caller.device), None)
    if key is None:
        raise NotFound(ABSENT)
    return key
