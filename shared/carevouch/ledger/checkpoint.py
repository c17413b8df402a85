"""Checkpoints: C2SP tlog-checkpoint v1.0.0, a signed note that states a log's size and root.

A verifier takes a tree's size and root from a verified checkpoint and from no other place. A log never signs
a checkpoint that is inconsistent with an earlier one. `services.sealer.strand` holds that rule.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carevouch.kernel.encoding import b64, unb64
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.merkle import HASH_LENGTH
from carevouch.ledger.note import (
    LineSigner,
    Note,
    NoteFault,
    NoteKey,
    NoteSigner,
    Verifier,
    open_note,
    sign_note,
    sign_note_with,
)

# The name of a log of a deployment: a strand's number, or `super`, the log of the strands' checkpoints.
LogName = int | str
SUPER = "super"
# Each strand costs a fetched checkpoint, a place in every position and an edge in a witness's state.
MAX_STRANDS = 64
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointFault(IntegrityFault):
    """The text is not a checkpoint, or the checkpoint is of another log."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and root of the log `origin`. `extensions` are lines that only other logs write."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of the note: origin, size and root, a line each."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, b64(self.root), *self.extensions))


def strand_origin(origin: str, strand: int) -> str:
    """The origin (and key name) of strand `strand` of the deployment `origin`."""
    return f"{origin}/strand/{strand}"


def log_origin(origin: str, log: LogName) -> str:
    """The origin (and key name) of any log of the deployment `origin`."""
    return strand_origin(origin, log) if isinstance(log, int) else f"{origin}/{log}"


def strand_of_origin(origin: str, checkpoint_origin: str) -> int:
    """The inverse of `strand_origin`; raises `CheckpointFault` for another deployment's checkpoint."""
    head, _, digits = checkpoint_origin.rpartition("/strand/")
    if head != origin or not _SIZE.fullmatch(digits):
        raise CheckpointFault(f"the checkpoint is of another log than a strand of {origin}")
    return int(digits)


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text; raises `CheckpointFault` for any other text."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise CheckpointFault("a checkpoint is three lines: origin, size and root")
    if not _SIZE.fullmatch(lines[1]):
        raise CheckpointFault("the checkpoint's size is not a plain number")
    try:
        root = unb64(lines[2], "the checkpoint's root")
    except Malformed as error:
        raise CheckpointFault(error.message) from error
    if len(root) != HASH_LENGTH:
        raise CheckpointFault("the checkpoint's root is not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:-1]))


def open_checkpoint(data: bytes, verifier: Verifier, also: Sequence[NoteKey] = ()) -> Checkpoint:
    """The checkpoint of the log that `verifier` names; raises `NoteFault` or `CheckpointFault`.

    The line of `verifier` must be there. A line by a key in `also` may be absent, and must not be bad.
    """
    return stated(open_note(data, [verifier, *also]), verifier)


def stated(note: Note, verifier: Verifier) -> Checkpoint:
    """The checkpoint in a note with verified lines; raises as `open_checkpoint`, and verifies no line."""
    if all((line.name, line.key_id) != (verifier.name, verifier.key_id) for line in note.lines):
        raise NoteFault(f"the note carries no signature by the key of {verifier.name}")
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != verifier.name:
        raise CheckpointFault(f"the checkpoint is of {checkpoint.origin}, not of {verifier.name}")
    return checkpoint


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> bytes:
    """The checkpoint as a note with one Ed25519 line, under its origin."""
    return sign_note(checkpoint.text, checkpoint.origin, signer)


def sign_checkpoint_with(checkpoint: Checkpoint, signers: Sequence[LineSigner]) -> bytes:
    """The checkpoint as a note with a line by each of the signers."""
    return sign_note_with(checkpoint.text, signers)
