"""The edges of the logs that an auditing cosigner has followed, and the next step from there.

Every witness knows that the super-log only grew. This one also reads the strand checkpoints in it. The
strand must have signed each, no size may shrink, and one size has one root. The strand's entries must be
available, and lead from the last tree to the signed root. So the cosignature means that no strand was
rewritten, and that every entry was available.

The watch keeps an edge per log: a few hundred bytes each, 2 KB at most, so that all fit into one row of a
table. `follow` verifies every edge under a signed checkpoint, even if it stops half-way, so that its result
can be stored and continued later. `carevouch audit` checks the content of entries.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from carevouch.kernel.canonical import JsonObject, is_whole, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.checkpoint import MAX_STRANDS, SUPER, Checkpoint, LogName, log_origin
from carevouch.ledger.logkeys import LogKeys
from carevouch.ledger.merkle import (
    EMPTY_ROOT,
    HASH_LENGTH,
    ConsistencyFault,
    Edge,
    consistency_proof,
    leaf_hashes,
    verify_consistency,
)
from carevouch.ledger.superlog import StrandHead, parse_super_entry
from carevouch.ledger.tiles import ENTRIES, WIDTH, Tile, TileFault, TileReader, split_bundle, tile_at

# The largest whole number of canonical JSON, which no log of ours will reach.
MAX_SIZE = 2**53 - 1
# The number of bundles that are fetched at once. In memory each has usually 100 KB, and at most 17 MB.
AHEAD = 32

# Reads public files of a deployment by their paths ("super/tile/0/000", "3/tile/entries/000"); None where
# there is none.
Read = Callable[[Sequence[str]], Sequence[bytes | None]]
# Says whether this step has done enough.
Enough = Callable[[], bool]


class AuditFault(IntegrityFault):
    """A finding. `code` is one of those of `carevouch audit`: shrunk, fork, root, missing, entry,
    checkpoint."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment: the origin of its logs, the Ed25519 key that signs them, and their files."""

    origin: str
    keys: LogKeys
    read: Read


@dataclass(frozen=True, slots=True)
class Watch:
    """The edge of the super-log (`above`) at the last followed entry, and the edge of each strand there.

    `size` and `root` are those of the signed checkpoint under which `above` was verified. It may be of a
    larger tree, if the last step ended early.
    """

    above: Edge = field(default_factory=Edge)
    strands: Mapping[int, Edge] = field(default_factory=dict)
    size: int = 0
    root: bytes = EMPTY_ROOT

    def strand(self, number: int) -> Edge:
        """The strand's edge; it is empty if the super-log has not named the strand yet."""
        return self.strands.get(number, Edge())

    def grown(self, number: int, edge: Edge) -> "Watch":
        """This watch with another edge of one strand; raises `AuditFault` if there are too many strands."""
        if number not in self.strands and len(self.strands) >= MAX_STRANDS:
            raise AuditFault("checkpoint", f"the super-log names more than {MAX_STRANDS} strands")
        return replace(self, strands={**self.strands, number: edge})


def render_watch(watch: Watch) -> bytes:
    """The stored form of the watch."""
    strands = {f"{number}": _edge_json(edge) for number, edge in watch.strands.items()}
    signed: JsonObject = {"size": watch.size, "root": b64u(watch.root)}
    return jcs({"v": 1, "above": _edge_json(watch.above), "signed": signed, "strands": strands})


def parse_watch(data: bytes) -> Watch:
    """The stored watch; raises `Malformed`. A broken one is never read as empty, which would forget every
    tree."""
    whole = parse_jcs(data, "the state of the audit")
    if set(whole) != {"v", "above", "signed", "strands"} or whole["v"] != 1:
        raise Malformed("the state of the audit is not of version 1")
    signed, strands = whole["signed"], whole["strands"]
    if not isinstance(strands, dict) or not all(name.isascii() and name.isdigit() for name in strands):
        raise Malformed("a strand in the state of the audit has no number")
    if (
        not isinstance(signed, dict)
        or set(signed) != {"size", "root"}
        or not is_whole(signed["size"], 0, MAX_SIZE)
    ):
        raise Malformed("the state of the audit does not say under which checkpoint it was verified")
    edges = {int(name): _edge(value) for name, value in strands.items()}
    return Watch(_edge(whole["above"]), edges, signed["size"], _hash(signed["root"]))


