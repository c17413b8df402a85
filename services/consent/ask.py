"""Asking for a consent: an organisation for itself, or the patient's own device for whomever it likes.

What is stored is the request, with the exact bytes that a grant would make a Consent of. Whoever asks must
know the patient's id, which the patient gave them: a person who is absent, erased or never was is answered
with the same 404, and the refusal is audited.
"""

from typing import Any

from carevouch.consent.lint import ConsentFinding
from carevouch.door.access import Visit, receipt_headers, receipt_json
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import APP, PAYER, PROVIDER, SPONSOR, Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Conflict, Invalid, NotFound, Unprocessable
from carevouch.kernel.ids import Doc, about, parse_reference
from carevouch.kernel.times import later
from carevouch.records.access import parties_of
from carevouch.records.resource import resource_of
from carevouch.store.documents import (
    ActNames,
    ActPlan,
    CommittedAct,
    Draft,
    Partition,
    StoredAnswer,
    StoredRevision,
)
from services.consent import proposal
from services.consent.asking import (
    ASKED,
    CONSENT_REQUEST,
    GRANTED,
    ConsentRequest,
    asking_body,
    for_asker,
    for_person,
    parse_asking,
)
from services.consent.inputs import members, patient_of, require_own, retriable, text
from services.consent.ports import Ports

ASKERS = (APP, PAYER, PROVIDER, SPONSOR)
# Long enough for somebody who seldom opens the app; after it nobody signs what they no longer expect.
EXPIRES_SECONDS = 30 * 24 * 3600
# Per asker and person, so that nobody is worn down by asking. Refused ones count until they expire, or the
# limit would tell the asker that somebody refused.
MAX_OPEN = 10
_STATUSES = ("proposed", "active")


