"""What a person's device stores by itself: a Consent that can never let anybody read.

A refusal, a draft, an end. It needs no signature, because whoever stole a token could with it only refuse.
What could permit is sent back to /consent/requests, where the device is handed what to sign.
"""

import re

from carevouch.consent.lint import ConsentFinding
from carevouch.consent.model import may_permit
from carevouch.consent.signature import body_of
from carevouch.door.access import Visit, receipt_headers
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.fhir.meta import etag
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid, NotFound, PreconditionFailed, Unprocessable
from carevouch.kernel.ids import Doc, about, parse_doc, parse_reference
from carevouch.records.resource import resource_of
from carevouch.store.documents import ActNames, ActPlan, CommittedAct, Draft, Partition, StoredAnswer
from services.consent import proposal
from services.consent.inputs import patient_of, require_device, require_own, retriable, subject_of
from services.consent.ports import Ports

_IF_MATCH = re.compile(r'(?:W/)?"([1-9][0-9]{0,9})"')


def create(incoming: HttpRequest, ports: Ports, caller: Caller) -> Reply:
    """POST /fhir/Consent by the person's own device: 201 with the stored Consent."""
    resource = incoming.object()
    named = resource.get("patient")
    patient = patient_of(named, "Consent.patient.reference", ports) if named is not None else caller.id

    def work(_visit: Visit) -> Reply:
        require_device(caller, "c")
        require_own(caller, patient, ABSENT)
        checked, warnings = _harmless(resource, patient, ports)

        def first(naming: ActNames) -> Doc:
            return Doc("Consent", about(patient, naming.part(0)))

        def build(naming: ActNames) -> ActPlan:
            doc = first(naming)
            content = proposal.bytes_of(checked, doc.id, 1, naming.time, caller.reference)
            return _plan(Draft(doc, body_of(content, None)), 201, patient)

        request = retriable(incoming, caller, f"Consent/{patient}")
        committed = ports.store.writer.perform(request, first, build)
        return reply_of(committed, _visit.partition, ports, proposal.warning_header(warnings))

    return ports.access.visit(incoming, caller, patient, "create").run(work)


def update(incoming: HttpRequest, ports: Ports) -> Reply:
    """PUT /fhir/Consent/{id} by the person's own device, with If-Match: 200 with the new version."""
    caller, id_ = ports.access.caller(incoming), incoming.path["id"]

    def work(visit: Visit) -> Reply:
        require_device(caller, "u")
        resource, expected = incoming.object(), _expected(incoming)
        doc = parse_doc("Consent", id_)
        patient = require_own(caller, doc.subject, ABSENT)
        if resource.get("id") != doc.id:
            raise Invalid("Consent.id: it must be the id in the path")
        checked, warnings = _harmless(resource, patient, ports)
        partition = visit.partition

        def build(naming: ActNames) -> ActPlan:
            current = partition.get(doc)
            if current is None:
                raise NotFound(ABSENT)
            if current.version != expected:
                raise PreconditionFailed("the consent has another version than If-Match; read it again")
            version = current.version + 1
            content = proposal.bytes_of(checked, doc.id, version, naming.time, caller.reference)
            return _plan(Draft(doc, body_of(content, None), current), 200, patient)

        request = retriable(incoming, caller, str(doc))
        committed = ports.store.writer.perform(request, lambda _naming: doc, build)
        return reply_of(committed, partition, ports, proposal.warning_header(warnings))

    return ports.access.visit(incoming, caller, subject_of(id_), "update").run(work)


def versioned(doc: Doc, version: int) -> str:
    """How an answer that is told again names the revision it stored."""
    return f"{doc}/_history/{version}"


def reply_of(
    committed: CommittedAct, partition: Partition, ports: Ports, more: dict[str, str] | None = None
) -> Reply:
    """The answer to a stored Consent: the revision that the act's first reference names."""
    reference, _, version = committed.answer.references[0].partition("/_history/")
    stored = partition.version(parse_reference(reference), int(version))
    if stored is None:
        raise NotFound(ABSENT)
    headers = {
        "Location": f"{ports.access.base}/{versioned(stored.doc, stored.version)}",
        "ETag": etag(stored.version),
        **(more or {}),
        **receipt_headers(committed),
    }
    return Reply(committed.answer.status, resource_of("Consent", stored.body), headers)


def _harmless(
    resource: JsonObject, patient: str, ports: Ports
) -> tuple[JsonObject, tuple[ConsentFinding, ...]]:
    """The Consent, valid, understood, and such that it can never permit; with its warnings."""
    checked = proposal.about(resource, patient, ports)
    model = proposal.model_of(checked, patient, ports)
    warnings = proposal.linted(model, ports)
    if may_permit(model):
        raise Unprocessable(
            "this Consent could let somebody read, so your device must sign it: post it to /consent/requests "
            "and sign what you are handed"
        )
    return checked, warnings


def _plan(draft: Draft, status: int, patient: str) -> ActPlan:
    answer = StoredAnswer(status, (versioned(draft.doc, draft.version),))
    return ActPlan("consent.recorded", (draft,), answer, (patient,))


def _expected(incoming: HttpRequest) -> int:
    header = incoming.headers.get("if-match")
    if header is None:
        raise Invalid('send If-Match with the version you have read, like W/"1"')
    match = _IF_MATCH.fullmatch(header)
    if match is None:
        raise Invalid('If-Match has the form W/"1"')
    return int(match[1])
