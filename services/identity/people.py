"""Registering people: a Patient, the provider's link with them, and their identifiers, in one act.

One identifier (system and value) never makes two people: its row is written in the same transaction, under a
condition. A provider that registers a known person is linked with them and gets only
their id.
"""

from carevouch.door.access import Visit, receipt_headers
from carevouch.door.http import HttpRequest, Reply
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import PROVIDER, Caller
from carevouch.identity.links import enrolment_body, enrolment_doc
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Conflict, Invalid, TooLarge
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import parse, render
from carevouch.records.resource import stamped
from carevouch.store.documents import ActNames, ActPlan, ActRequest, Draft, NewDocument, StoredAnswer
from carevouch.store.documents.reader import Superseded
from carevouch.store.rows import MAX_ROW_BYTES
from services.identity.ports import Ports

# A row also holds a nonce, a tag and the answer for a retry, together well below 1 KB.
MAX_PATIENT_BYTES = MAX_ROW_BYTES - 1_000


def register(request: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Patient: 201 with the new Patient, or 200 with the id of the known one."""
    caller = ports.access.caller(request)
    caller.require_role(PROVIDER)
    caller.require_scope("Patient", "c")
    resource = require_valid(request.object(), "Patient")
    if not resource.get("identifier"):
        raise Invalid("a Patient needs at least one identifier, or nobody could find the person again")
    retriable = ActRequest(caller.id, request.idempotency_key, request.content())
    attempts = ports.store.writer.attempts(retriable, NewDocument("Patient", None))
    known = None
    try:
        for names in attempts:
            with attempts:
                known = ports.index.one(resource)
                if known is not None:
                    break
                attempts.append(_plan(names, resource, caller, ports))
    except Superseded as refusal:
        ports.access.open(request, caller, refusal.doc.id, "create").refuse(refusal.code)
        raise
    if known is not None:
        with ports.access.visit(request, caller, known.id, "create") as visit:
            return link(visit, known.id, request, ports)
    committed = attempts.committed
    reference = committed.answer.references[0]
    patient = reference.removeprefix("Patient/")
    stored = ports.store.reader.person(patient).version(Doc("Patient", patient), 1)
    headers = {
        "Location": f"{ports.access.base}/{reference}/_history/1",
        "ETag": 'W/"1"',
        **receipt_headers(committed),
    }
    return Reply(committed.answer.status, parse(stored.body) if stored else None, headers)


def link(visit: Visit, patient: str, request: HttpRequest, ports: Ports) -> Reply:
    """Link the calling organisation with a known person; doing it again changes nothing."""
    caller = visit.caller
    visit.decided("linked already")
    doc = enrolment_doc(ports.store.reader.keys.deployment(), patient, caller.id)
    headers = {"Location": f"{ports.access.base}/Patient/{patient}"}
    body: JsonObject = {"resourceType": "Patient", "id": patient}
    if ports.store.reader.find(doc) is not None:
        return Reply(200, body, headers)
    retriable = ActRequest(caller.id, request.idempotency_key, request.content())
    attempts = ports.store.writer.attempts(retriable, doc)
    try:
        for _ in attempts:
            with attempts:
                draft = Draft(doc, enrolment_body(patient, caller.id))
                answer = StoredAnswer(200, (f"Patient/{patient}",))
                attempts.append(ActPlan("patient.enrolled", (draft,), answer, (patient,)))
    except Conflict:
        return Reply(200, body, headers)
    return Reply(200, body, {**headers, **visit.receipt(attempts.committed)})


def _plan(names: ActNames, resource: JsonObject, caller: Caller, ports: Ports) -> ActPlan:
    """The act that registers a new person; it makes the person's key."""
    doc = names.doc(0, "Patient", None)
    body = render(stamped(resource, doc.id, 1, names.time, caller.reference))
    if len(body) > MAX_PATIENT_BYTES:
        raise TooLarge(f"a Patient has at most {MAX_PATIENT_BYTES // 1000} KB; leave out photos, for example")
    blinds = ports.index.blinds(resource)
    # A key of a person stays once it is made. It is made last, so that a refused registration leaves none
    # behind.
    keys = ports.store.reader.keys
    keys.create(doc.id)
    own = enrolment_doc(keys.deployment(), doc.id, caller.id)
    return ActPlan(
        "patient.registered",
        (Draft(doc, body), Draft(own, enrolment_body(doc.id, caller.id))),
        StoredAnswer(201, (str(doc),)),
        (doc.id,),
        tuple((blind, doc) for blind in blinds),
    )
