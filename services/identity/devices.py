"""Devices: binding one to a person, and what the person's device may ask about them.

Binding needs no token; the chain of signatures is the authority. The document's id is derived from the
one-time key, so the key binds one device and no second: the conditional put says so.
"""

from joserfc import jwe
from joserfc.jwk import ECKey

from services.identity.people import enrolment_doc
from services.identity.ports import Ports
from shared.aws.consents import Consents
from shared.aws.documents import Answer, Draft, Naming, Plan, Request
from shared.aws.http import ABSENT, Incoming, Reply
from shared.aws.receipts import receipt_json
from shared.identity.binding import (
    Offer,
    device_body,
    is_active,
    parse_device,
    read_offer,
    verify_binding,
)
from shared.identity.caller import Caller
from shared.identity.enrolment import check_enrolment
from shared.kernel.errors import Conflict, Erased, Forbidden, IntegrityFault, Invalid, NotFound
from shared.kernel.ids import PART, Doc, about, part
from shared.kernel.jws import Jwk, thumbprint


def bind(incoming: Incoming, ports: Ports) -> Reply:
    """POST /identity/devices: {offer, binding}; 201 with the device's client id."""
    posted = incoming.object()
    if set(posted) != {"offer", "binding"} or not all(isinstance(item, str) for item in posted.values()):
        raise Invalid("a device is bound with exactly offer and binding, both compact JWS")
    offer = read_offer(posted["offer"])
    now = ports.store.clock()
    try:
        binding = verify_binding(posted, _provider_key(offer, ports), now)
    except IntegrityFault as fault:
        raise Forbidden(f"the device cannot be bound: {fault.message}") from fault
    _require_enrolment(offer, ports)
    derived = ports.store.reader.keys.deployment().derive("device", thumbprint(offer.one_time))
    doc = Doc("BoundDevice", about(offer.patient, part(derived)))

    def build(_naming: Naming) -> Plan:
        draft = Draft(doc, device_body(posted))
        return Plan("device.bound", (draft,), Answer(201, (str(doc),)), (offer.patient,))

    try:
        committed = ports.store.writer.perform(
            Request(f"device:{binding.kid}", None, incoming.content()), lambda _naming: doc, build
        )
    except Conflict:
        raise Conflict("this enrolment code was used already; ask the provider for a new one") from None
    body = {"client_id": offer.patient, "device": doc.id, "kid": binding.kid, **receipt_json(committed)}
    return Reply(201, body)


def describe(incoming: Incoming, ports: Ports) -> Reply:
    """GET /identity/subjects/{id}, for the person's own device: which devices speak for them."""
    caller = _own(incoming, ports)
    devices = ports.store.reader.person(caller.id).latest("BoundDevice")
    listed = [
        {"device": stored.doc.id, "bound": stored.time, "active": is_active(stored.body)}
        for stored in devices
    ]
    return Reply(200, {"patient": caller.id, "devices": listed})


def secret(incoming: Incoming, ports: Ports) -> Reply:
    """GET /identity/subjects/{id}/secret: the subject secret, readable by the calling device alone (JWE).

    With it a person finds the events about themselves in a mirror of the public log.
    """
    caller = _own(incoming, ports)
    jwk: dict[str, str | list[str]] = {**_device_key(caller, ports)}
    key = ECKey.import_key(jwk)
    person = ports.store.reader.keys.person(caller.id)
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "typ": "carevouch-secret+jwe"}
    return Reply(200, {"jwe": jwe.encrypt_compact(header, person.secret, key)})


def erase(incoming: Incoming, ports: Ports) -> Reply:
    """DELETE /identity/subjects/{id}, by the person's own device: for good, at once."""
    caller = _own(incoming, ports)
    ports.eraser.erase(caller.id, f"BoundDevice/{caller.device}")
    return Reply(204)


def _own(incoming: Incoming, ports: Ports) -> Caller:
    caller = ports.access.caller(incoming)
    if caller.patient is None or caller.patient != incoming.path["id"]:
        raise NotFound(ABSENT)
    return caller


def _device_key(caller: Caller, ports: Ports) -> Jwk:
    stored = ports.store.reader.find(Doc("BoundDevice", caller.device or ""))
    if stored is None:
        raise NotFound(ABSENT)
    posted, _ = parse_device(stored.body)
    return verify_binding(posted, _provider_key(read_offer(posted["offer"]), ports), stored.time).device


def _provider_key(offer: Offer, ports: Ports) -> Jwk:
    consents = Consents(ports.store.reader, ports.access.base, ports.access.zone)
    admission = ports.access.admission(offer.provider) if offer.provider.startswith("d.") else None
    key = consents.provider_key(offer.provider, offer.kid) if admission and admission.active else None
    if key is None:
        raise Forbidden("the offer is not by a key of an admitted provider")
    return key


def _require_enrolment(offer: Offer, ports: Ports) -> None:
    stored = None
    if PART.fullmatch(offer.patient):
        try:
            stored = ports.store.reader.find(enrolment_doc(offer.patient, offer.provider, ports))
        except (NotFound, Erased):
            stored = None
    if stored is None:
        raise NotFound(ABSENT)
    check_enrolment(stored.body, offer.patient, offer.provider)
