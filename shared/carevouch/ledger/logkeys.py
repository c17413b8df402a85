"""The keys of a log, which sign the lines of its checkpoints and check them.

The same keys sign every log of a deployment, the strands and the super-log. The name of a key is the log's
origin. A checkpoint has one Ed25519 line, which all clients know. It also has one ML-DSA-44 line against
quantum computers, if the deployment has such a key. A verifier needs the first and accepts no bad second.
"""

from dataclasses import dataclass

from carevouch.ledger.checkpoint import Checkpoint, CheckpointFault, open_checkpoint, sign_checkpoint_with
from carevouch.ledger.cosignature import NO_TIME, MldsaCosignatureSigner, MldsaCosigner
from carevouch.ledger.note import Ed25519Line, LineSigner, NoteKey, NoteSigner, Verifier, parse_note


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The public keys: 32 bytes of Ed25519, and 1,312 of ML-DSA-44 or None."""

    ed25519: bytes
    mldsa: bytes | None = None

    def verifier(self, origin: str) -> Verifier:
        """The Ed25519 key of the log `origin`, whose line must be there."""
        return Verifier(origin, self.ed25519)

    def also(self, origin: str) -> list[NoteKey]:
        """The keys of the log whose lines may be there."""
        return [] if self.mldsa is None else [MldsaCosigner(origin, self.mldsa)]

    def open(self, data: bytes, origin: str) -> Checkpoint:
        """The checkpoint of the log `origin`; raises `NoteFault` or `CheckpointFault`."""
        return open_checkpoint(data, self.verifier(origin), self.also(origin))

    def lacking(self, data: bytes, origin: str) -> list[NoteKey]:
        """The keys of the log whose lines the checkpoint does not carry; raises `NoteFault`."""
        lines = {(line.name, line.key_id) for line in parse_note(data).lines}
        keys = [self.verifier(origin), *self.also(origin)]
        return [key for key in keys if (key.name, key.key_id) not in lines]

    def open_published(self, data: bytes, origin: str) -> Checkpoint:
        """`open` a published checkpoint, which must have a line by each key of the log."""
        checkpoint = self.open(data, origin)
        if self.lacking(data, origin):
            raise CheckpointFault(f"the checkpoint has no line by the ML-DSA-44 key of {origin}")
        return checkpoint


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The private keys. It signs every checkpoint; the caller must know that the head is committed."""

    ed25519: NoteSigner
    mldsa: NoteSigner | None = None

    @property
    def keys(self) -> LogKeys:
        """The public keys."""
        return LogKeys(self.ed25519.public, None if self.mldsa is None else self.mldsa.public)

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The checkpoint as a note with all lines of its log."""
        lines: list[LineSigner] = [Ed25519Line(checkpoint.origin, self.ed25519)]
        if self.mldsa is not None:
            lines.append(MldsaCosignatureSigner(checkpoint.origin, self.mldsa, lambda: NO_TIME))
        return sign_checkpoint_with(checkpoint, lines)
