"""`Consent/$revokeConsent`: the patient ends a consent, and the very next read is refused.

Parameters as in HL7 Scalable Consent Management: consent (1..1), patient (1..1), document (0..1). The new
revision of the Consent is inactive and otherwise the same; a Provenance of the same act says who ended it.
No signature is needed and nothing is cached anywhere, so there is nothing to invalidate.
"""

from typing import Any

from carevouch.consent.read import reference_of
from carevouch.consent.signature import body_of
from carevouch.door.access import VisibleRevision, Visit
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.fhir.meta import etag
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid, NotFound
from carevouch.kernel.ids import Doc, about, parse_doc
from carevouch.kernel.jsontext import render
from carevouch.records.access import ReadAllowed
from carevouch.records.resource import resource_of, stamped
from carevouch.store.documents import ActNames, ActPlan, Draft, Partition, StoredAnswer, StoredRevision
from services.consent.inputs import require_device, require_own, retriable
from services.consent.ports import Ports
from services.consent.record import reply_of, versioned

INACTIVE = "inactive"
# Without effect already; ending them once more would only hide what they were.
_ENDED = frozenset((INACTIVE, "rejected", "entered-in-error"))
_PARAMETERS = {"consent": True, "patient": True, "document": False}
_DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def revoke(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Consent/$revokeConsent by the patient's own device: 200 with the inactive Consent."""
    caller = ports.access.caller(incoming)
    named = _parameters(require_valid(incoming.object(), "Parameters"), ports)
    type_, _, id_ = named["consent"].partition("/")
    if type_ != "Consent":
        raise Invalid("Parameters.parameter: consent is a reference to a Consent of this server")
    patient = named["patient"].removeprefix("Patient/")

    def work(visit: Visit) -> Reply:
        require_device(caller, "u")
        require_own(caller, patient, ABSENT)
        doc = parse_doc("Consent", id_)
        require_own(caller, doc.subject, ABSENT)
        return _revoked(visit, doc, named.get("document"), incoming, ports)

    return ports.access.visit(incoming, caller, patient, "revokeConsent").run(work)


class _EndedBefore(Exception):
    """It has no effect already; there is nothing to store."""


def _revoked(visit: Visit, doc: Doc, document: str | None, incoming: HttpRequest, ports: Ports) -> Reply:
    caller, partition = visit.caller, visit.partition

    def build(naming: ActNames) -> ActPlan:
        current = _current(partition, doc)
        if resource_of("Consent", current.body).get("status") in _ENDED:
            raise _EndedBefore
        return _plan(current, naming, caller, document)

    request = retriable(incoming, caller, str(doc))
    try:
        committed = ports.store.writer.perform(request, lambda _naming: doc, build)
    except _EndedBefore:
        current = _current(partition, doc)
        resource = resource_of("Consent", current.body)
        visit.show([VisibleRevision(current, resource, ReadAllowed("self"))])
        return Reply(200, resource, {"ETag": etag(current.version)})
    return reply_of(committed, partition, ports)


def _current(partition: Partition, doc: Doc) -> StoredRevision:
    current = partition.get(doc)
    if current is None:
        raise NotFound(ABSENT)
    return current


def _plan(current: StoredRevision, naming: ActNames, caller: Caller, document: str | None) -> ActPlan:
    doc, version = current.doc, current.version + 1
    ended = {**resource_of("Consent", current.body), "status": INACTIVE}
    # No limit of size here: what is stored, however it came in, can be revoked.
    content = render(stamped(ended, doc.id, version, naming.time, caller.reference))
    provenance = Doc("Provenance", about(caller.id, naming.part(1)))
    told = _provenance(versioned(doc, version), naming.time, caller, document)
    drafts = (
        Draft(doc, body_of(content, None), current),
        Draft(provenance, render(stamped(told, provenance.id, 1, naming.time, caller.reference))),
    )
    answer = StoredAnswer(200, (versioned(doc, version), str(provenance)))
    return ActPlan("consent.revoked", drafts, answer, (caller.id,))


def _provenance(target: str, time: str, caller: Caller, document: str | None) -> JsonObject:
    told: JsonObject = {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "occurredDateTime": time,
        "recorded": time,
        "reason": [{"coding": [{"system": _ACT_REASON, "code": "PATRQT"}]}],
        "activity": {
            "coding": [{"system": _DATA_OPERATION, "code": "UPDATE"}],
            "text": "the patient revoked the consent",
        },
        "agent": [
            {
                "type": {"coding": [{"system": _PARTICIPANT, "code": "author"}]},
                "who": {"reference": caller.reference},
            }
        ],
    }
    if document is not None:
        told["entity"] = [{"role": "source", "what": {"reference": document}}]
    return told


def _parameters(resource: JsonObject, ports: Ports) -> dict[str, str]:
    found: dict[str, str] = {}
    for parameter in resource.get("parameter", []):
        name = parameter["name"]
        if name not in _PARAMETERS or name in found:
            raise Invalid(f"Parameters.parameter: only {', '.join(_PARAMETERS)}, each at most once")
        found[name] = _reference(parameter, name, ports)
    for name, is_required in _PARAMETERS.items():
        if is_required and name not in found:
            raise Invalid(f"Parameters.parameter: {name} is required, as valueReference")
    return found


def _reference(parameter: dict[str, Any], name: str, ports: Ports) -> str:
    reference = reference_of(parameter.get("valueReference"), ports.access.base)
    if reference is None:
        raise Invalid(f"Parameters.parameter: {name} has a valueReference like Type/id")
    return reference