def ask(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /consent/requests {patient, consent, replaces?}: 201 with the request's id."""
    caller = ports.access.caller(incoming)
    posted = members(incoming.object(), "a consent request", {"patient", "consent"}, {"replaces"})
    patient = patient_of(posted["patient"], "patient", ports)

    def work(visit: Visit) -> Reply:
        _require_asker(caller)
        replaces = _replaced(posted["replaces"]) if "replaces" in posted else None
        return _reply(*_asked(visit, incoming, ports, posted["consent"], replaces), ports, caller)

    return ports.access.visit(incoming, caller, patient, "create").run(work)


def propose(incoming: HttpRequest, ports: Ports, caller: Caller) -> Reply:
    """POST /fhir/Consent by an organisation: a proposed Consent is a request; 201 with that Consent."""
    resource = incoming.object()
    if resource.get("patient") is None:
        _require_asker(caller)
        raise Invalid("Consent.patient: this element is required")
    patient = patient_of(resource["patient"], "Consent.patient.reference", ports)

    def work(visit: Visit) -> Reply:
        _require_asker(caller)
        if resource.get("resourceType") == "Consent" and resource.get("status") != "proposed":
            raise Unprocessable(
                "an organisation can only propose: send status proposed; the patient's device makes it active"
            )
        return _proposed(*_asked(visit, incoming, ports, resource, None), ports)

    return ports.access.visit(incoming, caller, patient, "create").run(work)


def _require_asker(caller: Caller) -> None:
    if caller.patient is None:
        caller.require_role(*ASKERS)
    caller.require_scope("Consent", "c")


def _replaced(value: Any) -> Doc:
    doc = parse_reference(text(value, "replaces"))
    if doc.type != "Consent":
        raise Invalid("replaces is a reference like Consent/id")
    return doc


_Asked = tuple[CommittedAct, StoredRevision, tuple[ConsentFinding, ...]]


def _asked(visit: Visit, incoming: HttpRequest, ports: Ports, consent: Any, replaces: Doc | None) -> _Asked:
    caller, patient = visit.caller, visit.patient or ""
    resource = proposal.about(consent, patient, ports)
    if resource["status"] not in _STATUSES:
        raise Unprocessable("what is asked for has status proposed or active")
    resource = {**resource, "status": "active"}
    model = proposal.model_of(resource, patient, ports)
    warnings = proposal.linted(model, ports)
    if caller.patient is None:
        proposal.require_about_asker(model, caller)
    else:
        require_own(caller, patient, ABSENT)
    partition = visit.partition

    def first(naming: ActNames) -> Doc:
        return Doc(CONSENT_REQUEST, about(patient, naming.part(0)))

    def build(naming: ActNames) -> ActPlan:
        _require_room(partition, caller.reference, naming.time)
        doc, after = _target(partition, caller, patient, naming, replaces)
        return _plan(first(naming), _asking(resource, doc, after, naming.time, caller), patient)

    request = retriable(incoming, caller, f"{CONSENT_REQUEST}/{patient}")
    committed = ports.store.writer.perform(request, first, build)
    stored = partition.version(parse_reference(committed.answer.references[0]), 1)
    if stored is None:
        raise NotFound(ABSENT)
    return committed, stored, warnings


def _plan(doc: Doc, asking: ConsentRequest, patient: str) -> ActPlan:
    draft = Draft(doc, asking_body(asking))
    return ActPlan("consent.requested", (draft,), StoredAnswer(201, (str(doc),)), (patient,))


def _asking(
    resource: JsonObject, doc: Doc, after: StoredRevision | None, time: str, caller: Caller
) -> ConsentRequest:
    version = after.version + 1 if after else 1
    whole = {**resource, "dateTime": time}
    content = proposal.bytes_of(whole, doc.id, version, time, caller.reference)
    prev = after.revision.leaf_hash if after else None
    return ConsentRequest(caller.reference, ASKED, content, doc, version, prev, later(time, EXPIRES_SECONDS))


def _target(
    partition: Partition, caller: Caller, patient: str, naming: ActNames, replaces: Doc | None
) -> tuple[Doc, StoredRevision | None]:
    """The Consent it is to become, and the revision it is to follow."""
    if replaces is None:
        return Doc("Consent", about(patient, naming.part(1))), None
    after = partition.get(replaces) if replaces.subject == patient else None
    if after is None:
        raise NotFound(ABSENT)
    parties = parties_of(resource_of("Consent", after.body))
    if caller.patient is None and caller.reference not in parties:
        raise NotFound(ABSENT)
    return replaces, after


def _require_room(partition: Partition, asker: str, now: str) -> None:
    askings = (parse_asking(stored.body) for stored in partition.latest(CONSENT_REQUEST))
    waiting = [
        asking
        for asking in askings
        if asking.asker == asker and asking.status != GRANTED and now <= asking.expires
    ]
    if len(waiting) >= MAX_OPEN:
        raise Conflict(f"you have {MAX_OPEN} requests waiting for this person; wait until they expire")


def _reply(
    committed: CommittedAct,
    stored: StoredRevision,
    warnings: tuple[ConsentFinding, ...],
    ports: Ports,
    caller: Caller,
) -> Reply:
    asking = parse_asking(stored.body)
    shown = (
        for_person(asking, stored.doc.id, stored.time)
        if caller.patient is not None
        else for_asker(asking, stored.doc.id)
    )
    body = {**shown, "warnings": proposal.issues_of(warnings), **receipt_json(committed)}
    headers = {"Location": _link(stored, ports), **receipt_headers(committed)}
    return Reply(201, body, headers)


def _proposed(
    committed: CommittedAct, stored: StoredRevision, warnings: tuple[ConsentFinding, ...], ports: Ports
) -> Reply:
    asking = parse_asking(stored.body)
    headers = {
        "Location": f"{ports.access.base}/{asking.doc}",
        "Link": f'<{_link(stored, ports)}>; rel="related"',
        **proposal.warning_header(warnings),
        **receipt_headers(committed),
    }
    return Reply(201, {**asking.resource(), "status": "proposed"}, headers)


def _link(stored: StoredRevision, ports: Ports) -> str:
    return f"{ports.store.base_url}/consent/requests/{stored.doc.id}"
