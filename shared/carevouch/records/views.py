"""The committed view of a revision, as Amazon QLDB's users know it, over what the log says of its event.

Everything in it can be recomputed from the document's openings and a mirror of the log. `txTime` is block
time; `time` is what the producer claims. The body is added as the very bytes that are stored, never
serialised again: what proves them byte by byte is the opening.
"""

from dataclasses import dataclass

from carevouch.events.act import Revision
from carevouch.events.envelope import Event
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.kernel.jsontext import render

# How far the event of a revision has come: stored and signed, in a sealed block, under a signed checkpoint.
ACCEPTED, SEALED, PUBLISHED = "accepted", "sealed", "published"


@dataclass(frozen=True, slots=True)
class SealPlace:
    """Where a sealed event stands: entry `index` of `strand`, in `block`, sealed at `time`."""

    strand: int
    index: int
    block: int
    time: str
    published: bool


def committed_view(
    revision: Revision, event: Event, index: int, sealing: SealPlace | None, base_url: str
) -> JsonObject:
    """A revision's address, hash and metadata; `index` is its place in the act, `sealing` None if unsealed.

    Links go only to what is there: a proof and a block once the event is published.
    """
    document = f"{base_url}/ledger/documents/{revision.doc}/{revision.version}"
    links: JsonObject = {"revision": document, "opening": f"{document}/opening"}
    if sealing is not None and sealing.published:
        links["proof"] = f"{base_url}/ledger/events/{event.id}/proof"
        links["block"] = f"{base_url}/ledger/blocks/{sealing.strand}/{sealing.block}"
    return {
        "blockAddress": None if sealing is None else _address(sealing),
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
        "level": level_of(sealing),
        "links": links,
    }


def level_of(sealing: SealPlace | None) -> str:
    """The receipt level."""
    if sealing is None:
        return ACCEPTED
    return PUBLISHED if sealing.published else SEALED


def with_data(view: JsonObject, body: bytes) -> bytes:
    """The view as JSON with `body`, itself JSON, as its last member `data`, byte for byte."""
    return render(view)[:-1] + b',"data":' + body + b"}"


def _address(sealing: SealPlace) -> JsonObject:
    return {"strand": sealing.strand, "sequenceNo": sealing.block}
