"""`Consent/$revokeConsent`: the patient ends a consent, and the very next read is refused.

The parameters are those of HL7 Scalable Consent Management: consent (1..1), patient (1..1), document (0..1).
The new revision of the Consent is inactive and otherwise the same. A Provenance in the same act names the
person who ended it. No signature is needed. No consent is cached anywhere, so no cache must be cleared.
"""

from carevouch.consent.codes import ACT_REASON
from carevouch.consent.read import reference_of
from carevouch.consent.signature import body_of
from carevouch.door.access import VisibleRevision, act_request
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.fhir.meta import etag
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid, NotFound
from carevouch.kernel.ids import parse_doc
from carevouch.kernel.jsontext import render
from carevouch.records.access import ReadAllowed
from carevouch.records.resource import resource_of, stamped
from carevouch.store.documents import ActNames, ActPlan, Draft, StoredAnswer, StoredRevision
from services.consent.inputs import require_device, require_own
from services.consent.ports import Ports
from services.consent.record import reply_of, versioned

INACTIVE = "inactive"
# A Consent of these statuses has no effect already. Another revision would only hide its status.
_ENDED = frozenset((INACTIVE, "rejected", "entered-in-error"))
_PARAMETERS = {"consent": True, "patient": True, "document": False}
_DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def revoke(request: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Consent/$revokeConsent by the patient's own device: 200 with the inactive Consent."""
    caller = ports.access.caller(request)
    references = _parameters(require_valid(request.object(), "Parameters"), ports)
    type_, _, id_ = references["consent"].partition("/")
    if type_ != "Consent":
        raise Invalid("Parameters.parameter: consent must be a reference to a Consent of this server")
    patient = references["patient"].removeprefix("Patient/")
    with ports.access.visit(request, caller, patient, "revokeConsent") as visit:
        require_device(caller, "u")
        require_own(caller, patient, ABSENT)
        doc = parse_doc("Consent", id_)
        require_own(caller, doc.subject, ABSENT)
        attempts = ports.store.writer.attempts(act_request(request, caller, str(doc)), doc)
        for names in attempts:
            with attempts:
                current = visit.partition.get(doc)
                if current is None:
                    raise NotFound(ABSENT)
                resource = resource_of("Consent", current.body)
                if resource.get("status") in _ENDED:
                    visit.show([VisibleRevision(current, resource, ReadAllowed("self"))])
                    return Reply(200, resource, {"ETag": etag(current.version)})
                attempts.append(_plan(current, resource, names, caller, references.get("document")))
        return reply_of(attempts.committed, visit)


def _plan(
    current: StoredRevision, resource: JsonObject, names: ActNames, caller: Caller, document: str | None
) -> ActPlan:
    """The act: the Consent without effect, and a Provenance that names the person who ended it."""
    doc, version, time = current.doc, current.version + 1, names.time
    # There is no limit of size here: every stored consent can be revoked.
    ended = stamped({**resource, "status": INACTIVE}, doc.id, version, time, caller.reference)
    provenance: JsonObject = {
        "resourceType": "Provenance",
        "target": [{"reference": versioned(doc, version)}],
        "occurredDateTime": time,
        "recorded": time,
        "reason": [{"coding": [{"system": ACT_REASON, "code": "PATRQT"}]}],
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
        provenance["entity"] = [{"role": "source", "what": {"reference": document}}]
    own = names.doc(1, "Provenance", caller.id)
    drafts = (
        Draft(doc, body_of(render(ended), None), current),
        Draft(own, render(stamped(provenance, own.id, 1, time, caller.reference))),
    )
    answer = StoredAnswer(200, (versioned(doc, version), str(own)))
    return ActPlan("consent.revoked", drafts, answer, (caller.id,))


def _parameters(resource: JsonObject, ports: Ports) -> dict[str, str]:
    """The reference of each parameter by its name; raises `Invalid`."""
    found: dict[str, str] = {}
    for parameter in resource.get("parameter", []):
        name = parameter["name"]
        if name not in _PARAMETERS or name in found:
            raise Invalid(f"Parameters.parameter: send only {', '.join(_PARAMETERS)}, each at most once")
        reference = reference_of(parameter.get("valueReference"), ports.access.base)
        if reference is None:
            raise Invalid(f"Parameters.parameter: {name} needs a valueReference like Type/id")
        found[name] = reference
    for name, is_required in _PARAMETERS.items():
        if is_required and name not in found:
            raise Invalid(f"Parameters.parameter: {name} is required, with a valueReference")
    return found
