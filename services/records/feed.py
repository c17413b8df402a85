"""GET /ledger/documents/Patient/{id}/feed: a person's sealed revisions, from a position.

This is Amazon QLDB's stream for one person. It has a committed-view record of each published revision that
the caller may see, each strand in its order. Each page is judged again. A hidden revision before the
position does not come again. The position is a vector over
the strands (`carevouch.events.position`); an empty page gives the same position again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carevouch.door.access import VisibleRevision
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_TYPES
from carevouch.events.position import (
    START,
    Place,
    Position,
    check_within,
    page_limit,
    parse_position,
    render_position,
)
from carevouch.kernel.errors import Invalid, NotFound
from carevouch.records.views import SealPlace, committed_view
from services.records.ports import Ports
from services.records.read import document_visit

PARAMETERS = frozenset({"position", "limit"})
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A revision that may be shown, and where its event is sealed."""

    seen: VisibleRevision
    sealing: SealPlace

    @property
    def place(self) -> Place:
        """Its place in its strand."""
        return Place(self.sealing.index, self.seen.stored.index)


def feed(request: HttpRequest, ports: Ports) -> Reply:
    """The page after the position."""
    if request.path["type"] != "Patient":
        raise NotFound("only a Patient has a feed; read the history of a document instead")

    with document_visit(request, ports, "Patient", "ledger-feed") as (visit, _):
        if not PARAMETERS.issuperset(request.query):
            raise Invalid("the feed takes only position and limit; leave other parameters out")
        position = parse_position(request.once("position") or "")
        limit = page_limit(request.once("limit"))
        # The sizes are read first. Every entry below them has its mark, so no entry is missed after this
        # page.
        sizes = ports.sealed.published()
        check_within(position, sizes)
        seen = visit.see(item for item in visit.partition.all() if item.doc.type not in OWN_TYPES)
        if not seen:
            raise NotFound(ABSENT)
        ahead = _ahead(seen, ports, sizes, position)
        visit.show(item.seen for item in ahead[:limit])
        records = []
        for item in ahead[:limit]:
            stored = item.seen.stored
            base = ports.store.base_url
            view = committed_view(stored.revision, stored.event, stored.index, item.sealing, base)
            records.append({"kind": "revision", **view})
        after = {strand: max(Place(size), position.get(strand, START)) for strand, size in sizes.items()}
        # The next page begins at the first remaining revision of each strand, or at the strand's end.
        for item in ahead[limit:]:
            after[item.sealing.strand] = min(after[item.sealing.strand], item.place)
        return Reply(200, {"records": records, "next": render_position(after)}, content_type=JSON)


def _ahead(
    seen: Sequence[VisibleRevision], ports: Ports, sizes: Mapping[int, int], position: Position
) -> list[FeedEntry]:
    """The revisions after the position, by block time, and within each strand in its order."""
    sealings = ports.sealed.places((one.stored.event for one in seen), sizes)
    placed = [
        FeedEntry(one, sealings[one.stored.event.id]) for one in seen if one.stored.event.id in sealings
    ]
    ahead = [item for item in placed if item.place >= position.get(item.sealing.strand, START)]
    return sorted(ahead, key=lambda item: (item.sealing.time, item.sealing.strand, item.place))
