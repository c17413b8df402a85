"""Creating and updating one document, and the audit of every refused write that concerns a person."""

from urllib.parse import parse_qsl

from carevouch.door.access import receipt_headers
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.fhir.bundle import Entry
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.kernel.errors import Forbidden, Invalid, NotFound
from carevouch.kernel.ids import parse_doc
from carevouch.records.resource import is_directory, resource_of, why_not_created, why_not_updated
from carevouch.records.survey import BundleSurvey, survey
from carevouch.store.documents import ActRequest
from services.records.deed import ActOutcome, Deed
from services.records.ports import Ports
from services.records.shape import etag_headers, one_type
from services.records.visits import Visits


def create(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/{type}: 201 with the document under its new id, 200 if If-None-Exist found one."""
    caller = ports.access.caller(incoming)
    type_ = one_type(incoming)
    reason = why_not_created(type_)
    if reason:
        raise Forbidden(reason)
    condition = tuple(_condition(incoming))
    resource = require_valid(incoming.object(), type_)
    entry = Entry(0, "POST", type_, resource=resource, if_none_exist=condition)
    visits = Visits(incoming, caller, ports, "create")
    return visits.attempt(lambda: _answer(_one(entry, caller, incoming, visits, ports), ports))


def update(incoming: HttpRequest, ports: Ports) -> Reply:
    """PUT /fhir/{type}/{id}: 200 with the next version; If-Match says which one it follows."""
    caller = ports.access.caller(incoming)
    doc = parse_doc(one_type(incoming), incoming.path["id"])
    if is_directory(doc.type) and doc.subject is not None:
        raise NotFound(ABSENT)
    visits = Visits(incoming, caller, ports, "update")
    if doc.subject is not None:
        visits.of(doc.subject)

    def work() -> Reply:
        reason = why_not_updated(doc.type)
        if reason:
            raise Forbidden(reason)
        resource = require_valid(incoming.object(), doc.type)
        if resource.get("id") != doc.id:
            raise Invalid(f"{doc.type}.id must be the id in the URL")
        match = incoming.headers.get("if-match", "")
        entry = Entry(0, "PUT", doc.type, doc.id, resource, if_match=match)
        return _answer(_one(entry, caller, incoming, visits, ports), ports)

    return visits.attempt(work)


def _one(entry: Entry, caller: Caller, incoming: HttpRequest, visits: Visits, ports: Ports) -> ActOutcome:
    asked: BundleSurvey = survey([entry], {}, ports.access.base, lambda _index: entry.type)
    request = ActRequest(caller.id, incoming.idempotency_key, incoming.content())
    return Deed(ports, caller, visits, asked).do(request)


def _answer(outcome: ActOutcome, ports: Ports) -> Reply:
    done = outcome.done[0]
    reader = ports.store.reader
    stored = (
        reader.partition_of(done.doc).version(done.doc, done.version)
        if done.version
        else reader.find(done.doc)
    )
    if stored is None:
        raise NotFound(ABSENT)
    headers = {
        "Location": f"{ports.access.base}/{done.doc}/_history/{stored.version}",
        **etag_headers(stored),
        **(receipt_headers(outcome.committed) if outcome.committed else {}),
    }
    return Reply(done.status, resource_of(done.doc.type, stored.body), headers)


def _condition(incoming: HttpRequest) -> list[tuple[str, str]]:
    text = incoming.headers.get("if-none-exist", "")
    found = parse_qsl(text.rpartition("?")[2], keep_blank_values=True)
    if text and not found:
        raise Invalid("If-None-Exist has the form identifier=system|value")
    return found
