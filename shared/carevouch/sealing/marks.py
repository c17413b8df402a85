"""Marks, the sealer's index of each strand's entries, and heads, the ends of strands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from carevouch.kernel.encoding import b64u
from carevouch.kernel.jws import other_spelling
from carevouch.kernel.record import record
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.merkle import Edge, Growth, leaf_hash


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log: its edge, the number of the next block, and the last seal's leaf hash and time.

    `rejections` counts the rejections among the log's entries.
    """

    log: LogName
    edge: Edge = field(default_factory=Edge)
    block: int = 0
    prev: bytes | None = None
    time: str = ""
    rejections: int = 0


@record
class Mark:
    """The sealer's record of one entry: the mark's key, the entry's index and its leaf hash.

    `block` and `time` are those of the block that holds the entry. They are None in old marks.
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
    """The key of the mark that a rejection leaves. It has the hash, so that a forgery cannot block an id."""
    return f"rejected#{b64u(candidate_hash)}"


def block_mark(number: int) -> str:
    """The key of the mark that a block's seal leaves."""
    return f"block#{number}"


def epoch_mark(number: int) -> str:
    """The key of the mark that the entry of a new epoch leaves."""
    return f"epoch#{number}"


def marks_of(keys: Sequence[str], growth: Growth, head: Head) -> tuple[Mark, ...]:
    """The marks of a batch's entries, under these keys. `head` is the head after the batch."""
    block, time = (head.block - 1, head.time) if head.time else (None, None)
    numbered = enumerate(zip(keys, growth.levels[0], strict=True), growth.before.size)
    return tuple([Mark(key, index, leaf, block, time) for index, (key, leaf) in numbered])


def is_entry(mark: Mark, text: str) -> bool:
    """Whether the marked entry is this JWS, with either form of its signature (FORMATS.md, 4).

    Raises `Malformed` if the text is not a JWS.
    """
    if mark.leaf == leaf_hash(text.encode("ascii")):
        return True
    other = other_spelling(text)
    return other is not None and mark.leaf == leaf_hash(other.encode("ascii"))