def follow(watch: Watch, checkpoint: Checkpoint, deployment: Deployment, enough: Enough) -> Watch:
    """Follow the super-log up to its verified `checkpoint`, or until `enough` says so.

    The log is followed to its end if the result's `above.size` is at least the checkpoint's. At least one
    bundle is read before `enough` is called, so every call makes progress. Raises `AuditFault`, and the
    errors of `read`.
    """
    if checkpoint.size > MAX_SIZE:
        raise AuditFault("checkpoint", f"{checkpoint.origin} says that it has {checkpoint.size} entries")
    if watch.above.size >= checkpoint.size:
        signed = Checkpoint(checkpoint.origin, watch.size, watch.root)
        _Files(deployment).check_part(SUPER, checkpoint, signed, "fork")
        return watch
    while watch.above.size < checkpoint.size:
        watch = _Bundle(watch, checkpoint, deployment).follow(enough)
        if enough():
            break
    return watch


def proof_between(deployment: Deployment, old: int, size: int) -> list[bytes]:
    """The consistency proof of the super-log from `old` to `size`, not verified, for `add-checkpoint`.

    Raises `AuditFault` (a tile is missing or of the wrong length, or the log was larger before).
    """
    try:
        return _Files(deployment).proof(SUPER, old, size)
    except ConsistencyFault as fault:
        raise AuditFault("shrunk", fault.message) from fault
    except TileFault as fault:
        raise AuditFault("tile", fault.message) from fault


