"""The decision of a witness: C2SP tlog-witness, `add-checkpoint` (https://c2sp.org/tlog-witness). Pure.

A witness cosigns a checkpoint only if it continues the last one that it cosigned of that log. `admit` reads
a request and judges what needs no memory; `judge` compares it with the state kept for the log, the size and
root that were cosigned last. Both answer with a value: a refusal is an answer too, with the status that the
protocol gives it. The caller that acts on `Cosign` must first replace exactly `before` by `after` where the
state is kept, and only then sign. Otherwise two requests that meet could roll a log back.
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
# How a witness says which size it cosigned last; no other answer has this type.
SIZE = "text/x.tlog.size"
# 63 lines of proof and a checkpoint with 16 signatures of the longest kind that is in sight (5 KB each).
MAX_REQUEST = 128 * 1024
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class State:
    """The state of a log: size and root of the last checkpoint that the witness cosigned; at first, empty."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class CheckpointRequest:
    """One `add-checkpoint`: the size the client takes to be known, the proof from it, the signed note."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """A request about a known log, signed by it; `note` holds only lines of that log's keys."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: Note


@dataclass(frozen=True, slots=True)
class Cosign:
    """Sign `checkpoint`, once the state is moved from exactly `before` to `after`."""

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
        """The public half."""
        first = Ed25519Cosigner(self.name, self.ed25519.public)
        return [first] if self.mldsa is None else [first, MldsaCosigner(self.name, self.mldsa.public)]

    def cosign(self, checkpoint: Checkpoint, time: int) -> tuple[SignatureLine, ...]:
        """The lines, dated `time` (seconds since the epoch), an instant at which nothing larger was known.

        A checkpoint with extension lines gets no ML-DSA-44 line: that kind does not sign them, and other
        people's verifiers refuse a note in which it seems to.
        """
        lines = [Ed25519CosignatureSigner(self.name, self.ed25519, lambda: time).line(checkpoint.text)]
        if self.mldsa is not None and not checkpoint.extensions:
            second = MldsaCosignatureSigner(self.name, self.mldsa, lambda: time)
            lines.append(second.line(checkpoint.text))
        return tuple(lines)


def origin_hash(origin: str) -> str:
    """The name of a log where its cosigned checkpoints are read: SHA-256 of its origin in hex."""
    return sha256(origin.encode("utf-8")).hex()


def render_request(request: CheckpointRequest) -> bytes:
    """The body to be posted."""
    lines = [f"old {request.old}", *(b64(hash_) for hash_ in request.proof), ""]
    return "".join(f"{line}\n" for line in lines).encode("ascii") + request.note


def parse_request(body: bytes) -> CheckpointRequest:
    """The request that a body spells; raises `Malformed`. The note is not looked at."""
    if len(body) > MAX_REQUEST:
        raise Malformed(f"an add-checkpoint request is at most {MAX_REQUEST} bytes long")
    head, blank, note = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("the lines before the checkpoint are not ASCII") from error
    old = _OLD.fullmatch(lines[0])
    if not blank or not old:
        raise Malformed("a request is the line `old <size>`, lines of proof, an empty line, and a checkpoint")
    if len(lines) - 1 > MAX_PATH:
        raise Malformed(f"a consistency proof has at most {MAX_PATH} lines")
    proof = tuple(unb64(line, "a line of the proof") for line in lines[1:])
    if any(len(hash_) != HASH_LENGTH for hash_ in proof):
        raise Malformed("a line of the proof is not a hash of 32 bytes")
    return CheckpointRequest(int(old[1]), proof, note)


def admit(body: bytes, logs: Mapping[str, Sequence[NoteKey]]) -> KnownRequest | Refusal:
    """Judge what needs no memory: the form (400), the log (404), its signature (403), the old size (400).

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
    """Compare with what the witness cosigned last: the old size (409), the root (409), the proof (422).

    A 409 about the size says which one is known; one about the root does not, lest a client begins again
    from a size at which it holds another tree.
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
