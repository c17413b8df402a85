"""Marks: what the sealer remembers about each entry of a strand, and where the strand ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from carevouch.kernel.encoding import b64u
from carevouch.kernel.jws import other_spelling
from carevouch.kernel.record import record
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.merkle import Edge, Growth, leaf_hash


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log ends: its edge, the number of the next block, the last seal's leaf hash and time.

    `rejections` is how many of the log's entries are rejections.
    """

    log: LogName
    edge: Edge = field(default_factory=Edge)
    block: int = 0
    prev: bytes | None = None
    time: str = ""
    rejections: int = 0


@record
class Mark:
    """What the sealer remembers about an entry: under which key, at which index, with which leaf hash.

    `block` and `time` are those of the block that holds it; None in marks made before they were kept.
    """

    key: str
    index: int
    leaf: bytes
    block: int | None = None
    time: str | None = None


def event_mark(event_id: str) -> str:
    """The key of the mark that a sealed event leaves."""
    return f"event#{event_id}"


def certificate_mark(kid: str) -> str:
    """The key of the mark that a certificate's entry leaves."""
    return f"cert#{kid}"


def rejection_mark(candidate_hash: bytes) -> str:
    """The key of the mark that a rejection leaves; by hash, so that a forgery cannot take an event's id."""
    return f"rejected#{b64u(candidate_hash)}"


def block_mark(number: int) -> str:
    """The key of the mark that a block's seal leaves."""
    return f"block#{number}"


def epoch_mark(number: int) -> str:
    """The key of the mark that the entry which opens an epoch leaves."""
    return f"epoch#{number}"


def marks_of(keys: Sequence[str], growth: Growth, head: Head) -> tuple[Mark, ...]:
    """The marks of a batch's entries, whose keys these are; `head` is the one after it, one block further."""
    block, time = (head.block - 1, head.time) if head.time else (None, None)
    numbered = enumerate(zip(keys, growth.levels[0], strict=True), growth.before.size)
    return tuple([Mark(key, index, leaf, block, time) for index, (key, leaf) in numbered])


def is_entry(mark: Mark, text: str) -> bool:
    """Whether the entry that was marked is this JWS, in either spelling of its signature (FORMATS.md, 4).

    Raises `Malformed` if the text is no JWS.
    """
    if mark.leaf == leaf_hash(text.encode("ascii")):
        return True
    other = other_spelling(text)
    return other is not None and mark.leaf == leaf_hash(other.encode("ascii"))
