"""Reading one document: now, in one version, or in all of them, each judged by its own labels and author."""

from collections.abc import Callable

from carevouch.door.access import VisibleRevision, Visit
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_DIRECTORY
from carevouch.fhir.bundle import Version
from carevouch.fhir.bundle import history as history_bundle
from carevouch.fhir.meta import etag
from carevouch.kernel.errors import NotFound
from carevouch.kernel.ids import Doc, parse_doc
from carevouch.records.pages import CURSOR, cut, page_size, read_cursor
from carevouch.records.resource import is_directory
from carevouch.store.documents import Partition, StoredRevision
from services.records.ports import Ports
from services.records.shape import etag_headers, last, one_type, page_url, size

Work = Callable[[Visit, Doc], Reply]
# A row's key holds ten digits of the version.
MAX_VERSION_DIGITS = 10


def read(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}/{id}: the latest version, or 304 if the caller has it."""

    def work(visit: Visit, doc: Doc) -> Reply:
        return _shown(visit.one(partition_of(visit, doc).get(doc)), incoming)

    return visited(incoming, ports, one_type(incoming), "read", work)


def vread(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}/{id}/_history/{version}."""

    def work(visit: Visit, doc: Doc) -> Reply:
        return _shown(visit.one(version_of(visit, doc, incoming.path["version"])), incoming)

    return visited(incoming, ports, one_type(incoming), "vread", work)


def history(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}/{id}/_history: the versions the caller may see, newest first."""

    def work(visit: Visit, doc: Doc) -> Reply:
        count = page_size(last(incoming, "_count"))
        cursor = read_cursor(last(incoming, CURSOR))
        seen = visit.see(reversed(partition_of(visit, doc).history(doc)))
        if not seen:
            raise NotFound(ABSENT)
        page = cut(seen, cursor, count, name=_name, size=size, by_name=False)
        visit.show(page.items)
        document = f"{ports.access.base}/{doc}"
        body = history_bundle(
            [_version(one, document) for one in page.items],
            self_url=page_url(f"{document}/_history", incoming.query),
            next_url=page_url(f"{document}/_history", incoming.query, page.next) if page.next else None,
            total=len(seen),
        )
        return Reply(200, body)

    return visited(incoming, ports, one_type(incoming), "history-instance", work)


def visited(incoming: HttpRequest, ports: Ports, type_: str, kind: str, work: Work) -> Reply:
    """Do the work as a visit to the document's person; the directory is about nobody and leaves no audit."""
    caller = ports.access.caller(incoming)
    about_nobody = is_directory(type_) or type_ in OWN_DIRECTORY
    doc = _document(type_, incoming.path["id"], about_nobody)
    visit = ports.access.visit(incoming, caller, doc.subject if doc else None, kind)

    def scoped(visit: Visit) -> Reply:
        caller.require_scope(type_, "r")
        if doc is None:
            raise NotFound(ABSENT)
        return work(visit, doc)

    return scoped(visit) if about_nobody else visit.run(scoped)


def _document(type_: str, id_: str, about_nobody: bool) -> Doc | None:
    """The document named, if there can be one; a person's id in the directory names none, whoever it is."""
    try:
        doc = parse_doc(type_, id_)
    except NotFound:
        return None
    return None if about_nobody and doc.subject is not None else doc


def partition_of(visit: Visit, doc: Doc) -> Partition:
    """Where a document lies; raises `NotFound`, `Erased`."""
    if doc.type != "AuditEvent" and doc.subject is not None:
        return visit.partition
    return visit.access.reader.partition_of(doc)


def version_of(visit: Visit, doc: Doc, text: str) -> StoredRevision | None:
    """One version of a document, whose number comes from the path."""
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_VERSION_DIGITS):
        raise NotFound(ABSENT)
    return partition_of(visit, doc).version(doc, int(text))


def _shown(seen: VisibleRevision, incoming: HttpRequest) -> Reply:
    headers = etag_headers(seen.stored)
    if incoming.headers.get("if-none-match") == headers["ETag"]:
        return Reply(304, None, headers)
    return Reply(200, seen.resource, headers)


def _version(one: VisibleRevision, url: str) -> Version:
    stored = one.stored
    created = stored.version == 1
    return Version(
        url,
        "POST" if created else "PUT",
        stored.doc.type if created else str(stored.doc),
        "201 Created" if created else "200 OK",
        etag(stored.version),
        stored.time,
        one.resource,
    )


def _name(one: VisibleRevision) -> str:
    return str(one.stored.version)
