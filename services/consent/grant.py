"""Granting and refusing, by the patient's own device.

A grant stores the very bytes that were asked for, under a signature of the calling device over these bytes,
the document, its version, its predecessor and the request. Consent and request change in one act, so that
one request never makes two consents. Refusing needs no signature, for it lets nobody read.
"""

from dataclasses import replace
from typing import Any

from carevouch.consent.signature import body_of, verify_grant
from carevouch.door.access import Visit, receipt_headers, receipt_json
from carevouch.door.consents import Consents
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import Caller
from carevouch.kernel.errors import Conflict, IntegrityFault, Malformed, NotFound, Unprocessable
from carevouch.kernel.ids import Doc, parse_doc
from carevouch.kernel.jws import Jwk, take_apart
from carevouch.store.documents import ActNames, ActPlan, Draft, Partition, StoredAnswer, StoredRevision
from services.consent.asking import (
    ASKED,
    CONSENT_REQUEST,
    GRANTED,
    REFUSED,
    ConsentRequest,
    asking_body,
    for_person,
    parse_asking,
)
from services.consent.inputs import members, require_device, require_own, retriable, subject_of, text
from services.consent.ports import Ports


def grant(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/requests/{id}/grant {signature}: the Consent is in force from here on."""
    caller = ports.access.caller(incoming)

    def plan(stored: StoredRevision, partition: Partition, now: str) -> ActPlan:
        signature = _signature(incoming)
        asking = _open(stored)
        if now > asking.expires:
            raise Unprocessable("the request has expired; whoever asked may ask again")
        after = _predecessor(partition, asking)
        key = _key_of(signature, partition, caller, ports, now)
        _verify(signature, key, asking, stored.doc.id)
        consent = Draft(asking.doc, body_of(asking.content, signature), after)
        return _plan("consent.granted", stored, replace(asking, status=GRANTED), caller, consent)

    return _answered(incoming, ports, caller, "grant", plan)


def refuse(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/requests/{id}/refuse: nothing is granted, and the asker does not learn that."""
    caller = ports.access.caller(incoming)

    def plan(stored: StoredRevision, _partition: Partition, _now: str) -> ActPlan:
        if incoming.body:
            members(incoming.object(), "a refusal", frozenset())
        return _plan("consent.refused", stored, replace(_open(stored), status=REFUSED), caller)

    return _answered(incoming, ports, caller, "refuse", plan)


def _answered(incoming: HttpRequest, ports: Ports, caller: Caller, interaction: str, plan: Any) -> Reply:
    id_ = incoming.path["id"]

    def work(visit: Visit) -> Reply:
        require_device(caller, "c")
        doc = parse_doc(CONSENT_REQUEST, id_)
        require_own(caller, doc.subject, ABSENT)
        partition = visit.partition

        def build(naming: ActNames) -> ActPlan:
            built: ActPlan = plan(_stored(partition, doc), partition, naming.time)
            return built

        request = retriable(incoming, caller, str(doc))
        committed = ports.store.writer.perform(request, lambda _naming: doc, build)
        stored = _stored(partition, doc)
        shown = for_person(parse_asking(stored.body), doc.id, stored.time)
        return Reply(200, {**shown, **receipt_json(committed)}, receipt_headers(committed))

    return ports.access.visit(incoming, caller, subject_of(id_), interaction).run(work)


def _signature(incoming: HttpRequest) -> str:
    posted = members(incoming.object(), "a grant", {"signature"})
    return text(posted["signature"], "signature")


def _plan(
    event_type: str, stored: StoredRevision, asking: ConsentRequest, caller: Caller, *more: Draft
) -> ActPlan:
    drafts = (Draft(stored.doc, asking_body(asking), stored), *more)
    references = tuple(str(draft.doc) for draft in drafts)
    return ActPlan(event_type, drafts, StoredAnswer(200, references), (caller.id,))


def _stored(partition: Partition, doc: Doc) -> StoredRevision:
    stored = partition.get(doc)
    if stored is None:
        raise NotFound(ABSENT)
    return stored


def _open(stored: StoredRevision) -> ConsentRequest:
    asking = parse_asking(stored.body)
    if asking.status != ASKED:
        raise Conflict(f"the request was answered before: {asking.status}")
    return asking


def _predecessor(partition: Partition, asking: ConsentRequest) -> StoredRevision | None:
    """The revision that the asked one replaces, if it still is the latest; raises `Conflict`."""
    current = partition.get(asking.doc)
    now = (0, None) if current is None else (current.version, current.revision.leaf_hash)
    if now != (asking.version - 1, asking.prev):
        raise Conflict("the consent was changed after this was asked; it must be asked again")
    return current


def _key_of(signature: str, partition: Partition, caller: Caller, ports: Ports, now: str) -> Jwk:
    """The key of the calling device, if it is the one that `signature` names."""
    try:
        kid = take_apart(signature).kid
    except Malformed as error:
        raise Unprocessable(f"the signature cannot be read: {error.message}") from error
    device = partition.get(Doc("BoundDevice", caller.device or ""))
    consents = Consents(ports.access.reader, ports.access.base, ports.access.zone)
    binding = consents.binding([device] if device else [], kid, now)
    if binding is None or binding.patient != caller.patient:
        raise Unprocessable("the grant is signed with another key than that of the calling device")
    return binding.device


def _verify(signature: str, key: Jwk, asking: ConsentRequest, request: str) -> None:
    try:
        verify_grant(
            signature,
            key,
            content=asking.content,
            doc=str(asking.doc),
            version=asking.version,
            prev=asking.prev,
            request=request,
        )
    except IntegrityFault as fault:
        raise Unprocessable(f"{fault.message}; sign exactly to_sign of the request") from fault
