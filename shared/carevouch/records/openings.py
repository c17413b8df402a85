"""What the ledger knows of a document: its line per version, and the opening that proves one of them.

Both tell that a document exists, so both go out only under the access rule of the document itself. The
bytes of an opening are those of FORMATS.md, 7; anyone verifies them with no key and no network.
"""

from carevouch.events.act import Revision
from carevouch.events.envelope import Event
from carevouch.events.opening import Opening, make_opening
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u


def ledger_line(revision: Revision, event: Event, index: int) -> JsonObject:
    """One version of a document as the log holds it."""
    prev = revision.prev
    return {
        "version": revision.version,
        "time": event.time,
        "event": event.id,
        "type": event.type,
        "index": index,
        "leaf": b64u(revision.leaf_hash),
        "prev": b64u(prev) if prev is not None else None,
    }


def opening_of(
    revision: Revision, event: Event, certificate: str | None, index: int, path: tuple[bytes, ...]
) -> Opening:
    """The opening of a stored revision."""
    return make_opening(revision, event.text, certificate, index, path)
