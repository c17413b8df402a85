"""Creating and updating one document, and the audit of every refused write that concerns a person."""

from urllib.parse import parse_qsl

from carevouch.door.access import receipt_headers
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.fhir.bundle import Entry
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.kernel.errors import Forbidden, Invalid, NotFound
from carevouch.kernel.ids import parse_doc
from carevouch.records.resource import (
    is_directory,
    require_served,
    resource_of,
    why_not_created,
    why_not_updated,
)
from carevouch.records.survey import survey
from services.records.act import ConcernedPeople, store
from services.records.ports import Ports
from services.records.read import etag_headers


def create(request: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/{type}: 201 with the document under its new id, 200 if If-None-Exist found one."""
    caller = ports.access.caller(request)
    type_ = require_served(request.path["type"])
    reason = why_not_created(type_)
    if reason:
        raise Forbidden(reason)
    condition = request.headers.get("if-none-exist", "")
    query = tuple(parse_qsl(condition.rpartition("?")[2], keep_blank_values=True))
    if condition and not query:
        raise Invalid("If-None-Exist has the form identifier=system|value")
    entry = Entry(0, "POST", type_, resource=require_valid(request.object(), type_), if_none_exist=query)
    people = ConcernedPeople(request, caller, ports, "create")
    with people.audited():
        return _stored(entry, request, caller, people, ports)


def update(request: HttpRequest, ports: Ports) -> Reply:
    """PUT /fhir/{type}/{id}: 200 with the next version; If-Match says which one it follows."""
    caller = ports.access.caller(request)
    doc = parse_doc(require_served(request.path["type"]), request.path["id"])
    if is_directory(doc.type) and doc.subject is not None:
        raise NotFound(ABSENT)
    people = ConcernedPeople(request, caller, ports, "update")
    if doc.subject is not None:
        people.visit(doc.subject)
    with people.audited():
        reason = why_not_updated(doc.type)
        if reason:
            raise Forbidden(reason)
        resource = require_valid(request.object(), doc.type)
        if resource.get("id") != doc.id:
            raise Invalid(f"{doc.type}.id must be the id in the URL")
        match = request.headers.get("if-match", "")
        entry = Entry(0, "PUT", doc.type, doc.id, resource, if_match=match)
        return _stored(entry, request, caller, people, ports)


def _stored(
    entry: Entry, request: HttpRequest, caller: Caller, people: ConcernedPeople, ports: Ports
) -> Reply:
    """Store the entry and answer with the document as it then is."""
    plain = survey([entry], {}, ports.access.base, entry.type)
    outcome = store(request, plain, caller, people, ports)
    done, reader = outcome.entries[0], ports.store.reader
    if done.version:
        stored = reader.partition_of(done.doc).version(done.doc, done.version)
    else:
        stored = reader.find(done.doc)
    if stored is None:
        raise NotFound(ABSENT)
    headers = {
        "Location": f"{ports.access.base}/{done.doc}/_history/{stored.version}",
        **etag_headers(stored),
        **(receipt_headers(outcome.committed) if outcome.committed else {}),
    }
    return Reply(done.status, resource_of(done.doc.type, stored.body), headers)
