"""The super-log's entries: strand checkpoints as notes with their one Ed25519 line, verbatim.

So an entry is itself a checkpoint that any C2SP client opens, and a strand's proof that carries it as its
checkpoint needs nothing but the entry's own proof to lead to the super-log.
"""

from dataclasses import dataclass

from carevouch.ledger.checkpoint import (
    Checkpoint,
    CheckpointFault,
    parse_checkpoint,
    stated,
    strand_of_origin,
)
from carevouch.ledger.logkeys import LogKeys
from carevouch.ledger.note import Verifier, open_note, parse_note, render_note


@dataclass(frozen=True, slots=True)
class StrandHead:
    """The statement of an entry: the checkpoint of a strand, under the strand's key."""

    strand: int
    checkpoint: Checkpoint
    entry: bytes


def super_entry(note: bytes, verifier: Verifier) -> bytes:
    """The entry that a strand's checkpoint becomes: its text and the one line of `verifier`.

    Raises `NoteFault` or `CheckpointFault` if it is no checkpoint by that key.
    """
    opened = open_note(note, [verifier])
    stated(opened, verifier)
    return render_note(opened)


def parse_super_entry(entry: bytes, origin: str, keys: LogKeys) -> StrandHead:
    """The strand's head that an entry states, its signature verified; raises an `IntegrityFault`."""
    claimed = parse_checkpoint(parse_note(entry).text)
    strand = strand_of_origin(origin, claimed.origin)
    verifier = keys.verifier(claimed.origin)
    if super_entry(entry, verifier) != entry:
        raise CheckpointFault("an entry of the super-log has exactly the strand's Ed25519 line")
    return StrandHead(strand, claimed, entry)


def head_mark(strand: int, size: int) -> str:
    """The key of the mark that the entry of a strand's checkpoint leaves."""
    return f"head#{strand}#{size}"
