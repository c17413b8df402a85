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
                asked = _unanswered(stored)
                if names.time > asked.expires:
                    raise Unprocessable("the request has expired; the asker may ask again")
                after = _predecessor(visit.partition, asked)
                _verify(signature, asked, doc.id, visit, names.time)
                answered = Draft(doc, body_of_request(replace(asked, status=GRANTED)), stored)
                consent = Draft(asked.doc, body_of(asked.content, signature), after)
                answer = StoredAnswer(200, (str(doc), str(asked.doc)))
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
                asked = _unanswered(stored)
                answered = Draft(doc, body_of_request(replace(asked, status=REFUSED)), stored)
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
    shown = for_person(parse_request(stored.body), doc.id, stored.time)
    return Reply(200, {**shown, **receipt_json(committed)}, visit.receipt(committed))


def _latest(partition: Partition, doc: Doc) -> StoredRevision:
    stored = partition.get(doc)
    if stored is None:
        raise NotFound(ABSENT)
    return stored


def _unanswered(stored: StoredRevision) -> ConsentRequest:
    asked = parse_request(stored.body)
    if asked.status != ASKED:
        raise Conflict(f"the request was answered already: it is {asked.status}")
    return asked


def _predecessor(partition: Partition, asked: ConsentRequest) -> StoredRevision | None:
    """The revision before the Consent, or None; raises `Conflict` unless it is still the latest."""
    current = partition.get(asked.doc)
    now = (0, None) if current is None else (current.version, current.revision.leaf_hash)
    if now != (asked.version - 1, asked.prev):
        raise Conflict("the consent was changed after this request; the asker must ask again")
    return current


def _verify(signature: str, asked: ConsentRequest, request: str, visit: Visit, now: str) -> None:
    """Raise `Unprocessable` unless the calling device, bound as of `now`, signed exactly this grant."""
    try:
        kid = take_apart(signature).kid
    except Malformed as error:
        raise Unprocessable(f"the signature cannot be read: {error.message}") from error
    device = visit.partition.get(Doc("BoundDevice", visit.caller.device or ""))
    consents = Consents(visit.access.reader, visit.access.base, visit.access.zone)
    binding = consents.binding([device] if device else [], kid, now)
    if binding is None or binding.patient != visit.caller.patient:
        raise Unprocessable("the grant is signed with another key than that of the calling device")
    try:
        verify_grant(
            signature,
            binding.device,
            content=asked.content,
            doc=str(asked.doc),
            version=asked.version,
            prev=asked.prev,
            request=request,
        )
    except IntegrityFault as fault:
        raise Unprocessable(f"{fault.message}; sign exactly to_sign of the request") from fault
