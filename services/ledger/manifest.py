"""The manifest of a batch: all that applying it needs, staged in one object before the commit. Pure.

Its name holds the size and root it leads to and the hash of its bytes; its content is not trusted: read back,
it must lead from an edge to exactly the head that was committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.ports import HeadWentBack
from shared.events.sealing import Head, Mark, Plan
from shared.kernel.canonical import jcs, parse_jcs
from shared.kernel.encoding import b64u, sha256, unb64u
from shared.kernel.ids import Key
from shared.ledger.checkpoint import LogName
from shared.ledger.merkle import Edge, leaf_hash

# A listing by name is a listing by size.
_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed rejection and the row it is put beside."""

    key: Key
    seal: str


@dataclass(frozen=True, slots=True)
class Settled:
    """An event row that this batch settles, for the sweeper's cursors."""

    key: Key
    kid: str
    n: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A staged batch: the edge before, what is appended, what is noted beside it, and the head after."""

    before: Edge
    entries: tuple[bytes, ...]
    marks: tuple[Mark, ...]
    answers: tuple[Answer, ...]
    settled: tuple[Settled, ...]
    head: Head


def manifest_of(before: Edge, plan: Plan, answers: Sequence[Answer], settled: Sequence[Settled]) -> Manifest:
    """The manifest of a planned batch."""
    return Manifest(before, plan.entries, plan.marks, tuple(answers), tuple(settled), plan.head)


def name_of(manifest: Manifest, data: bytes) -> str:
    """Where the manifest is staged: content-addressed, so that two batches never share a name."""
    edge = manifest.head.edge
    return f"{manifest.head.log}/staging/{edge.size:0{_DIGITS}d}-{edge.root().hex()}-{sha256(data).hex()}"


def commit_name(log: LogName, first: int) -> str:
    """The record that says which manifest continued a tree of `first` entries: there is only ever one."""
    return f"{log}/commits/{first:0{_DIGITS}d}"


def render(manifest: Manifest) -> bytes:
    """The bytes that are staged."""
    head = manifest.head
    return jcs(
        {
            "v": 1,
            "log": head.log,
            "before": _edge_json(manifest.before),
            "entries": [entry.decode("ascii") for entry in manifest.entries],
            "marks": [[mark.key, mark.index, b64u(mark.leaf)] for mark in manifest.marks],
            "answers": [[answer.key.pk, answer.key.sk, answer.seal] for answer in manifest.answers],
            "settled": [[item.key.pk, item.key.sk, item.kid, item.n] for item in manifest.settled],
            "after": {
                **_edge_json(head.edge),
                "block": head.block,
                "prev": None if head.prev is None else b64u(head.prev),
                "time": head.time,
            },
        }
    )


def parse(name: str, data: bytes) -> Manifest:
    """The manifest staged under `name`; raises `HeadWentBack` if it is not what its name says.

    Checks that appending its entries to its edge gives its head; whether that head is the committed one is
    for the caller to compare.
    """
    value = parse_jcs(data, "the manifest")
    after = value["after"]
    prev = None if after["prev"] is None else unb64u(after["prev"])
    head = Head(value["log"], _edge(after), after["block"], prev, after["time"])
    manifest = Manifest(
        _edge(value["before"]),
        tuple(text.encode("ascii") for text in value["entries"]),
        tuple(Mark(key, index, unb64u(leaf)) for key, index, leaf in value["marks"]),
        tuple(Answer(Key(pk, sk), seal) for pk, sk, seal in value["answers"]),
        tuple(Settled(Key(pk, sk), kid, n) for pk, sk, kid, n in value["settled"]),
        head,
    )
    leaves = [leaf_hash(entry) for entry in manifest.entries]
    if name_of(manifest, data) != name or manifest.before.extended(leaves) != head.edge:
        raise HeadWentBack(f"the staged batch {name} is not what its name says")
    return manifest


def _edge_json(edge: Edge) -> dict[str, object]:
    return {"size": edge.size, "edge": [b64u(hash_) for hash_ in edge.hashes]}


def _edge(value: dict[str, object]) -> Edge:
    hashes, size = value["edge"], value["size"]
    if not isinstance(hashes, list) or not isinstance(size, int):
        raise HeadWentBack("the staged batch has no edge")
    return Edge(size, tuple(unb64u(str(item)) for item in hashes))
