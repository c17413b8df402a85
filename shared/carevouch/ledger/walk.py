"""Reads a whole log, from its first entry to its last, and compares every tile with the entries.

The tree is computed from the entries alone. The stored tiles, the signed root and all known earlier roots are
compared with it. Findings are data, and a walk goes on after a fault, because the whole list tells more than
the first fault. To a walk an entry is only bytes; its callers parse it.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.merkle import HASH_LENGTH, Edge, leaf_hashes, root
from carevouch.ledger.tiles import ENTRIES, WIDTH, Tile, TileFault, split_bundle, split_tile, tile_at

# Reads one public file of a log by its path below the log ("checkpoint", "tile/0/000"); None if absent.
Read = Callable[[str], bytes | None]
# Takes the number of entries that were read, and the number of all entries.
Progress = Callable[[int, int], None]
# The limit of findings of one code. So a code with very many findings does not hide those of another.
MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: a stable code, its place, and a sentence."""

    code: str
    where: str
    message: str


@dataclass
class Findings:
    """A collection of findings."""

    findings: list[Finding] = field(default_factory=list, kw_only=True)
    counted: Counter[str] = field(default_factory=Counter, kw_only=True)

    def find(self, code: str, where: str, message: str) -> None:
        """Add a finding, up to the limit of its code. `counted` counts all of them."""
        self.counted[code] += 1
        if self.counted[code] <= MAX_FINDINGS:
            self.findings.append(Finding(code, where, message))


@dataclass(frozen=True, slots=True)
class KnownRoot:
    """A root that the log had at an earlier size. If it does not match, `finding` is reported."""

    size: int
    root: bytes
    finding: Finding


class Walk:
    """Goes through the entries in order, bundle by bundle.

    At the end, `whole` says whether it read all entries, and `signed` whether they have the signed root.
    """

    def __init__(
        self,
        head: Checkpoint,
        read: Read,
        to: Findings,
        known: Sequence[KnownRoot],
        progress: Progress | None,
    ) -> None:
        """`head` is the signed checkpoint. `known` are roots of earlier sizes."""
        self.whole = self.signed = False
        self._head = head
        self._read = read
        self._to = to
        reached = [one for one in known if one.size <= head.size]
        self._known = deque(sorted(reached, key=lambda one: one.size))
        self._progress = progress
        self._tree = _Tree(read, to)

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Each entry and its leaf hash."""
        size = self._head.size
        for number in range(-(-size // WIDTH)):
            bundle = self._bundle(tile_at(ENTRIES, number, size))
            if bundle is None:
                return
            hashes = leaf_hashes(bundle)
            self._compare_known(hashes)
            self._tree.add(hashes)
            yield from zip(bundle, hashes, strict=True)
            if self._progress is not None:
                self._progress(self._tree.edge.size, size)
        self.whole = True
        self._tree.finish()
        self.signed = self._tree.tell(self._head)

    def _bundle(self, tile: Tile) -> list[bytes] | None:
        data = self._read(tile.path)
        if data is None:
            self._to.find("missing", tile.path, "the entries are missing; nothing after them was checked")
            return None
        try:
            entries = split_bundle(data, tile.path)
        except TileFault as fault:
            self._to.find("entry", tile.path, fault.message)
            return None
        if len(entries) != tile.width:
            message = f"the bundle holds {len(entries)} entries, not {tile.width}"
            self._to.find("entry", tile.path, message)
            return None
        return entries

    def _compare_known(self, hashes: Sequence[bytes]) -> None:
        start, edge = self._tree.edge.size, self._tree.edge
        while self._known and self._known[0].size <= start + len(hashes):
            known = self._known.popleft()
            edge = edge.extended(hashes[edge.size - start : known.size - start])
            if edge.root() != known.root:
                self._to.find(known.finding.code, known.finding.where, known.finding.message)


class _Tree:
    """Computes the tree from entries, and compares every stored tile with it."""

    def __init__(self, read: Read, to: Findings) -> None:
        self._to = to
        self._read = read
        self._rows: list[list[bytes]] = [[]]
        self._counts: list[int] = [0]
        self._odd: list[tuple[Tile, list[int]]] = []
        self.edge = Edge()

    def add(self, hashes: Sequence[bytes]) -> None:
        """Append the leaves of one bundle."""
        self.edge = self.edge.extended(hashes)
        self._add(0, hashes)

    def finish(self) -> None:
        """Compare the partial tile of each level."""
        for level, row in enumerate(self._rows):
            if row:
                self._compare(level, row)

    def tell(self, head: Checkpoint) -> bool:
        """Report what differs: tiles if the entries have the signed root, else entries.

        The result says whether the entries have the signed root.
        """
        matches = self.edge.root() == head.root
        if not matches:
            message = f"the {head.size} entries do not have the root in the checkpoint"
            self._to.find("root", "checkpoint", message)
        entries = [tile.index * WIDTH + at for tile, places in self._odd if tile.level == 0 for at in places]
        if not matches and entries:
            for index in entries:
                self._to.find("entry", f"entry {index}", "the entry does not match its leaf in the tree")
            return False
        for tile, _ in self._odd:
            self._to.find("tile", tile.path, "the tile does not match the entries below it")
        return matches

    def _add(self, level: int, hashes: Sequence[bytes]) -> None:
        if level == len(self._rows):
            self._rows.append([])
            self._counts.append(0)
        for hash_ in hashes:
            self._rows[level].append(hash_)
            if len(self._rows[level]) == WIDTH:
                row, self._rows[level] = self._rows[level], []
                self._compare(level, row)
                self._counts[level] += 1
                self._add(level + 1, [root(row)])

    def _compare(self, level: int, row: Sequence[bytes]) -> None:
        tile = Tile(level, self._counts[level], len(row))
        data = self._read(tile.path)
        if data is None:
            self._to.find("missing", tile.path, "the tile is missing")
        elif len(data) != len(row) * HASH_LENGTH:
            self._to.find("tile", tile.path, f"the tile does not hold {len(row)} hashes")
        elif data != b"".join(row):
            stored = split_tile(data, tile)
            self._odd.append((tile, [at for at, hash_ in enumerate(row) if hash_ != stored[at]]))
