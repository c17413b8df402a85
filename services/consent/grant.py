"""Granting and refusing, by the patient's own device.

A grant stores the very bytes of the request. The calling device has signed these bytes, the document, its
version, its predecessor and the request. Consent and request change in one act, so that one request
never makes two consents. A refusal needs no signature, because it lets nobody read.
"""

from dataclasses import replace

from carevouch.consent.signature import body_of, verify_grant
from carevouch.door.access import Visit, act_request, receipt_json
from carevouch.door.consents import Consents
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.kernel.errors import Conflict, IntegrityFault, Malformed, NotFound, Unprocessable
from carevouch.kernel.ids import Doc, parse_doc
from carevouch.kernel.jws import take_apart
from carevouch.store.documents import ActPlan, CommittedAct, Draft, Partition, StoredAnswer, StoredRevision
from services.consent.consent_request import (
    ASKED,
    CONSENT_REQUEST,
    GRANTED,
    REFUSED,
    ConsentRequest,
    body_of_request,
    for_person,
    parse_request,
)
from services.consent.inputs import members, require_device, require_own, subject_of, text
from services.consent.ports import Ports


def grant(request: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/requests/{id}/grant {signature}: the Consent is in force from here on."""
    caller = ports.access.caller(request)
    with ports.access.visit(request, caller, subject_of(request.path["id"]), "grant") as visit:
        doc = _own_request(visit, request.path["id"])
        attempts = ports.store.writer.attempts(act_request(request, caller, str(doc)), doc)
        for names in attempts:
            with attempts:
                stored = _latest(visit.partition, doc)
                posted = members(request.object(), "a grant", {"signature"})
                signature = text(posted["signature"], "signature")
                consent_request = _unanswered(stored)
                if names.time > consent_request.expires:
                    raise Unprocessable("the request has expired; the asker may ask again")
                after = _predecessor(visit.partition, consent_request)
                _verify(signature, consent_request, doc.id, visit, names.time)
                answered = Draft(doc, body_of_request(replace(consent_request, status=GRANTED)), stored)
                consent = Draft(consent_request.doc, body_of(consent_request.content, signature), after)
                answer = StoredAnswer(200, (str(doc), str(consent_request.doc)))
                attempts.append(ActPlan("consent.granted", (answered, consent), answer, (caller.id,)))
        return _reply(visit, doc, attempts.committed)


def refuse(request: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/requests/{id}/refuse: the asker does not learn of the refusal."""
    caller = ports.access.caller(request)
    with ports.access.visit(request, caller, subject_of(request.path["id"]), "refuse") as visit:
        doc = _own_request(visit, request.path["id"])
        attempts = ports.store.writer.attempts(act_request(request, caller, str(doc)), doc)
        for _ in attempts:
            with attempts:
                stored = _latest(visit.partition, doc)
                if request.body:
                    members(request.object(), "a refusal", frozenset())
                consent_request = _unanswered(stored)
                answered = Draft(doc, body_of_request(replace(consent_request, status=REFUSED)), stored)
                answer = StoredAnswer(200, (str(doc),))
                attempts.append(ActPlan("consent.refused", (answered,), answer, (caller.id,)))
        return _reply(visit, doc, attempts.committed)


def _own_request(visit: Visit, id_: str) -> Doc:
    """The request with this id, if the caller is the person's own device; raises `Forbidden`, `NotFound`."""
    require_device(visit.caller, "c")
    doc = parse_doc(CONSENT_REQUEST, id_)
    require_own(visit.caller, doc.subject, ABSENT)
    return doc


def _reply(visit: Visit, doc: Doc, committed: CommittedAct) -> Reply:
    stored = _latest(visit.partition, doc)
    view = for_person(parse_request(stored.body), doc.id, stored.time)
    return Reply(200, {**view, **receipt_json(committed)}, visit.receipt(committed))


def _latest(partition: Partition, doc: Doc) -> StoredRevision:
    stored = partition.get(doc)
    if stored is None:
        raise NotFound(ABSENT)
    return stored


def _unanswered(stored: StoredRevision) -> ConsentRequest:
    consent_request = parse_request(stored.body)
    if consent_request.status != ASKED:
        raise Conflict(f"the request was answered already: it is {consent_request.status}")
    return consent_request


def _predecessor(partition: Partition, consent_request: ConsentRequest) -> StoredRevision | None:
    """The revision before the Consent, or None; raises `Conflict` unless it is still the latest."""
    current = partition.get(consent_request.doc)
    now = (0, None) if current is None else (current.version, current.revision.leaf_hash)
    if now != (consent_request.version - 1, consent_request.prev):
        raise Conflict("the consent was changed after this request; the asker must ask again")
    return current


def _verify(signature: str, consent_request: ConsentRequest, request_id: str, visit: Visit, now: str) -> None:
    """Raise `Unprocessable` unless the calling device, bound as of `now`, signed exactly this grant."""
    try:
        kid = take_apart(signature).kid
    except Malformed as error:
        raise Unprocessable(f"the signature cannot be read: {error.message}") from error
    device = visit.partition.get(Doc("BoundDevice", visit.caller.device or ""))
    consents = Consents(visit.access.reader, visit.access.base, visit.access.zone)
    binding = consents.binding([device] if device else [], kid, now)
    if binding is None or binding.patient != visit.caller.patient:
        raise Unprocessable(
            "the signature is by another key; sign with the key of the device that sends the grant"
        )
    try:
        verify_grant(
            signature,
            binding.device,
            content=consent_request.content,
            doc=str(consent_request.doc),
            version=consent_request.version,
            prev=consent_request.prev,
            request=request_id,
        )
    except IntegrityFault as fault:
        raise Unprocessable(f"{fault.message}; sign exactly to_sign of the request") from fault
