"""A revision as the ledger shows it: the committed view that users of Amazon QLDB know, and a short line.

A reader can recompute all of it from the document's openings and a mirror of the log. `txTime` is block time;
`time` is the producer's claim. The body is added as the stored bytes and never serialised again: the opening
proves them byte by byte. A view says that a document exists, so it goes out only under the document's own
rule of access.
"""

from dataclasses import dataclass

from carevouch.events.act import Revision
from carevouch.events.envelope import Event
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.kernel.jsontext import render

# The receipt levels: the event is stored and signed, in a sealed block, or under a signed checkpoint.
ACCEPTED, SEALED, PUBLISHED = "accepted", "sealed", "published"


@dataclass(frozen=True, slots=True)
class SealPlace:
    """The place of a sealed event: entry `index` of `strand`, in `block`, sealed at `time`."""

    strand: int
    index: int
    block: int
    time: str
    published: bool


def committed_view(
    revision: Revision, event: Event, index: int, sealing: SealPlace | None, base_url: str
) -> JsonObject:
    """A revision's address, hash and metadata; `index` is its place in the act, `sealing` None if unsealed.

    Links to a proof and a block are there only once the event is published.
    """
    document = f"{base_url}/ledger/documents/{revision.doc}/{revision.version}"
    links: JsonObject = {"revision": document, "opening": f"{document}/opening"}
    address: JsonObject | None = None
    level = ACCEPTED
    if sealing is not None:
        address = {"strand": sealing.strand, "sequenceNo": sealing.block}
        level = SEALED
        if sealing.published:
            level = PUBLISHED
            links["proof"] = f"{base_url}/ledger/events/{event.id}/proof"
            links["block"] = f"{base_url}/ledger/blocks/{sealing.strand}/{sealing.block}"
    return {
        "blockAddress": address,
        "hash": b64u(revision.leaf_hash),
        "prev": None if revision.prev is None else b64u(revision.prev),
        "metadata": {
            "id": str(revision.doc),
            "version": revision.version,
            "txTime": None if sealing is None else sealing.time,
            "txId": event.id,
        },
        "time": event.time,
        "type": event.type,
        "index": index,
        "level": level,
        "links": links,
    }


def ledger_line(revision: Revision, event: Event, index: int) -> JsonObject:
    """One version of a document as the log holds it; `index` is its place in the act."""
    return {
        "version": revision.version,
        "time": event.time,
        "event": event.id,
        "type": event.type,
        "index": index,
        "leaf": b64u(revision.leaf_hash),
        "prev": None if revision.prev is None else b64u(revision.prev),
    }


def with_data(view: JsonObject, body: bytes) -> bytes:
    """The view as JSON with `body`, itself JSON, as its last member `data`, byte for byte."""
    return render(view)[:-1] + b',"data":' + body + b"}"
