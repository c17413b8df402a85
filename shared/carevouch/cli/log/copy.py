"""Copies one log into a folder. Every tile is proved, a fork is refused, and a crash leaves a copy that can
go on.

The new checkpoint is first compared with the kept one, then stored beside it as `checkpoint.next`. The tiles
come next, and each is proved before it is stored. Then the new checkpoint replaces the old one. After a
crash the next run finishes the copy, through the same functions. A checkpoint that contradicts the kept one
changes no file of the copy. It is stored beside the kept one. The log signed both, so together they are the
evidence against it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from carevouch.cli.log.folder import MirrorFolder
from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.mirror import SignedTree, count_lacking, lacking
from carevouch.ledger.tiles import WIDTH, Tile, TileFault, partials, tile_at
from carevouch.ledger.walk import Progress
from carevouch.verifier.growth import find_contradiction, join_notes, read_tiles
from carevouch.verifier.mismatch import about
from carevouch.verifier.opened import ReadMany

CHECKPOINT, NEXT, BEFORE = "checkpoint", "checkpoint.next", "checkpoint.before"
# The number of tiles in memory. 32 bundles have 5 MB as a rule, and at most 70 MB with the longest entries.
WINDOW = 32

# Verifies a note and returns its checkpoint; raises `IntegrityFault`.
Open = Callable[[bytes], Checkpoint]


class Contradiction(IntegrityFault):
    """The log contradicts a checkpoint that it signed. `evidence` is the file with the contradicting one."""

    def __init__(self, message: str, evidence: str) -> None:
        super().__init__(f"{message}. Nothing was changed; the other one is kept in {evidence}")
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class CopyReport:
    """The copy of the log `name` after a run. It has `size` entries, and had `old_size` before."""

    name: str
    old_size: int
    size: int


class Copy:
    """The copy of one log. `path` is its folder within the copy, with a slash at its end, or empty."""

    def __init__(
        self, folder: MirrorFolder, path: str, read_many: ReadMany, open_: Open, progress: Progress
    ) -> None:
        """`read_many` reads the files of the deployment that is copied."""
        self._folder = folder
        self._path = path
        self._fetch = partial(read_tiles, read_many=read_many, log=path)
        self._open = open_
        self._progress = progress

    def to(self, note: bytes, *, again: bool = False) -> CopyReport:
        """Bring the copy to this checkpoint. With `again` every stored tile is proved too, and replaced if
        it is bad.

        Raises `Contradiction`, and another `IntegrityFault` for files that the log did not sign.
        """
        with about(CHECKPOINT):
            head = self._open(note)
        self._finish_removing()
        old, unfinished = self._note(CHECKPOINT), self._note(NEXT)
        old_size = self._size()
        for known in (old, unfinished):
            if known is not None:
                self._check_growth(self._open(known), head, note)
        if unfinished is not None:
            self._take(unfinished)
        kept = self._note(CHECKPOINT)
        if again or kept is None or self._open(kept).size < head.size:
            self._folder.put(self._path + NEXT, note)
            self._take(note, again=again)
        elif (joined := join_notes(kept, note)) != kept:
            self._folder.put(self._path + CHECKPOINT, joined)
        self._folder.settle()
        return CopyReport(head.origin, old_size, head.size)

    def _take(self, note: bytes, *, again: bool = False) -> None:
        """Fetch the tiles of this checkpoint's tree, then make the checkpoint the current one."""
        head, old_size = self._open(note), 0 if again else self._size()
        tree = SignedTree(head, self._fetch)
        tiles, done, total = lacking(old_size, head.size), 0, count_lacking(old_size, head.size)
        while window := list(islice(tiles, WINDOW)):
            missing = [tile for tile in window if not self._has(tree, tile)]
            for tile, data in zip(missing, self._fetch(missing), strict=True):
                tree.check(tile, data)
                self._folder.put(self._path + tile.path, data)
            done += len(window)
            self._progress(done, total)
        self._folder.settle()
        before = self._note(CHECKPOINT)
        if before is not None:
            self._folder.put(self._path + BEFORE, before)
        self._folder.rename(self._path + NEXT, self._path + CHECKPOINT)
        self._finish_removing()

    def _finish_removing(self) -> None:
        """Remove the partial tiles of the last checkpoint that are full now."""
        before, now = self._note(BEFORE), self._note(CHECKPOINT)
        if before is None or now is None:
            return
        self._folder.settle()
        size = self._open(now).size
        for tile in partials(self._open(before).size):
            if tile_at(tile.level, tile.index, size).width == WIDTH:
                self._folder.remove(f"{self._path}{Tile(tile.level, tile.index).path}.p")
        self._folder.remove(self._path + BEFORE)

    def _check_growth(self, known: Checkpoint, head: Checkpoint, note: bytes) -> None:
        """Raise `Contradiction`, and keep the note as evidence, unless `head` continues `known`."""

        def fetch_copy(tiles: Sequence[Tile]) -> list[bytes]:
            files = []
            for tile in tiles:
                data = self._folder.get(self._path + tile.path)
                if data is None:
                    raise TileFault(f"{self._path}{tile.path} is missing in the copy; --again mends it")
                files.append(data)
            return files

        # An unfinished copy does not have the whole tree.
        whole = known.size == self._size()
        sentence = find_contradiction(known, head, self._fetch, fetch_copy if whole else None)
        if sentence is not None:
            path = f"{self._path}{CHECKPOINT}.{head.size}-{head.root.hex()[:8]}.contradicts"
            self._folder.put(path, note)
            self._folder.settle()
            raise Contradiction(sentence, str(self._folder.folder / path))

    def _has(self, tree: SignedTree, tile: Tile) -> bool:
        """Whether the copy already has this tile, from an earlier run."""
        data = self._folder.get(self._path + tile.path)
        if data is None:
            return False
        try:
            tree.check(tile, data)
        except TileFault:
            return False
        return True

    def _note(self, name: str) -> bytes | None:
        return self._folder.get(self._path + name)

    def _size(self) -> int:
        note = self._note(CHECKPOINT)
        return 0 if note is None else self._open(note).size
