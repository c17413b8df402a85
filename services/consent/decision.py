"""`POST /consent/decision`: what the consents say to one question, now.

The person may ask about anybody and is shown the whole trace. An organisation may ask about itself only, and
learns no more than a read would tell it: a permit with those reasons that rest on consents naming it, or a
bare deny, the same for what is refused, absent, erased or never was. Each answer is audited first. Reading
may also be allowed by authorship or as a party to a claim; that is the records door's to say.
"""

from dataclasses import dataclass
from typing import Any

from carevouch.consent.codes import is_known_purpose
from carevouch.consent.decide import Decision, Reason, decide
from carevouch.consent.facts import facts_of
from carevouch.consent.model import Consent
from carevouch.consent.question import ACTIONS, AccessRequest
from carevouch.door.access import PURPOSE_HEADER, VisibleRevision, Visit, purpose_of
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_TYPES
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Erased, Invalid, NotFound
from carevouch.kernel.ids import Doc, parse_doc
from carevouch.kernel.times import instant, moment
from carevouch.records.access import ReadAllowed
from carevouch.records.resource import resource_of
from carevouch.store.documents import StoredRevision
from services.consent.inputs import members, patient_of, require_own, text
from services.consent.ports import Ports

# Who asks for a person may be several at once (a clinician and their hospital), never a crowd.
MAX_ACTORS = 20
# Who looked at a person is nobody's to permit by a consent.
_NOT_DECIDED = OWN_TYPES | {"AuditEvent"}
_REQUIRED, _OPTIONAL = frozenset(("patient", "resource")), frozenset(("purpose", "action", "actor"))


@dataclass(frozen=True, slots=True)
class _Question:
    patient: str
    type: str
    id: str
    asked: AccessRequest


def decision(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/decision {patient, resource {type, id}, purpose?, action?, actor?}: {decision, at, …}."""
    caller = ports.access.caller(incoming)
    posted = members(incoming.object(), "a question", _REQUIRED, _OPTIONAL)
    patient = patient_of(posted["patient"], "patient", ports)

    def work(visit: Visit) -> Reply:
        question = _question(posted, patient, incoming, caller, ports)
        visit.asked = question.asked
        caller.require_scope(question.type, "r")
        return (_for_organization if caller.patient is None else _for_person)(visit, question)

    return ports.access.visit(incoming, caller, patient, "decision").run(work)


def _question(
    posted: JsonObject, patient: str, incoming: HttpRequest, caller: Caller, ports: Ports
) -> _Question:
    resource = posted["resource"]
    if not isinstance(resource, dict):
        raise Invalid("resource is an object with type and id")
    members(resource, "resource", {"type", "id"})
    action = posted.get("action", "access")
    if action not in ACTIONS:
        raise Invalid(f"action is one of {', '.join(ACTIONS)}")
    purpose = _purpose(posted.get("purpose"), incoming.headers.get(PURPOSE_HEADER), caller)
    asked = AccessRequest(purpose, _actors(posted, caller), moment(ports.store.clock()), action)
    return _Question(
        patient,
        text(resource["type"], "resource.type"),
        text(resource["id"], "resource.id"),
        asked,
    )


def _purpose(stated: Any, header: str | None, caller: Caller) -> str:
    """Exactly one purpose, from the body or the header."""
    if stated is not None and header is not None and stated != header:
        raise Invalid("exactly one purpose: the body and the purpose-of-use header name different ones")
    purpose = stated if stated is not None else header
    if purpose is not None and not isinstance(purpose, str):
        raise Invalid("purpose is exactly one code of v3-ActReason")
    if caller.patient is None or purpose is None:
        return purpose_of(caller, purpose)
    if not is_known_purpose(purpose) and "|" not in purpose:
        raise Invalid("purpose is a code of v3-ActReason, or a local one as system|code")
    return purpose


def _actors(posted: JsonObject, caller: Caller) -> frozenset[str]:
    if "actor" not in posted:
        return frozenset({caller.reference})
    if caller.patient is None:
        raise Invalid("leave actor out: an organisation asks about itself")
    value = posted["actor"]
    listed = value if isinstance(value, list) else [value]
    if not 1 <= len(listed) <= MAX_ACTORS:
        raise Invalid(f"actor is one reference, or a list of up to {MAX_ACTORS}")
    return frozenset(text(actor, "actor") for actor in listed)


def _for_person(visit: Visit, question: _Question) -> Reply:
    require_own(visit.caller, question.patient, ABSENT)
    stored = _stored(visit, question)
    if stored is None:
        raise NotFound(ABSENT)
    if question.asked.actors == frozenset({visit.caller.reference}):
        visit.show([VisibleRevision(stored, {}, ReadAllowed("self"))])
        visit.conclude("permit")
        return Reply(200, {"decision": "permit", "reasons": [{"rule": "self"}], "at": _at(question)})
    found = _decided(visit, stored, question)
    return Reply(200, {**found.explain(), "at": _at(question)})


def _for_organization(visit: Visit, question: _Question) -> Reply:
    try:
        stored = _stored(visit, question)
    except (NotFound, Erased):
        stored = None
    found = _decided(visit, stored, question) if stored else None
    if found is None or not found.permitted:
        # Why not would tell that it exists.
        visit.conclude("deny")
        return Reply(200, {"decision": "deny", "reasons": [], "at": _at(question)})
    naming = {consent.reference for consent in visit.consents if _names(consent, visit.caller.reference)}
    reasons = [reason.json() for reason in found.reasons if reason.consent in naming]
    return Reply(200, {"decision": "permit", "reasons": reasons, "at": _at(question)})


def _stored(visit: Visit, question: _Question) -> StoredRevision | None:
    """The resource asked about, if it is one of this person's."""
    if question.type in _NOT_DECIDED:
        return None
    doc: Doc = parse_doc(question.type, question.id)
    return visit.partition.get(doc) if doc.subject == question.patient else None


def _decided(visit: Visit, stored: StoredRevision, question: _Question) -> Decision:
    resource = resource_of(stored.doc.type, stored.body)
    facts = facts_of(
        resource,
        base=visit.access.base,
        zone=visit.access.zone,
        subject=f"Patient/{question.patient}",
    )
    found = decide(visit.consents, question.asked, facts)
    visit.conclude("permit" if found.permitted else "deny")
    if found.permitted:
        used = tuple(_used(reason) for reason in found.reasons if reason.consent)
        reasons = tuple(reason.json() for reason in found.reasons)
        visit.show([VisibleRevision(stored, resource, ReadAllowed("consent", reasons, used))])
    return found


def _used(reason: Reason) -> str:
    return f"{reason.consent}/_history/{reason.version}"


def _names(consent: Consent, reference: str) -> bool:
    return any(
        clause.actor is not None and reference in clause.actor.references for clause in consent.root.walk()
    )


def _at(question: _Question) -> str:
    return instant(question.asked.now)
