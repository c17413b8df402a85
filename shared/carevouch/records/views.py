"""The ledger's views of a revision: the committed view of Amazon QLDB, and a short line.

Openings and a mirror of the log are enough to recompute a view. `txTime` is block time; `time` is the
producer's claim. The body is added as the stored bytes, since the opening proves them byte by byte. A view
shows that a document exists. So it goes out only under the rule of access of the document.
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
    """The place of a sealed event: its strand, entry, block and block time."""

    strand: int
    index: int
    block: int
    time: str
    published: bool


def committed_view(
    revision: Revision, event: Event, index: int, sealing: SealPlace | None, base_url: str
) -> JsonObject:
    """A revision's address, hash and metadata. `index` is its place in the act; `sealing` is None if
    unsealed.

    Only a published event has links to its proof and block.
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
    """One version of a document as the log holds it. `index` is its place in the act."""
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
    """The view as JSON, with the JSON `body` byte for byte as its last member `data`."""
    return render(view)[:-1] + b',"data":' + body + b"}"
