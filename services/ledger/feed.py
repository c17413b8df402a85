"""The live feed: the public records of all strands that were sealed and published after a position.

It is shaped like Amazon QLDB's stream: a `block` record for each block, and before it the block's `event`,
`rejection` and `epoch` records. A public log says nothing about documents. The revision details of QLDB are
therefore in the records door's feed, for readers who may see them. A consumer polls with the `next` of the
last page. It so sees every published event exactly once, and each strand in its order. An empty page gives
the same position again. The feed is a view: a mirror of the log can make the same records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from carevouch.events.blocks import Bundle, SealedBlock, block_at
from carevouch.events.certificate import CERT_TYP
from carevouch.events.envelope import EVENT_TYP
from carevouch.events.position import Place, Position, check_within
from carevouch.events.seal import EPOCH, parse_seal
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jws import Jws, take_apart
from carevouch.ledger.tiles import WIDTH
from carevouch.store.log.library import Library, PublishedCheckpoint


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Records, those of each strand in its order, and the position after them."""

    records: tuple[JsonObject, ...]
    next: Position


def read_feed(library: Library, position: Position, limit: int) -> FeedPage:
    """The page after `position`. Raises `Invalid` for a position that is not of this log.

    The strands with new records share the limit, and each gets at least one record. So no strand waits for a
    busier one, and 64 busy strands fill a page of 64 even under a smaller limit.
    """
    published = library.all_published()
    sizes = dict.fromkeys(range(library.genesis().strand_count), 0)
    sizes |= {strand: item.checkpoint.size for strand, item in published.items()}
    check_within(position, sizes)
    if any(place.part for place in position.values()):
        raise Invalid("this feed takes no position inside an act; use a `next` of this feed")
    starts = {strand: position[strand].index if strand in position else 0 for strand in published}
    ahead = [item for item in published.values() if starts[int(item.log)] < item.checkpoint.size]
    share = max(1, limit // max(1, len(ahead)))
    records: list[JsonObject] = []
    after = dict(position)
    for item in ahead:
        found, end = _of_strand(library, item, starts[int(item.log)], share)
        records += found
        after[int(item.log)] = Place(end)
    return FeedPage(tuple(records), after)


def _of_strand(
    library: Library, published: PublishedCheckpoint, start: int, share: int
) -> tuple[list[JsonObject], int]:
    """Up to `share` records from entry `start`, and the entry after them."""
    size = published.checkpoint.size
    bundle: Bundle = cache(lambda number: library.bundle(published, number))
    entries: list[_FeedEntry] = []
    block, at = block_at(start, size, bundle), start
    # A certificate is no record, but the event that needs it follows. Twice as many entries are enough.
    while at < min(size, start + 2 * share) and len(entries) < share:
        if at == block.block.end:
            block = block_at(at, size, bundle)
        signed = take_apart(bundle(at // WIDTH)[at % WIDTH].decode("ascii"))
        if signed.typ != CERT_TYP:
            entries.append(_FeedEntry(at, signed, block))
        at += 1
    kids = {entry.signed.kid for entry in entries if entry.signed.typ == EVENT_TYP}
    certificates = library.certificates(int(published.log), kids)
    return [_record(int(published.log), entry, certificates) for entry in entries], at


@dataclass(frozen=True, slots=True)
class _FeedEntry:
    index: int
    signed: Jws
    block: SealedBlock


def _record(strand: int, entry: _FeedEntry, certificates: Mapping[str, int]) -> JsonObject:
    block, signed = entry.block, entry.signed
    record: JsonObject = {
        "kind": "event",
        "strand": strand,
        "index": entry.index,
        "block": block.block.number,
        "time": block.time,
        "entry": signed.text,
    }
    if signed.typ == EVENT_TYP:
        # The certificate is null for an event of the operator, whose key genesis names.
        return {**record, "certificate": certificates.get(signed.kid)}
    if entry.index + 1 < block.block.end:
        return {**record, "kind": "epoch" if parse_seal(signed.text).type == EPOCH else "rejection"}
    prev = block.block.prev
    return {
        **record,
        "kind": "block",
        "first": block.block.first,
        "count": block.block.count,
        "prev": None if prev is None else b64u(prev),
        "hash": b64u(block.hash),
    }
