"""`POST /consent/decision`: the decision on one question, now.

The person may ask about anybody and gets the whole trace. An organisation may ask only about itself and
learns no more than from a read. It gets a permit with the reasons from consents that name it, or a bare deny.
The deny is the same for a refused, an absent and an erased resource. Each answer is audited first. Authors
and parties to a claim may read without a consent; the records door decides that.
"""

from typing import Any

from carevouch.consent.codes import is_known_purpose
from carevouch.consent.decide import Decision, decide
from carevouch.consent.facts import facts_of
from carevouch.consent.question import ACTIONS, AccessRequest
from carevouch.door.access import PURPOSE_HEADER, VisibleRevision, Visit, purpose_of
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_TYPES
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Erased, Invalid, NotFound
from carevouch.kernel.ids import parse_doc
from carevouch.kernel.times import instant, moment
from carevouch.records.access import ReadAllowed
from carevouch.records.resource import resource_of
from carevouch.store.documents import StoredRevision
from services.consent.inputs import members, patient_of, require_own, text
from services.consent.ports import Ports

# The actors are one caller, such as a clinician with their hospital, so there are few.
MAX_ACTORS = 20
# No consent can give access to the audit of a person.
_NOT_DECIDED = OWN_TYPES | {"AuditEvent"}
_REQUIRED, _OPTIONAL = frozenset(("patient", "resource")), frozenset(("purpose", "action", "actor"))


def decision(request: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/decision {patient, resource {type, id}, purpose?, action?, actor?}: {decision, at, …}."""
    caller = ports.access.caller(request)
    posted = members(request.object(), "a question", _REQUIRED, _OPTIONAL)
    patient = patient_of(posted["patient"], "patient", ports)
    with ports.access.visit(request, caller, patient, "decision") as visit:
        resource = posted["resource"]
        if not isinstance(resource, dict):
            raise Invalid("resource must be an object with type and id")
        members(resource, "resource", {"type", "id"})
        action = posted.get("action", "access")
        if action not in ACTIONS:
            raise Invalid(f"action must be one of {', '.join(ACTIONS)}")
        purpose = _purpose(posted.get("purpose"), request.headers.get(PURPOSE_HEADER), caller)
        now = moment(ports.store.clock())
        visit.question = AccessRequest(purpose, _actors(posted, caller), now, action)
        type_, id_ = text(resource["type"], "resource.type"), text(resource["id"], "resource.id")
        caller.require_scope(type_, "r")
        answer = _for_organization if caller.patient is None else _for_person
        return Reply(200, {**answer(visit, patient, type_, id_), "at": instant(now)})


def _purpose(in_body: Any, in_header: str | None, caller: Caller) -> str:
    """The one purpose, from the body or the header; raises `Invalid` if they differ."""
    if in_body is not None and in_header is not None and in_body != in_header:
        raise Invalid("the body and the purpose-of-use header name different purposes; send one")
    purpose = in_body if in_body is not None else in_header
    if purpose is not None and not isinstance(purpose, str):
        raise Invalid("purpose must be exactly one code of v3-ActReason")
    if caller.patient is None or purpose is None:
        return purpose_of(caller, purpose)
    if not is_known_purpose(purpose) and "|" not in purpose:
        raise Invalid("purpose must be a code of v3-ActReason, or a local one as system|code")
    return purpose


def _actors(posted: JsonObject, caller: Caller) -> frozenset[str]:
    if "actor" not in posted:
        return frozenset({caller.reference})
    if caller.patient is None:
        raise Invalid("leave actor out: an organisation asks about itself")
    value = posted["actor"]
    references = value if isinstance(value, list) else [value]
    if not 1 <= len(references) <= MAX_ACTORS:
        raise Invalid(f"actor must be one reference, or a list of up to {MAX_ACTORS}")
    return frozenset(text(actor, "actor") for actor in references)


def _for_person(visit: Visit, patient: str, type_: str, id_: str) -> JsonObject:
    """The decision with its whole trace, for the person's own device; raises `NotFound`."""
    require_own(visit.caller, patient, ABSENT)
    stored = _stored(visit, patient, type_, id_)
    if stored is None:
        raise NotFound(ABSENT)
    if visit.question.actors == frozenset({visit.caller.reference}):
        visit.show([VisibleRevision(stored, {}, ReadAllowed("self"))])
        visit.decided("permit")
        return {"decision": "permit", "reasons": [{"rule": "self"}]}
    return _decision(visit, stored, patient).explain()


def _for_organization(visit: Visit, patient: str, type_: str, id_: str) -> JsonObject:
    """A permit with the reasons from consents that name the caller, or a bare deny."""
    try:
        stored = _stored(visit, patient, type_, id_)
    except (NotFound, Erased):
        stored = None
    found = _decision(visit, stored, patient) if stored else None
    if found is None or not found.permitted:
        # A reason would reveal that the resource exists.
        visit.decided("deny")
        return {"decision": "deny", "reasons": []}
    naming = {
        consent.reference
        for consent in visit.consents
        for clause in consent.root.walk()
        if clause.actor is not None and visit.caller.reference in clause.actor.references
    }
    reasons = [reason.json() for reason in found.reasons if reason.consent in naming]
    return {"decision": "permit", "reasons": reasons}


def _stored(visit: Visit, patient: str, type_: str, id_: str) -> StoredRevision | None:
    """The resource of the question, or None if this person has none like it."""
    if type_ in _NOT_DECIDED:
        return None
    doc = parse_doc(type_, id_)
    return visit.partition.get(doc) if doc.subject == patient else None


def _decision(visit: Visit, stored: StoredRevision, patient: str) -> Decision:
    """The decision of the consents on the visit's question, noted for the audit."""
    resource = resource_of(stored.doc.type, stored.body)
    facts = facts_of(resource, base=visit.access.base, zone=visit.access.zone, subject=f"Patient/{patient}")
    found = decide(visit.consents, visit.question, facts)
    visit.decided("permit" if found.permitted else "deny")
    if found.permitted:
        used = tuple(
            f"{reason.consent}/_history/{reason.version}" for reason in found.reasons if reason.consent
        )
        reasons = tuple(reason.json() for reason in found.reasons)
        visit.show([VisibleRevision(stored, resource, ReadAllowed("consent", reasons, used))])
    return found
