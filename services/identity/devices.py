"""Devices: binding one to a person, and what the person's device may ask about them.

Binding needs no token; the chain of signatures is the authority. The document's id is derived from the
one-time key, so the key binds one device and no second: the conditional put says so.
"""

from collections.abc import Callable

from joserfc import jwe
from joserfc.jwk import ECKey

from carevouch.door.access import Visit, receipt_headers, receipt_json
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
from carevouch.store.documents import ActNames, ActPlan, ActRequest, Draft, StoredAnswer
from services.identity.ports import Ports


def bind(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /identity/devices: {offer, binding}; 201 with the device's client id."""
    posted = incoming.object()
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

    def build(_naming: ActNames) -> ActPlan:
        draft = Draft(doc, device_body(posted))
        return ActPlan("device.bound", (draft,), StoredAnswer(201, (str(doc),)), (offer.patient,))

    try:
        committed = ports.store.writer.perform(
            ActRequest(f"device:{binding.kid}", None, incoming.content()), lambda _naming: doc, build
        )
    except Conflict:
        raise Conflict("this enrolment code was used already; ask the provider for a new one") from None
    body = {"client_id": offer.patient, "device": doc.id, "kid": binding.kid, **receipt_json(committed)}
    return Reply(201, body)


def remove(incoming: HttpRequest, ports: Ports) -> Reply:
    """DELETE /identity/devices/{id}, by any active device of the same person, the very one too; 204.

    Its tokens are refused from the next request on and it signs nothing more that counts; what it signed
    before stays the person's word. Removing it again changes nothing.
    """
    caller = ports.access.caller(incoming)
    doc = Doc("BoundDevice", incoming.path["id"])

    def work(visit: Visit) -> Reply:
        if caller.patient is None or caller.patient != doc.subject:
            raise NotFound(ABSENT)
        caller.require_scope("Patient", "u")
        _device_key(caller, ports)
        visit.conclude("removed already")
        request = ActRequest(f"{caller.id}:{caller.device}", incoming.idempotency_key, incoming.content())
        try:
            committed = ports.store.writer.perform(
                request, lambda _naming: doc, lambda _: _removal(doc, visit)
            )
        except _RemovedAlready:
            return Reply(204)
        return Reply(204, headers=receipt_headers(committed))

    return ports.access.visit(incoming, caller, doc.subject, "delete").run(work)


class _RemovedAlready(Exception):
    """Nothing is left to do."""


def _removal(doc: Doc, visit: Visit) -> ActPlan:
    stored = visit.partition.get(doc)
    if stored is None:
        raise NotFound(ABSENT)
    posted, status = parse_device(stored.body)
    if status == REMOVED:
        raise _RemovedAlready
    draft = Draft(doc, device_body(posted, status=REMOVED), stored)
    return ActPlan("device.removed", (draft,), StoredAnswer(204), (visit.caller.id,))


def describe(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /identity/subjects/{id}, for the person's own device: which devices speak for them."""

    def work(visit: Visit) -> Reply:
        revisions = devices_of(visit.partition)
        bound = {stored.doc: stored.time for stored in reversed(revisions)}
        latest = {stored.doc: stored for stored in revisions}
        listed = [
            {"device": doc.id, "bound": bound[doc], "active": is_active(stored.body)}
            for doc, stored in latest.items()
        ]
        return Reply(200, {"patient": visit.caller.id, "devices": listed})

    return _own(incoming, ports, "read", "r", work)


def secret(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /identity/subjects/{id}/secret: the subject secret, readable by the calling device alone (JWE).

    With it a person finds the events about themselves in a mirror of the public log.
    """

    def work(visit: Visit) -> Reply:
        jwk: dict[str, str | list[str]] = {**_device_key(visit.caller, ports)}
        person = ports.store.reader.keys.person(visit.caller.id)
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "typ": "carevouch-secret+jwe"}
        visit.conclude("self: the subject secret")
        return Reply(200, {"jwe": jwe.encrypt_compact(header, person.secret, ECKey.import_key(jwk))})

    return _own(incoming, ports, "read", "r", work)


def erase(incoming: HttpRequest, ports: Ports) -> Reply:
    """DELETE /identity/subjects/{id}, by the person's own device: for good, at once."""

    def work(visit: Visit) -> Reply:
        caller = visit.caller
        _device_key(caller, ports)  # What cannot be undone needs a device that stands, not just a row.
        return Reply(
            204, headers=receipt_headers(ports.eraser.erase(caller.id, f"BoundDevice/{caller.device}"))
        )

    return _own(incoming, ports, "delete", "d", work)


def _own(
    incoming: HttpRequest, ports: Ports, interaction: str, letter: str, work: Callable[[Visit], Reply]
) -> Reply:
    """Do the work for the person's own device whose token covers `letter` on the Patient.

    Whoever else asks is answered as if there were no such person. Both are audited.
    """

    def checked(visit: Visit) -> Reply:
        if visit.caller.patient is None or visit.caller.patient != visit.patient:
            raise NotFound(ABSENT)
        visit.caller.require_scope("Patient", letter)
        visit.conclude("self")
        return work(visit)

    caller = ports.access.caller(incoming)
    return ports.access.visit(incoming, caller, incoming.path["id"], interaction).run(checked)


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
