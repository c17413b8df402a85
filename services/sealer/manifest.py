"""The manifest of a batch: all that applying it needs, staged in one object before the commit. Pure.

Its name holds the size and root it leads to and the hash of its first line, which together fix every byte of
it. Its content is not trusted: read back, it must lead from an edge to exactly the head that was committed.
Only the sealer reads the format: a line of JSON, then the entries as a bundle of C2SP tlog-tiles, to which
the root commits. Two sealers may write the same batch differently, and each manifest is right under its own
hash.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from carevouch.events.envelope import Event
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.ids import Key
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.merkle import Edge, Growth, leaf_hashes
from carevouch.ledger.tiles import TileFault, join_bundle, split_bundle
from carevouch.sealing.marks import Head, Mark, marks_of
from carevouch.sealing.plan import BatchPlan
from carevouch.store.log.ports import HeadWentBack

# The version of the line. A batch that another version staged is not continued.
VERSION = 3
# With leading zeros, a listing by name is a listing by size.
_DIGITS = 20


@dataclass(frozen=True, slots=True)
class RejectionAnswer:
    """A signed rejection, and the key of the row that will hold it."""

    key: Key
    seal: str


@dataclass(frozen=True, slots=True)
class SettledNumbers:
    """Numbers of one key, `low` to `high`, that this batch settles; for the sweep's cursors."""

    kid: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A staged batch: the edge before, the new entries, the notes beside them, and the head after.

    `keys` are the keys of the entries' marks, in the order of the entries. `growth` is how the tree grows.
    """

    before: Edge
    entries: tuple[bytes, ...]
    keys: tuple[str, ...]
    answers: tuple[RejectionAnswer, ...]
    settled: tuple[SettledNumbers, ...]
    head: Head
    growth: Growth = field(repr=False)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks of the entries."""
        return marks_of(self.keys, self.growth, self.head)


def manifest_of(plan: BatchPlan, answers: Sequence[RejectionAnswer]) -> Manifest:
    """The manifest of a planned batch."""
    settled, before = settled_by(plan.events), plan.growth.before
    return Manifest(before, plan.entries, plan.keys, tuple(answers), settled, plan.head, plan.growth)


def settled_by(events: Sequence[Event]) -> tuple[SettledNumbers, ...]:
    """The numbers of these events as runs. The events are in the order of entries: by key and number."""
    runs: list[SettledNumbers] = []
    kid, low, high = "", 0, 0
    for event in events:
        if event.kid == kid and event.n == high + 1:
            high = event.n
            continue
        if high:
            runs.append(SettledNumbers(kid, low, high))
        kid, low, high = event.kid, event.n, event.n
    return (*runs, SettledNumbers(kid, low, high)) if high else ()


def name_of(manifest: Manifest, data: bytes) -> str:
    """The name under which the manifest is staged. It depends on the content, so two batches never share it.

    All lie below one folder. The bucket deletes its files after the days in which a table can be restored.
    """
    edge, line = manifest.head.edge, data[: data.find(b"\n")]
    return f"staging/{manifest.head.log}/{edge.size:0{_DIGITS}d}-{edge.root().hex()}-{sha256(line).hex()}"


def commit_name(log: LogName, first: int) -> str:
    """The record that names the only manifest that ever continued a tree of `first` entries."""
    return f"{log}/commits/{first:0{_DIGITS}d}"


def render(manifest: Manifest) -> bytes:
    """The bytes that are staged."""
    head = manifest.head
    line = json.dumps(
        {
            "v": VERSION,
            "log": head.log,
            "before": _edge_json(manifest.before),
            "keys": manifest.keys,
            "answers": [[answer.key.pk, answer.key.sk, answer.seal] for answer in manifest.answers],
            "settled": [[item.kid, item.low, item.high] for item in manifest.settled],
            "after": {
                **_edge_json(head.edge),
                "block": head.block,
                "prev": None if head.prev is None else b64u(head.prev),
                "time": head.time,
                "rejections": head.rejections,
            },
        },
        separators=(",", ":"),
    )
    return line.encode("ascii") + b"\n" + join_bundle(manifest.entries)


def parse(name: str, data: bytes) -> Manifest:
    """The manifest staged under `name`. Raises `HeadWentBack` if its bytes do not match the name.

    It checks that appending the entries to the edge gives the head. The caller must check that this head is
    the committed one.
    """
    changed = HeadWentBack(f"the staged batch {name} is not what its name says")
    line, _, bundle = data.partition(b"\n")
    if not name.endswith(sha256(line).hex()):
        raise changed
    value = json.loads(line)
    if value["v"] != VERSION:
        raise HeadWentBack(f"the staged batch {name} is of version {value['v']}, not {VERSION}")
    try:
        entries = tuple(split_bundle(bundle))
    except TileFault as fault:
        raise changed from fault
    before, after = _edge(value["before"]), value["after"]
    prev = None if after["prev"] is None else unb64u(after["prev"])
    growth = before.grown(leaf_hashes(entries))
    manifest = Manifest(
        before,
        entries,
        tuple(value["keys"]),
        tuple(RejectionAnswer(Key(pk, sk), seal) for pk, sk, seal in value["answers"]),
        tuple(SettledNumbers(*item) for item in value["settled"]),
        Head(value["log"], _edge(after), after["block"], prev, after["time"], after["rejections"]),
        growth,
    )
    if name_of(manifest, data) != name or growth.edge != manifest.head.edge:
        raise changed
    return manifest


def _edge_json(edge: Edge) -> dict[str, object]:
    return {"size": edge.size, "edge": [b64u(hash_) for hash_ in edge.hashes]}


def _edge(value: dict[str, object]) -> Edge:
    hashes, size = value["edge"], value["size"]
    if not isinstance(hashes, list) or not isinstance(size, int):
        raise HeadWentBack("the staged batch has no edge")
    return Edge(size, tuple(unb64u(str(item)) for item in hashes))
