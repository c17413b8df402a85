"""GET /ledger/documents/Patient/{id}/feed: a person's sealed revisions, from a position on.

Amazon QLDB's stream, for one person and for whoever may read them: committed-view records of every revision
that the caller may see, as far as the log is published, each strand in its order. Each page judges anew; what
a consent hides is passed over for good by whoever reads past it. The position is a vector over the strands
(`carevouch.events.position`); an empty page gives the same position again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carevouch.door.access import VisibleRevision, Visit
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
from carevouch.kernel.ids import Doc
from carevouch.records.views import SealPlace, committed_view
from services.records.ports import Ports
from services.records.read import visited
from services.records.shape import last

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


def feed(incoming: HttpRequest, ports: Ports) -> Reply:
    """The page after the position."""
    if incoming.path["type"] != "Patient":
        raise NotFound("only a Patient has a feed; a document has its history")

    def work(visit: Visit, doc: Doc) -> Reply:
        position, limit = _asked(incoming)
        # The sizes first: what they cover is marked, so whoever goes on from them misses nothing.
        sizes = ports.sealed.published()
        check_within(position, sizes)
        seen = visit.see(item for item in visit.partition.all() if item.doc.type not in OWN_TYPES)
        if not seen:
            raise NotFound(ABSENT)
        ahead = _ahead(seen, ports, sizes, position)
        visit.show(item.seen for item in ahead[:limit])
        records = [_record(item, ports.store.base_url) for item in ahead[:limit]]
        after = _after(position, sizes, ahead[limit:])
        return Reply(200, {"records": records, "next": render_position(after)}, content_type=JSON)

    return visited(incoming, ports, "Patient", "ledger-feed", work)


def _ahead(
    seen: Sequence[VisibleRevision], ports: Ports, sizes: Mapping[int, int], position: Position
) -> list[FeedEntry]:
    """What lies past the position, by block time, and in each strand in its order."""
    sealings = ports.sealed.places((one.stored.event for one in seen), sizes)
    placed = [
        FeedEntry(one, sealings[one.stored.event.id]) for one in seen if one.stored.event.id in sealings
    ]
    ahead = [item for item in placed if item.place >= position.get(item.sealing.strand, START)]
    return sorted(ahead, key=lambda item: (item.sealing.time, item.sealing.strand, item.place))


def _after(position: Position, sizes: Mapping[int, int], left: Sequence[FeedEntry]) -> dict[int, Place]:
    """Where to go on: at the first revision of each strand that is left, else at the strand's end."""
    after = {strand: max(Place(size), position.get(strand, START)) for strand, size in sizes.items()}
    for item in left:
        strand = item.sealing.strand
        after[strand] = min(after[strand], item.place)
    return after


def _record(item: FeedEntry, base_url: str) -> dict[str, object]:
    stored = item.seen.stored
    view = committed_view(stored.revision, stored.event, stored.index, item.sealing, base_url)
    return {"kind": "revision", **view}


def _asked(incoming: HttpRequest) -> tuple[Position, int]:
    if not PARAMETERS.issuperset(incoming.query):
        raise Invalid("the feed takes position and limit only")
    return parse_position(last(incoming, "position") or ""), page_limit(last(incoming, "limit"))
