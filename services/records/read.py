"""Reads of one document: its latest version, one version, or all, each judged by its own labels."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import format_datetime

from carevouch.door.access import Visit
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_DIRECTORY
from carevouch.fhir.bundle import Version
from carevouch.fhir.bundle import history as history_bundle
from carevouch.fhir.meta import etag
from carevouch.kernel.errors import NotFound
from carevouch.kernel.ids import Doc, parse_doc
from carevouch.kernel.times import moment
from carevouch.records.pages import CURSOR, cut, page_size, page_url, read_cursor
from carevouch.records.resource import is_directory, require_served
from carevouch.store.documents import Partition, StoredRevision
from services.records.ports import Ports

# A row's key holds ten digits of the version.
MAX_VERSION_DIGITS = 10


def read(request: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}/{id}: the latest version, or 304 if the caller has it."""
    with document_visit(request, ports, require_served(request.path["type"]), "read") as (visit, doc):
        return _answer(visit, partition_of(visit, doc).get(doc), request)


def vread(request: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}/{id}/_history/{version}."""
    with document_visit(request, ports, require_served(request.path["type"]), "vread") as (visit, doc):
        return _answer(visit, version_of(visit, doc, request.path["version"]), request)


def history(request: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}/{id}/_history: the versions that the caller may see, newest first."""
    with document_visit(request, ports, require_served(request.path["type"]), "history-instance") as (
        visit,
        doc,
    ):
        count = page_size(request.once("_count"))
        cursor = read_cursor(request.once(CURSOR))
        seen = visit.see(reversed(partition_of(visit, doc).history(doc)))
        if not seen:
            raise NotFound(ABSENT)
        page = cut(
            seen,
            cursor,
            count,
            name=lambda one: str(one.stored.version),
            size=lambda one: one.page_bytes,
            by_name=False,
        )
        visit.show(page.items)
        document = f"{ports.access.base}/{doc}"
        versions = []
        for one in page.items:
            version, is_first = one.stored.version, one.stored.version == 1
            versions.append(
                Version(
                    document,
                    "POST" if is_first else "PUT",
                    doc.type if is_first else str(doc),
                    "201 Created" if is_first else "200 OK",
                    etag(version),
                    one.stored.time,
                    one.resource,
                )
            )
        body = history_bundle(
            versions,
            self_url=page_url(f"{document}/_history", request.query),
            next_url=page_url(f"{document}/_history", request.query, page.next) if page.next else None,
            total=len(seen),
        )
        return Reply(200, body)


@contextmanager
def document_visit(
    request: HttpRequest, ports: Ports, type_: str, interaction: str
) -> Iterator[tuple[Visit, Doc]]:
    """A visit to the person of the document in the path; raises `NotFound` for an impossible document.

    Documents of the directory are about nobody. So their reads leave no audit, and their ids name no person.
    """
    caller = ports.access.caller(request)
    is_about_nobody = is_directory(type_) or type_ in OWN_DIRECTORY
    doc: Doc | None = None
    with suppress(NotFound):
        doc = parse_doc(type_, request.path["id"])
    if doc is not None and is_about_nobody and doc.subject is not None:
        doc = None
    person = doc.subject if doc else None
    is_audited = not is_about_nobody
    with ports.access.visit(request, caller, person, interaction, is_audited=is_audited) as visit:
        caller.require_scope(type_, "r")
        if doc is None:
            raise NotFound(ABSENT)
        yield visit, doc


def partition_of(visit: Visit, doc: Doc) -> Partition:
    """The partition of a document; raises `NotFound`, `Erased`."""
    if doc.type != "AuditEvent" and doc.subject is not None:
        return visit.partition
    return visit.access.reader.partition_of(doc)


def version_of(visit: Visit, doc: Doc, text: str) -> StoredRevision | None:
    """The version of a document whose number is in the path; raises `NotFound` for any other text."""
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_VERSION_DIGITS):
        raise NotFound(ABSENT)
    return partition_of(visit, doc).version(doc, int(text))


def etag_headers(stored: StoredRevision) -> dict[str, str]:
    """ETag and Last-Modified of a version (http://hl7.org/fhir/R4/http.html#versioning)."""
    modified = format_datetime(moment(stored.time), usegmt=True)
    return {"ETag": etag(stored.version), "Last-Modified": modified}


def _answer(visit: Visit, stored: StoredRevision | None, request: HttpRequest) -> Reply:
    seen = visit.one(stored)
    headers = etag_headers(seen.stored)
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Reply(304, None, headers)
    return Reply(200, seen.resource, headers)
