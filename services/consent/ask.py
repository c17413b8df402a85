"""Asking for a consent: an organisation for itself, or the patient's own device for any recipient.

The stored document is the request. It holds the exact bytes of the Consent that a grant would store. The
asker must know the patient's id, which the patient gave them. An absent and an erased person get the same
404, and the refusal is audited.
"""

from typing import Any

from carevouch.consent.lint import ConsentFinding
from carevouch.door.access import Visit, act_request, receipt_json
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import APP, PAYER, PROVIDER, SPONSOR, Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Conflict, Invalid, NotFound, Unprocessable
from carevouch.kernel.ids import Doc, parse_reference
from carevouch.kernel.times import later
from carevouch.records.access import parties_of
from carevouch.records.resource import resource_of
from carevouch.store.documents import (
    ActPlan,
    CommittedAct,
    Draft,
    NewDocument,
    Partition,
    StoredAnswer,
    StoredRevision,
)
from services.consent import proposal
from services.consent.consent_request import (
    ASKED,
    CONSENT_REQUEST,
    GRANTED,
    ConsentRequest,
    body_of_request,
    for_asker,
    for_person,
    parse_request,
)
from services.consent.inputs import members, patient_of, require_own, text
from services.consent.ports import Ports

ASKERS = (APP, PAYER, PROVIDER, SPONSOR)
# Long enough for a person who seldom opens the app, and short enough that they still expect the request.
EXPIRES_SECONDS = 30 * 24 * 3600
# For each asker and person, so that nobody is worn down by requests. Refused requests count until they
# expire, or the limit would tell the asker about the refusal.
MAX_OPEN = 10


