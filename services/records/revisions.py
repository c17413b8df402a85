"""A document's revisions as the log has them: one, all, those of a span of time, or that of an instant.

These are Amazon QLDB's committed view, its `history()` and as-of reads. A version is current from its block
time until that of the next version. This holds even if the caller may not see the next one, so a corrected
version never looks current. A producer's time is only a claim. Access and audit are those of the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carevouch.door.access import VisibleRevision, Visit
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.kernel.errors import Invalid, NotFound
from carevouch.kernel.jsontext import render
from carevouch.kernel.times import rfc3339
from carevouch.records.pages import CURSOR, Cursor, cut, page_size, page_url, read_cursor
from carevouch.records.timeline import FIRST, NEVER, current_at, current_between
from carevouch.records.views import SealPlace, committed_view, ledger_line, with_data
from carevouch.store.documents import StoredRevision
from services.records.ports import Ports
from services.records.read import document_visit, partition_of, version_of

PARAMETERS = frozenset({"from", "to", "at", "_count", CURSOR})


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """The instant (`at`), or the span and its page. Without both it is a short list of all versions."""

    at: str | None
    start: str | None
    end: str | None
    count: int
    cursor: Cursor


def revision(request: HttpRequest, ports: Ports) -> Reply:
    """GET /ledger/documents/{type}/{id}/{version}: the committed view, with the stored bytes."""
    with document_visit(request, ports, request.path["type"], "ledger-revision") as (visit, doc):
        seen = visit.one(version_of(visit, doc, request.path["version"]))
        return _reply(_committed_view(seen, ports.sealed.places([seen.stored.event]), ports))


def history(request: HttpRequest, ports: Ports) -> Reply:
    """GET /ledger/documents/{type}/{id}/history: a line for each version, oldest first.

    With `from` and `to` the committed views of all versions that were current at some instant in between
    (`to` excluded), in pages; with `at` the one that was current then.
    """
    with document_visit(request, ports, request.path["type"], "ledger-history") as (visit, doc):
        query = _query(request)
        stored = partition_of(visit, doc).history(doc)
        seen = {one.stored.version: one for one in visit.see(stored)}
        if not seen:
            raise NotFound(ABSENT)
        if query.at is not None:
            return _as_of(query.at, stored, seen, visit, ports)
        if query.start is not None or query.end is not None:
            return _between(query, stored, seen, request, visit, ports)
        visit.show(seen.values())
        lines = [
            ledger_line(one.stored.revision, one.stored.event, one.stored.index) for one in seen.values()
        ]
        return _reply(render(lines))


def _as_of(
    at: str, stored: Sequence[StoredRevision], seen: Mapping[int, VisibleRevision], visit: Visit, ports: Ports
) -> Reply:
    sealings = ports.sealed.places(one.event for one in stored)
    current = current_at(_times(stored, sealings), at)
    found = None if current is None else seen.get(stored[current].version)
    if found is None:
        raise NotFound(ABSENT)
    visit.show([found])
    return _reply(_committed_view(found, sealings, ports))


def _between(
    query: HistoryQuery,
    stored: Sequence[StoredRevision],
    seen: Mapping[int, VisibleRevision],
    request: HttpRequest,
    visit: Visit,
    ports: Ports,
) -> Reply:
    sealings = ports.sealed.places(one.event for one in stored)
    indices = current_between(_times(stored, sealings), query.start or FIRST, query.end or NEVER)
    found = [seen[stored[index].version] for index in indices if stored[index].version in seen]
    page = cut(
        found,
        query.cursor,
        query.count,
        name=lambda one: str(one.stored.version),
        size=lambda one: one.page_bytes,
        by_name=False,
    )
    visit.show(page.items)
    views = b",".join(_committed_view(one, sealings, ports) for one in page.items)
    url = f"{ports.store.base_url}/ledger/documents/{stored[0].doc}/history"
    following = page_url(url, request.query, page.next) if page.next else None
    return _reply(b'{"revisions":[' + views + b'],"next":' + render(following) + b"}")


def _committed_view(seen: VisibleRevision, sealings: Mapping[str, SealPlace], ports: Ports) -> bytes:
    stored = seen.stored
    sealing = sealings.get(stored.event.id)
    base = ports.store.base_url
    return with_data(committed_view(stored.revision, stored.event, stored.index, sealing, base), stored.body)


def _times(stored: Sequence[StoredRevision], sealings: Mapping[str, SealPlace]) -> list[str | None]:
    """The block time of each version; None for one that is not sealed."""
    found = (sealings.get(one.event.id) for one in stored)
    return [None if sealing is None else sealing.time for sealing in found]


def _query(request: HttpRequest) -> HistoryQuery:
    """The instant or the span in the parameters; raises `Invalid`, `Malformed`."""
    if not PARAMETERS.issuperset(request.query):
        raise Invalid("the history in the log takes at, or from and to with _count")
    given = {name: request.once(name) for name in ("at", "from", "to")}
    at, start, end = (None if text is None else rfc3339(text, name) for name, text in given.items())
    if at is not None and len(request.query) > 1:
        raise Invalid("ask for an instant (at) or for a span (from, to), not for both")
    if start is not None and end is not None and start > end:
        raise Invalid("from is later than to; exchange the two")
    if start is None and end is None and not {"_count", CURSOR}.isdisjoint(request.query):
        raise Invalid("pages are those of a span; give from, to or both")
    return HistoryQuery(at, start, end, page_size(request.once("_count")), read_cursor(request.once(CURSOR)))


def _reply(body: bytes) -> Reply:
    return Reply(200, body.decode("utf-8"), content_type="application/json")