class _Bundle:
    """The entries of the super-log from the last one seen to the end of its bundle."""

    def __init__(self, watch: Watch, checkpoint: Checkpoint, deployment: Deployment) -> None:
        self._watch = watch
        self._checkpoint = checkpoint
        self._files = _Files(deployment)
        above = watch.above
        number, start = divmod(above.size, WIDTH)
        entries = self._files.entries(SUPER, number, checkpoint.size)[start:]
        self._leaves = leaf_hashes(entries)
        after = above.extended(self._leaves)
        part = Checkpoint(checkpoint.origin, after.size, after.root())
        # First check that the entries are the signed ones. Only then may their content be a finding.
        self._files.check_part(SUPER, part, checkpoint, "root")
        self._heads = [self._head(entry, deployment, above.size + at) for at, entry in enumerate(entries)]
        # The largest size of each strand in this bundle, at which its files are read. The last one may be
        # smaller.
        self._horizon: dict[int, int] = {}
        for head in self._heads:
            self._horizon[head.strand] = max(head.checkpoint.size, self._horizon.get(head.strand, 0))

    def follow(self, enough: Enough) -> Watch:
        """Follow each strand through its checkpoints in order."""
        watch = replace(self._watch, size=self._checkpoint.size, root=self._checkpoint.root)
        self._files.ahead(
            (strand, tile_at(ENTRIES, number, size))
            for strand, size in self._horizon.items()
            for number in range(self._watch.strand(strand).size // WIDTH, -(-size // WIDTH))
        )
        for head, leaf in zip(self._heads, self._leaves, strict=True):
            edge = self._grown(watch.strand(head.strand), head, enough)
            watch = watch.grown(head.strand, edge)
            if edge.size < head.checkpoint.size:
                break
            watch = replace(watch, above=watch.above.extended([leaf]))
            if enough():
                break
        return watch

    def _grown(self, edge: Edge, head: StrandHead, enough: Enough) -> Edge:
        """The edge after the entries up to the head, or up to the end of this step."""
        target = head.checkpoint
        if target.size < edge.size:
            message = f"{target.origin} had {edge.size} entries and is then listed with {target.size}"
            raise AuditFault("shrunk", message)
        if target.size == edge.size and target.root != edge.root():
            raise AuditFault("fork", f"{target.origin} is listed with two roots for the size {target.size}")
        while edge.size < target.size:
            number, start = divmod(edge.size, WIDTH)
            entries = self._files.entries(head.strand, number, self._horizon[head.strand])
            edge = edge.extended(leaf_hashes(entries[start : start + target.size - edge.size]))
            if edge.size < target.size and enough():
                part = Checkpoint(target.origin, edge.size, edge.root())
                self._files.check_part(head.strand, part, target, "root")
                return edge
        if edge.root() != target.root:
            message = f"the entries of {target.origin} do not lead to the root signed at {target.size}"
            raise AuditFault("root", message)
        return edge

    @staticmethod
    def _head(entry: bytes, deployment: Deployment, index: int) -> StrandHead:
        try:
            return parse_super_entry(entry, deployment.origin, deployment.keys)
        except IntegrityFault as fault:
            raise AuditFault("checkpoint", f"entry {index} of the super-log: {fault.message}") from fault


class _Files:
    """The public files of a deployment. Each bundle is fetched once and split into entries."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._bundles: dict[tuple[LogName, Tile], list[bytes]] = {}

    def ahead(self, wanted: Iterator[tuple[LogName, Tile]]) -> None:
        """Fetch the first of these bundles, all at once."""
        first = [item for item, _ in zip(wanted, range(AHEAD), strict=False)]
        for (log, tile), data in zip(first, self._fetch(first), strict=True):
            self._bundles[log, tile] = _split(data, log, tile)

    def entries(self, log: LogName, number: int, size: int) -> list[bytes]:
        """The entries of bundle `number` of a log of that size; raises `AuditFault`."""
        tile = tile_at(ENTRIES, number, size)
        if (log, tile) not in self._bundles:
            # A log is read from its beginning to its end, so its earlier bundles are no longer needed.
            self._bundles = {held: value for held, value in self._bundles.items() if held[0] != log}
            later = range(number, min(number + AHEAD, -(-size // WIDTH)))
            self.ahead((log, tile_at(ENTRIES, at, size)) for at in later)
        return self._bundles[log, tile]

    def check_part(self, log: LogName, part: Checkpoint, whole: Checkpoint, code: str) -> None:
        """Raise `AuditFault` unless the tree `part` is the beginning of the tree `whole` of that log."""
        try:
            proof = self.proof(log, part.size, whole.size)
            verify_consistency(part.size, part.root, whole.size, whole.root, proof)
        except (ConsistencyFault, TileFault) as fault:
            origin = log_origin(self._deployment.origin, log)
            message = f"{origin} at {part.size} is not the beginning of it at {whole.size}: {fault.message}"
            raise AuditFault(code, message) from fault

    def proof(self, log: LogName, old: int, size: int) -> list[bytes]:
        """The consistency proof between two sizes of a log; raises `ConsistencyFault`, `TileFault`."""
        reader = TileReader(size, lambda tiles: self._fetch([(log, tile) for tile in tiles]))
        return consistency_proof(reader, old, size)

    def _fetch(self, wanted: Sequence[tuple[LogName, Tile]]) -> list[bytes]:
        """The files. If a partial tile is gone because it became full, the full one is read."""
        found = self._read(wanted)
        gone = [at for at, (_, tile) in enumerate(wanted) if found[at] is None and tile.width < WIDTH]
        full = [(wanted[at][0], Tile(wanted[at][1].level, wanted[at][1].index)) for at in gone]
        for at, data in zip(gone, self._read(full), strict=True):
            found[at] = data
        return [self._there(data, *item) for data, item in zip(found, wanted, strict=True)]

    def _read(self, wanted: Sequence[tuple[LogName, Tile]]) -> list[bytes | None]:
        paths = [f"{log}/{tile.path}" for log, tile in wanted]
        return list(self._deployment.read(paths)) if paths else []

    def _there(self, data: bytes | None, log: LogName, tile: Tile) -> bytes:
        if data is None:
            origin = log_origin(self._deployment.origin, log)
            raise AuditFault("missing", f"{tile.path} of {origin} is missing")
        return data if tile.level == ENTRIES else data[: tile.width * HASH_LENGTH]


def _split(data: bytes, log: LogName, tile: Tile) -> list[bytes]:
    """The first `width` entries of a bundle."""
    path = f"{tile.path} of log {log}"
    try:
        entries = split_bundle(data, path)
    except TileFault as fault:
        raise AuditFault("entry", fault.message) from fault
    if len(entries) < tile.width:
        raise AuditFault("entry", f"{path} holds {len(entries)} entries")
    return entries[: tile.width]


def _edge_json(edge: Edge) -> JsonObject:
    return {"size": edge.size, "hashes": [b64u(hash_) for hash_ in edge.hashes]}


def _edge(value: Any) -> Edge:
    if (
        not isinstance(value, dict)
        or set(value) != {"size", "hashes"}
        or not is_whole(value["size"], 0, MAX_SIZE)
    ):
        raise Malformed("an edge in the state of the audit does not have exactly a size and hashes")
    hashes = tuple(_hash(text) for text in value["hashes"])
    if len(hashes) != value["size"].bit_count():
        raise Malformed("an edge in the state of the audit does not have the number of hashes of its size")
    return Edge(value["size"], hashes)


def _hash(text: Any) -> bytes:
    data = unb64u(text, "a hash in the state of the audit") if isinstance(text, str) else b""
    if len(data) != HASH_LENGTH:
        raise Malformed("a hash in the state of the audit does not have 32 bytes")
    return data