def ask(request: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/requests {patient, consent, replaces?}: 201 with the request's id."""
    caller = ports.access.caller(request)
    posted = members(request.object(), "a consent request", {"patient", "consent"}, {"replaces"})
    patient = patient_of(posted["patient"], "patient", ports)
    with ports.access.visit(request, caller, patient, "create") as visit:
        _require_asker(caller)
        replaces = None
        if "replaces" in posted:
            replaces = parse_reference(text(posted["replaces"], "replaces"))
            if replaces.type != "Consent":
                raise Invalid("replaces must be a reference like Consent/id")
        committed, stored, warnings = _stored(visit, patient, request, ports, posted["consent"], replaces)
        consent_request = parse_request(stored.body)
        if caller.patient is not None:
            view = for_person(consent_request, stored.doc.id, stored.time)
        else:
            view = for_asker(consent_request, stored.doc.id)
        body = {**view, "warnings": proposal.issues_of(warnings), **receipt_json(committed)}
        return Reply(201, body, {"Location": _address(stored, ports), **visit.receipt(committed)})


def propose(request: HttpRequest, ports: Ports, caller: Caller) -> Reply:
    """POST /fhir/Consent by an organisation: the proposed Consent becomes a request; 201 with it."""
    resource = request.object()
    if resource.get("patient") is None:
        _require_asker(caller)
        raise Invalid("Consent.patient: this element is required")
    patient = patient_of(resource["patient"], "Consent.patient.reference", ports)
    with ports.access.visit(request, caller, patient, "create") as visit:
        _require_asker(caller)
        if resource.get("resourceType") == "Consent" and resource.get("status") != "proposed":
            raise Unprocessable(
                "an organisation can only propose: send status proposed; the patient's device makes it active"
            )
        committed, stored, warnings = _stored(visit, patient, request, ports, resource, None)
        consent_request = parse_request(stored.body)
        headers = {
            "Location": f"{ports.access.base}/{consent_request.doc}",
            "Link": f'<{_address(stored, ports)}>; rel="related"',
            **proposal.warning_header(warnings),
            **visit.receipt(committed),
        }
        return Reply(201, {**consent_request.resource(), "status": "proposed"}, headers)


def _require_asker(caller: Caller) -> None:
    if caller.patient is None:
        caller.require_role(*ASKERS)
    caller.require_scope("Consent", "c")


def _address(stored: StoredRevision, ports: Ports) -> str:
    return f"{ports.store.base_url}/consent/requests/{stored.doc.id}"


def _stored(
    visit: Visit, patient: str, request: HttpRequest, ports: Ports, consent: Any, replaces: Doc | None
) -> tuple[CommittedAct, StoredRevision, tuple[ConsentFinding, ...]]:
    """Store the request. Returns the act, its revision, and the warnings about the requested Consent."""
    caller = visit.caller
    resource, warnings = _checked(consent, patient, caller, ports)
    # Only now, for an absent person has no partition: a wrong request gets the same answer about everybody.
    partition = visit.partition
    retriable = act_request(request, caller, f"{CONSENT_REQUEST}/{patient}")
    attempts = ports.store.writer.attempts(retriable, NewDocument(CONSENT_REQUEST, patient))
    for names in attempts:
        with attempts:
            requests = [parse_request(one.body) for one in partition.latest(CONSENT_REQUEST)]
            own = [one for one in requests if one.asker == caller.reference]
            waiting = [one for one in own if one.status != GRANTED and names.time <= one.expires]
            if len(waiting) >= MAX_OPEN:
                raise Conflict(
                    f"you have {MAX_OPEN} requests waiting for this person; wait until they expire"
                )
            after = None if replaces is None else _predecessor(partition, caller, patient, replaces)
            doc = replaces or names.doc(1, "Consent", patient)
            version = after.version + 1 if after else 1
            dated = {**resource, "dateTime": names.time}
            consent_request = ConsentRequest(
                caller.reference,
                ASKED,
                proposal.bytes_of(dated, doc.id, version, names.time, caller.reference),
                doc,
                version,
                after.revision.leaf_hash if after else None,
                later(names.time, EXPIRES_SECONDS),
            )
            request_doc = names.doc(0, CONSENT_REQUEST, patient)
            draft = Draft(request_doc, body_of_request(consent_request))
            answer = StoredAnswer(201, (str(request_doc),))
            attempts.append(ActPlan("consent.requested", (draft,), answer, (patient,)))
    committed = attempts.committed
    stored = partition.version(parse_reference(committed.answer.references[0]), 1)
    if stored is None:
        raise NotFound(ABSENT)
    return committed, stored, warnings


def _checked(
    consent: Any, patient: str, caller: Caller, ports: Ports
) -> tuple[JsonObject, tuple[ConsentFinding, ...]]:
    """The Consent that the caller may ask for, active, and the warnings about it; raises if it may not."""
    resource = proposal.about(consent, patient, ports)
    if resource["status"] not in ("proposed", "active"):
        raise Unprocessable("Consent.status must be proposed or active in a request for a consent")
    resource = {**resource, "status": "active"}
    model = proposal.model_of(resource, patient, ports)
    warnings = proposal.linted(model, ports)
    if caller.patient is not None:
        require_own(caller, patient, ABSENT)
        return resource, warnings
    # An inner clause applies only to actors whom the root reaches, so the root's actors are enough to check.
    actor = model.root.actor
    if actor is None or actor.doubts or actor.references != {caller.reference}:
        raise Unprocessable(
            "Consent.provision.actor must name you, and nobody else, in the role of recipient (IRCP); "
            "an organisation asks only for itself"
        )
    return resource, warnings


def _predecessor(partition: Partition, caller: Caller, patient: str, replaces: Doc) -> StoredRevision:
    """The revision to replace; raises `NotFound` unless it exists and the caller is a party to it."""
    after = partition.get(replaces) if replaces.subject == patient else None
    if after is None:
        raise NotFound(ABSENT)
    if caller.patient is None and caller.reference not in parties_of(resource_of("Consent", after.body)):
        raise NotFound(ABSENT)
    return after
