"""The decision of a witness: C2SP tlog-witness, `add-checkpoint` (https://c2sp.org/tlog-witness). Pure.

A witness cosigns a checkpoint only if it continues the last one that it cosigned of that log. `admit` checks
a request without the state. `judge` compares it with the state of the log, which is the size and root that
were cosigned last. Both return a value. A refusal is a value too, with the status of the protocol. To act on
`Cosign`, the caller must first replace exactly `before` by `after` in its store, and only then sign.
Otherwise two simultaneous requests could roll a log back.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carevouch.kernel.encoding import b64, sha256, unb64
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.checkpoint import Checkpoint, parse_checkpoint
from carevouch.ledger.cosignature import (
    Ed25519CosignatureSigner,
    Ed25519Cosigner,
    MldsaCosignatureSigner,
    MldsaCosigner,
)
from carevouch.ledger.merkle import (
    EMPTY_ROOT,
    HASH_LENGTH,
    MAX_PATH,
    ConsistencyFault,
    verify_consistency,
)
from carevouch.ledger.note import (
    Note,
    NoteFault,
    NoteKey,
    NoteSigner,
    SignatureLine,
    open_note,
    parse_note,
)

TEXT = "text/plain; charset=utf-8"
# The type of the answer with the size that was cosigned last. No other answer has it.
SIZE = "text/x.tlog.size"
# Enough for 63 lines of proof and a checkpoint with 16 signatures of up to 5 KB each.
MAX_REQUEST = 128 * 1024
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class State:
    """The state of a log: the size and root of the last cosigned checkpoint; empty at first."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class CheckpointRequest:
    """An `add-checkpoint` request: the old size, the proof from it, and the signed note."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """A request about a known log, which signed it. `note` has only lines of that log's keys."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: Note


@dataclass(frozen=True, slots=True)
class Cosign:
    """The decision to sign `checkpoint`, after the state has moved from exactly `before` to `after`."""

    checkpoint: Checkpoint
    before: State
    after: State


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that is not cosigned."""

    status: int
    body: str
    content_type: str = TEXT


@dataclass(frozen=True, slots=True)
class WitnessSigner:
    """A witness's private keys under its name: Ed25519, which all clients know, and ML-DSA-44 or None."""

    name: str
    ed25519: NoteSigner
    mldsa: NoteSigner | None = None

    @property
    def keys(self) -> list[NoteKey]:
        """The public keys."""
        first = Ed25519Cosigner(self.name, self.ed25519.public)
        return [first] if self.mldsa is None else [first, MldsaCosigner(self.name, self.mldsa.public)]

    def cosign(self, checkpoint: Checkpoint, time: int) -> tuple[SignatureLine, ...]:
        """The lines with the time `time`, in seconds since the epoch, at which no larger tree was known.

        A checkpoint with extension lines gets no ML-DSA-44 line, because that kind of signature does not
        cover them, and other verifiers refuse such a note.
        """
        lines = [Ed25519CosignatureSigner(self.name, self.ed25519, lambda: time).line(checkpoint.text)]
        if self.mldsa is not None and not checkpoint.extensions:
            second = MldsaCosignatureSigner(self.name, self.mldsa, lambda: time)
            lines.append(second.line(checkpoint.text))
        return tuple(lines)


def origin_hash(origin: str) -> str:
    """The name of a log in the paths of its cosigned checkpoints: the SHA-256 of its origin in hex."""
    return sha256(origin.encode("utf-8")).hex()


def render_request(request: CheckpointRequest) -> bytes:
    """The body to post."""
    lines = [f"old {request.old}", *(b64(hash_) for hash_ in request.proof), ""]
    return "".join(f"{line}\n" for line in lines).encode("ascii") + request.note


def parse_request(body: bytes) -> CheckpointRequest:
    """The request in a body; raises `Malformed`. The note is not parsed."""
    if len(body) > MAX_REQUEST:
        raise Malformed(f"an add-checkpoint request has at most {MAX_REQUEST} bytes")
    head, blank, note = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("the lines before the checkpoint are not ASCII") from error
    old = _OLD.fullmatch(lines[0])
    if not blank or not old:
        raise Malformed(
            "a request must be the line `old <size>`, lines of proof, an empty line, and a checkpoint"
        )
    if len(lines) - 1 > MAX_PATH:
        raise Malformed(f"a consistency proof has at most {MAX_PATH} lines")
    proof = tuple(unb64(line, "a line of the proof") for line in lines[1:])
    if any(len(hash_) != HASH_LENGTH for hash_ in proof):
        raise Malformed("a line of the proof is not a hash of 32 bytes")
    return CheckpointRequest(int(old[1]), proof, note)


def admit(body: bytes, logs: Mapping[str, Sequence[NoteKey]]) -> KnownRequest | Refusal:
    """Check a request without the state: its form (400), the log (404), the signature (403), the old size
    (400).

    `logs` has the trusted keys of each known log by origin.
    """
    try:
        request = parse_request(body)
        checkpoint = parse_checkpoint(parse_note(request.note).text)
    except (Malformed, IntegrityFault) as error:
        return Refusal(400, f"{error.message}\n")
    keys = logs.get(checkpoint.origin)
    if not keys:
        return Refusal(404, "this witness does not know the log of that origin\n")
    try:
        note = open_note(request.note, keys)
    except NoteFault as fault:
        return Refusal(403, f"{fault.message}\n")
    if request.old > checkpoint.size:
        return Refusal(
            400, f"the old size {request.old} is larger than the checkpoint's, {checkpoint.size}\n"
        )
    return KnownRequest(request.old, request.proof, checkpoint, note)


def judge(admitted: KnownRequest, state: State) -> Cosign | Refusal:
    """Compare a request with the last cosigned checkpoint: the old size (409), the root (409), the proof
    (422).

    A 409 about the size names the known size. A 409 about the root does not, so that no client starts again
    from a size at which it has another tree.
    """
    new = admitted.checkpoint
    if admitted.old != state.size:
        return Refusal(409, f"{state.size}\n", SIZE)
    if new.size == state.size > 0 and new.root != state.root:
        return Refusal(409, f"another root was cosigned for the size {new.size}\n")
    try:
        verify_consistency(state.size, state.root, new.size, new.root, admitted.proof)
    except ConsistencyFault as fault:
        return Refusal(422, f"{fault.message}\n")
    return Cosign(new, state, State(new.size, new.root))
