"""Acts: from revisions to their leaves, root and paths, and to the payload of the event.

The caller hands in nonces, ids, numbers and the time. The store writes the result, and the operator's command
posts it, so that both make the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from carevouch.events.catalogue import CATALOGUE, may_write
from carevouch.events.envelope import MAX_COUNT, event_payload
from carevouch.kernel.canonical import JsonObject, jcs
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import IntegrityFault, TooLarge
from carevouch.kernel.ids import Doc
from carevouch.ledger.merkle import leaf_hash, node_hash, root

NONCE_BYTES = 32
COMMIT_TAG = b"carevouch.body.v1\n"


def commit(nonce: bytes, body: bytes) -> bytes:
    """The 32-byte commitment to `body`."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError("the nonce of a body has 32 bytes")
    return sha256(COMMIT_TAG + nonce + body)


def leaf(doc: Doc, version: int, prev: bytes | None, commitment: bytes) -> bytes:
    """The canonical bytes of a leaf; `prev` is the leaf hash of the document's previous revision."""
    return jcs(
        {
            "v": 1,
            "doc": str(doc),
            "version": version,
            "prev": None if prev is None else b64u(prev),
            "commit": b64u(commitment),
        }
    )


@dataclass(frozen=True, slots=True)
class Revision:
    """One immutable version of a document. `prev` is the leaf hash of the version before it."""

    doc: Doc
    version: int
    prev: bytes | None
    nonce: bytes
    body: bytes

    @property
    def leaf_hash(self) -> bytes:
        """The hash by which the event commits to this revision."""
        return leaf_hash(leaf(self.doc, self.version, self.prev, commit(self.nonce, self.body)))


@dataclass(frozen=True, slots=True)
class Act:
    """The revisions of one act, their leaf hashes, the act's root, and each leaf's path to it."""

    revisions: tuple[Revision, ...]
    leaf_hashes: tuple[bytes, ...]
    paths: tuple[tuple[bytes, ...], ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class EventFacts:
    """The members of an event, except its root and count."""

    id: str
    type: str
    producer: str
    n: int
    epoch: int
    time: str
    seal_by: str
    tags: tuple[bytes, ...]
    contract: str | None = None


def assemble(revisions: Sequence[Revision]) -> Act:
    """The act of these revisions, in this order; raises `TooLarge` if there are too many for one act."""
    if not revisions or len(revisions) > MAX_COUNT:
        raise TooLarge(f"an act has 1 to {MAX_COUNT} documents; split it into several")
    hashes = tuple(revision.leaf_hash for revision in revisions)
    paths = inclusion_paths(hashes)
    return Act(tuple(revisions), hashes, paths, root(hashes))


def payload_of(act: Act, facts: EventFacts) -> JsonObject:
    """The payload of the act's event; raises `IntegrityFault` if the write matrix forbids a revision."""
    check_matrix(act.revisions, facts.type, facts.producer)
    return event_payload(
        id=facts.id,
        type=facts.type,
        producer=facts.producer,
        n=facts.n,
        epoch=facts.epoch,
        time=facts.time,
        seal_by=facts.seal_by,
        count=len(act.revisions),
        root=act.root,
        tags=facts.tags,
        contract=facts.contract,
    )


def check_matrix(revisions: Sequence[Revision], event_type: str, producer: str) -> None:
    """Raise `IntegrityFault` unless `producer` may sign this type and the type may hold these revisions."""
    kind = CATALOGUE.get(event_type)
    if kind is None or producer not in kind.producers:
        raise IntegrityFault(f"{producer} may not sign {event_type}")
    for revision in revisions:
        if not may_write(event_type, revision.doc.type, revision.version):
            raise IntegrityFault(f"{event_type} may not write {revision.doc.type} version {revision.version}")


def inclusion_paths(hashes: Sequence[bytes]) -> tuple[tuple[bytes, ...], ...]:
    """The RFC 6962 inclusion paths of all leaves, in n log n steps instead of n squared."""
    paths: list[list[bytes]] = [[] for _ in hashes]

    def walk(low: int, high: int) -> bytes:
        if high - low == 1:
            return hashes[low]
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        left, right = walk(low, middle), walk(middle, high)
        for index in range(low, high):
            paths[index].append(right if index < middle else left)
        return node_hash(left, right)

    walk(0, len(hashes))
    return tuple(tuple(path) for path in paths)
