"""Registering people: a Patient, the provider's link with them, and their identifiers, in one act.

The same identifier (system and value) never makes two people: its row is written in the same transaction,
under a condition. Who registers somebody that is known already is linked with that person and told the id,
and nothing else of them.
"""

from typing import Any

from carevouch.door.access import Visit, receipt_headers
from carevouch.door.consents import enrolment_doc
from carevouch.door.http import HttpRequest, Reply
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import PROVIDER, Caller
from carevouch.identity.links import enrolment_body
from carevouch.kernel.errors import Conflict, Invalid, TooLarge
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import parse, render
from carevouch.records.resource import stamped
from carevouch.store.documents import ActNames, ActPlan, ActRequest, CommittedAct, Draft, StoredAnswer
from carevouch.store.documents.reader import Superseded
from carevouch.store.rows import MAX_ROW_BYTES
from services.identity.ports import Ports

JsonObject = dict[str, Any]
# A row also holds a nonce, a tag and what a retry is told again, all well below 1 KB.
MAX_PATIENT_BYTES = MAX_ROW_BYTES - 1_000


class _KnownAlready(Exception):
    """A rival registered the person first."""

    def __init__(self, patient: str) -> None:
        super().__init__(patient)
        self.patient = patient


def register(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Patient: 201 with the new Patient, or 200 with the id of the known one."""
    caller = ports.access.caller(incoming)
    caller.require_role(PROVIDER)
    caller.require_scope("Patient", "c")
    resource = require_valid(incoming.object(), "Patient")
    if not resource.get("identifier"):
        raise Invalid("a Patient is registered with at least one identifier, or nobody could find them again")
    try:
        committed = ports.store.writer.perform(
            ActRequest(caller.id, incoming.idempotency_key, incoming.content()),
            lambda naming: Doc("Patient", naming.part(0)),
            lambda naming: _plan(naming, resource, caller, ports),
        )
    except _KnownAlready as found:
        patient = found.patient
        visit = ports.access.visit(incoming, caller, patient, "create")
        return visit.run(lambda visit: link(visit, patient, incoming, ports))
    except Superseded as refusal:
        ports.access.visit(incoming, caller, refusal.doc.id, "create").refuse(refusal.code)
        raise
    return _created(committed, ports)


def link(visit: Visit, patient: str, incoming: HttpRequest, ports: Ports) -> Reply:
    """Link an organisation with a person that is known; repeating it changes nothing."""
    caller = visit.caller
    visit.conclude("linked already")
    doc = enrolment_doc(ports.store.reader, patient, caller.id)
    headers = {"Location": f"{ports.access.base}/Patient/{patient}"}
    body = {"resourceType": "Patient", "id": patient}
    if ports.store.reader.find(doc) is not None:
        return Reply(200, body, headers)

    def build(_naming: ActNames) -> ActPlan:
        draft = Draft(doc, enrolment_body(patient, caller.id))
        return ActPlan("patient.enrolled", (draft,), StoredAnswer(200, (f"Patient/{patient}",)), (patient,))

    try:
        request = ActRequest(caller.id, incoming.idempotency_key, incoming.content())
        committed = ports.store.writer.perform(request, lambda _naming: doc, build)
    except Conflict:
        return Reply(200, body, headers)
    return Reply(200, body, {**headers, **receipt_headers(committed)})


def _plan(naming: ActNames, resource: JsonObject, caller: Caller, ports: Ports) -> ActPlan:
    known = ports.index.one(resource)
    if known is not None:
        raise _KnownAlready(known.id)
    patient = naming.part(0)
    doc = Doc("Patient", patient)
    body = render(stamped(resource, patient, 1, naming.time, caller.reference))
    if len(body) > MAX_PATIENT_BYTES:
        raise TooLarge(f"a Patient has at most {MAX_PATIENT_BYTES // 1000} KB; leave out photos, say")
    blinds = ports.index.blinds(resource)
    # The last step: a registration that is refused leaves no living key of nobody behind.
    ports.store.reader.keys.create(patient)
    enrolment = Draft(
        enrolment_doc(ports.store.reader, patient, caller.id), enrolment_body(patient, caller.id)
    )
    return ActPlan(
        "patient.registered",
        (Draft(doc, body), enrolment),
        StoredAnswer(201, (str(doc),)),
        (patient,),
        tuple((blind, doc) for blind in blinds),
    )


def _created(committed: CommittedAct, ports: Ports) -> Reply:
    reference = committed.answer.references[0]
    patient = reference.removeprefix("Patient/")
    stored = ports.store.reader.person(patient).version(Doc("Patient", patient), 1)
    headers = {
        "Location": f"{ports.access.base}/{reference}/_history/1",
        "ETag": 'W/"1"',
        **receipt_headers(committed),
    }
    return Reply(committed.answer.status, parse(stored.body) if stored else None, headers)
