"""A Consent that a person's device stores without a signature, because it can never let anybody read.

Examples are a refusal, a draft and an end. They need no signature: a thief of the token could only refuse
with it. For a Consent that could permit, the device must use /consent/requests, which returns the payload to
sign.
"""

import re

from carevouch.consent.lint import ConsentFinding
from carevouch.consent.model import may_permit
from carevouch.consent.signature import body_of
from carevouch.door.access import Visit, act_request
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.fhir.meta import etag
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid, NotFound, PreconditionFailed, Unprocessable
from carevouch.kernel.ids import Doc, parse_doc, parse_reference
from carevouch.records.resource import resource_of
from carevouch.store.documents import ActPlan, CommittedAct, Draft, NewDocument, StoredAnswer
from services.consent import proposal
from services.consent.ask import propose
from services.consent.inputs import patient_of, require_device, require_own, subject_of
from services.consent.ports import Ports

RECORDED = "consent.recorded"
_IF_MATCH = re.compile(r'(?:W/)?"([1-9][0-9]{0,9})"')


def post(request: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Consent: an organisation proposes, a device records a Consent that cannot permit."""
    caller = ports.access.caller(request)
    if caller.patient is None:
        return propose(request, ports, caller)
    return create(request, ports, caller)


def create(request: HttpRequest, ports: Ports, caller: Caller) -> Reply:
    """POST /fhir/Consent by the person's own device: 201 with the stored Consent."""
    resource = request.object()
    subject = resource.get("patient")
    patient = patient_of(subject, "Consent.patient.reference", ports) if subject is not None else caller.id
    with ports.access.visit(request, caller, patient, "create") as visit:
        require_device(caller, "c")
        require_own(caller, patient, ABSENT)
        checked, warnings = _without_permit(resource, patient, ports)
        retriable = act_request(request, caller, f"Consent/{patient}")
        attempts = ports.store.writer.attempts(retriable, NewDocument("Consent", patient))
        for names in attempts:
            with attempts:
                doc = names.doc(0, "Consent", patient)
                content = proposal.bytes_of(checked, doc.id, 1, names.time, caller.reference)
                answer = StoredAnswer(201, (versioned(doc, 1),))
                drafts = (Draft(doc, body_of(content, None)),)
                attempts.append(ActPlan(RECORDED, drafts, answer, (patient,)))
        return reply_of(attempts.committed, visit, proposal.warning_header(warnings))


def update(request: HttpRequest, ports: Ports) -> Reply:
    """PUT /fhir/Consent/{id} by the person's own device, with If-Match: 200 with the new version."""
    caller, id_ = ports.access.caller(request), request.path["id"]
    with ports.access.visit(request, caller, subject_of(id_), "update") as visit:
        require_device(caller, "u")
        resource, expected = request.object(), _expected_version(request)
        doc = parse_doc("Consent", id_)
        patient = require_own(caller, doc.subject, ABSENT)
        if resource.get("id") != doc.id:
            raise Invalid("Consent.id: it must be the id in the path")
        checked, warnings = _without_permit(resource, patient, ports)
        attempts = ports.store.writer.attempts(act_request(request, caller, str(doc)), doc)
        for names in attempts:
            with attempts:
                current = visit.partition.get(doc)
                if current is None:
                    raise NotFound(ABSENT)
                if current.version != expected:
                    raise PreconditionFailed(
                        "the consent no longer has the version in If-Match; read it again"
                    )
                version = current.version + 1
                content = proposal.bytes_of(checked, doc.id, version, names.time, caller.reference)
                answer = StoredAnswer(200, (versioned(doc, version),))
                drafts = (Draft(doc, body_of(content, None), current),)
                attempts.append(ActPlan(RECORDED, drafts, answer, (patient,)))
        return reply_of(attempts.committed, visit, proposal.warning_header(warnings))


def versioned(doc: Doc, version: int) -> str:
    """The name of a revision in a stored answer, so that a retry gets the same revision."""
    return f"{doc}/_history/{version}"


def reply_of(committed: CommittedAct, visit: Visit, more: dict[str, str] | None = None) -> Reply:
    """The answer after a Consent was stored: the revision that the act's first reference names."""
    reference, _, version = committed.answer.references[0].partition("/_history/")
    stored = visit.partition.version(parse_reference(reference), int(version))
    if stored is None:
        raise NotFound(ABSENT)
    headers = {
        "Location": f"{visit.access.base}/{versioned(stored.doc, stored.version)}",
        "ETag": etag(stored.version),
        **(more or {}),
        **visit.receipt(committed),
    }
    return Reply(committed.answer.status, resource_of("Consent", stored.body), headers)


def _without_permit(
    resource: JsonObject, patient: str, ports: Ports
) -> tuple[JsonObject, tuple[ConsentFinding, ...]]:
    """The valid Consent and its warnings; raises `Unprocessable` if it could ever permit."""
    checked = proposal.about(resource, patient, ports)
    model = proposal.model_of(checked, patient, ports)
    warnings = proposal.linted(model, ports)
    if may_permit(model):
        raise Unprocessable(
            "this Consent could let somebody read, so your device must sign it: post it to /consent/requests "
            "and sign to_sign of the answer"
        )
    return checked, warnings


def _expected_version(request: HttpRequest) -> int:
    header = request.headers.get("if-match")
    if header is None:
        raise Invalid('send If-Match with the version you have read, like W/"1"')
    match = _IF_MATCH.fullmatch(header)
    if match is None:
        raise Invalid('If-Match must have the form W/"1"')
    return int(match[1])
