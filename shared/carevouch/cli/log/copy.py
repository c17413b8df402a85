"""Copying one log into a folder: no fork, no shrink, nothing unproved, and whole again after any crash.

The new checkpoint is first compared with the kept one, then kept beside it as `checkpoint.next`. The tiles
come next, each proved before it is kept. Then the new checkpoint takes its place. After a crash the next run
finishes the copy, through the same functions. A checkpoint that contradicts the kept one changes nothing: it
is put beside it, for both are signed by the log, and together they are the proof against it.
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
# Tiles that are in memory at a time: 32 bundles of the longest entries are half a gigabyte, usual ones 5 MB.
WINDOW = 32

# The checkpoint in a note, verified; raises `IntegrityFault`.
Open = Callable[[bytes], Checkpoint]


class Contradiction(IntegrityFault):
    """The log contradicts something that it signed before; `evidence` is the file that holds the proof."""

    def __init__(self, message: str, evidence: str) -> None:
        super().__init__(f"{message}. Nothing was changed; the other one is kept in {evidence}")
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class CopyReport:
    """The copy of the log `name` after a run: `size` entries, of which `old_size` were there before."""

    name: str
    old_size: int
    size: int


class Copy:
    """One log's copy: `path` is its place in the folder, with a slash at its end, or empty."""

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
        """Bring the copy to this checkpoint; with `again` every kept tile is proved, and mended, as well.

        Raises `Contradiction`, and other `IntegrityFault`s for a log whose files are not those it signed.
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
        """Get the tiles of this checkpoint's tree, then put the checkpoint in its place."""
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
        """Remove the partial tiles of the checkpoint before that are full by now."""
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

        # Of an unfinished copy the tree is not at hand.
        whole = known.size == self._size()
        sentence = find_contradiction(known, head, self._fetch, fetch_copy if whole else None)
        if sentence is not None:
            path = f"{self._path}{CHECKPOINT}.{head.size}-{head.root.hex()[:8]}.contradicts"
            self._folder.put(path, note)
            self._folder.settle()
            raise Contradiction(sentence, str(self._folder.folder / path))

    def _has(self, tree: SignedTree, tile: Tile) -> bool:
        """Whether the copy has this very tile: from a run that was cut off, or from an earlier one."""
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
