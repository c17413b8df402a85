"""Copying one log into a folder: no fork, no shrink, nothing unproved, and whole again after any crash.

The new checkpoint is first held against the kept one, then kept beside it as `checkpoint.next`; the tiles
come, each proved before it is kept; then the new checkpoint takes its place. What a crash leaves of that is
finished by the next run, through the same functions. A checkpoint that contradicts the kept one changes
nothing: it is put beside it, for both are signed by the log, and together they are the proof against it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from carevouch.cli.log.folder import MirrorFolder
from carevouch.cli.log.source import Read, ReadMany
from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.mirror import SignedTree, count_lacking, lacking, narrowed
from carevouch.ledger.note import MAX_SIGNATURES, Note, parse_note, render_note
from carevouch.ledger.tiles import WIDTH, Tile, TileFault, partials, tile_at
from carevouch.verifier.mismatch import telling

CHECKPOINT, NEXT, BEFORE = "checkpoint", "checkpoint.next", "checkpoint.before"
# Tiles that are in memory at a time: 32 bundles of the longest entries are half a gigabyte, usual ones 5 MB.
WINDOW = 32

# The checkpoint in a note, verified; raises `IntegrityFault`.
Open = Callable[[bytes], Checkpoint]
# Told how many of how many tiles are there.
Progress = Callable[[int, int], None]


class Contradiction(IntegrityFault):
    """The log signed something that does not go with what it signed before; `evidence` is where it lies."""

    def __init__(self, message: str, evidence: str) -> None:
        super().__init__(f"{message}. Nothing was changed; the other one is kept in {evidence}")
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy of the log `name` holds now: `size` entries, of which `old_size` were there before."""

    name: str
    old_size: int
    size: int


class Copy:
    """One log's copy: `path` is where it lies in the folder, with a slash at its end, or empty."""

    def __init__(
        self, kept: MirrorFolder, path: str, read: Read, read_many: ReadMany, open_: Open, progress: Progress
    ) -> None:
        """`read` and `read_many` read the log that is copied, by paths below the log itself."""
        self._kept = kept
        self._path = path
        self._read = read
        self._read_many = read_many
        self._open = open_
        self._progress = progress

    def to(self, note: bytes, *, again: bool = False) -> CopyReport:
        """Bring the copy to this checkpoint; with `again` every kept tile is proved, and mended, as well.

        Raises `Contradiction`, and other `IntegrityFault`s for a log whose files are not what it signed.
        """
        with telling(CHECKPOINT):
            head = self._open(note)
        self._finish_removing()
        old, unfinished = self._note(CHECKPOINT), self._note(NEXT)
        for known in (old, unfinished):
            if known is not None:
                self._check(self._open(known), head, note)
        if unfinished is not None:
            self._take(unfinished)
        kept = self._note(CHECKPOINT)
        if again or kept is None or self._open(kept).size < head.size:
            self._kept.put(self._path + NEXT, note)
            self._take(note, again=again)
        elif (joined := _joined(kept, note)) != kept:
            self._kept.put(self._path + CHECKPOINT, joined)
        self._kept.settle()
        return CopyReport(head.origin, 0 if old is None else self._open(old).size, head.size)

    def _take(self, note: bytes, *, again: bool = False) -> None:
        """Get what the tree of this checkpoint needs, then put the checkpoint in its place."""
        head, old_size = self._open(note), 0 if again else self._size()
        tree = SignedTree(head, self._fetch)
        tiles, done, total = lacking(old_size, head.size), 0, count_lacking(old_size, head.size)
        while window := list(islice(tiles, WINDOW)):
            missing = [tile for tile in window if not self._has(tree, tile)]
            for tile, data in zip(missing, self._fetch(missing), strict=True):
                tree.check(tile, data)
                self._kept.put(self._path + tile.path, data)
            done += len(window)
            self._progress(done, total)
        self._kept.settle()
        before = self._note(CHECKPOINT)
        if before is not None:
            self._kept.put(self._path + BEFORE, before)
        self._kept.rename(self._path + NEXT, self._path + CHECKPOINT)
        self._finish_removing()

    def _finish_removing(self) -> None:
        """Remove the partial tiles of the checkpoint before that are full by now."""
        before, now = self._note(BEFORE), self._note(CHECKPOINT)
        if before is None or now is None:
            return
        self._kept.settle()
        size = self._open(now).size
        for tile in partials(self._open(before).size):
            if tile_at(tile.level, tile.index, size).width == WIDTH:
                self._kept.remove(f"{self._path}{Tile(tile.level, tile.index).path}.p")
        self._kept.remove(self._path + BEFORE)

    def _check(self, known: Checkpoint, head: Checkpoint, note: bytes) -> None:
        """Raise `Contradiction` unless the log that had the known head may have this one now."""
        what = self._contradiction(known, head)
        if what is not None:
            path = f"{self._path}{CHECKPOINT}.{head.size}-{head.root.hex()[:8]}.contradicts"
            self._kept.put(path, note)
            self._kept.settle()
            raise Contradiction(what, str(self._kept.folder / path))

    def _contradiction(self, known: Checkpoint, head: Checkpoint) -> str | None:
        if head.size < known.size:
            # Of an unfinished copy the tree is not at hand; that the log shrank is enough.
            if known.size == self._size() and SignedTree(known, self._own).root_at(head.size) != head.root:
                return f"the log shows two histories: {_said(head)} is not how {_said(known)} began"
            return f"the log shows {_said(head)} after it had {known.size} entries"
        same = head.root if head.size == known.size else SignedTree(head, self._fetch).root_at(known.size)
        if same != known.root:
            return f"the log shows two histories: {_said(head)} does not continue {_said(known)}"
        return None

    def _fetch(self, tiles: Sequence[Tile]) -> list[bytes]:
        """These tiles, as the log has them; raises `TileFault` for one that it has not."""
        found = self._read_many([tile.path for tile in tiles])
        return [self._full(tile) if data is None else data for tile, data in zip(tiles, found, strict=True)]

    def _full(self, tile: Tile) -> bytes:
        """A partial tile out of the full one: a log may remove what has become full."""
        full = Tile(tile.level, tile.index)
        data = self._read(full.path) if tile.width < WIDTH else None
        if data is None:
            raise TileFault(f"{self._path}{tile.path} is missing in the log")
        return narrowed(data, full, tile)

    def _own(self, tiles: Sequence[Tile]) -> list[bytes]:
        """These tiles, as the copy has them."""
        found = [(tile, self._kept.get(self._path + tile.path)) for tile in tiles]
        for tile, data in found:
            if data is None:
                raise TileFault(f"{self._path}{tile.path} is missing in the copy; --again mends it")
        return [data or b"" for _, data in found]

    def _has(self, tree: SignedTree, tile: Tile) -> bool:
        """Whether the copy has this very tile: from a run that was cut off, or from an earlier one."""
        data = self._kept.get(self._path + tile.path)
        if data is None:
            return False
        try:
            tree.check(tile, data)
        except TileFault:
            return False
        return True

    def _note(self, name: str) -> bytes | None:
        return self._kept.get(self._path + name)

    def _size(self) -> int:
        note = self._note(CHECKPOINT)
        return 0 if note is None else self._open(note).size


def _joined(kept: bytes, note: bytes) -> bytes:
    """The kept note, with the lines that only the new one has: later witnesses of the same tree.

    None is lost for it, whatever lines a server puts in their place.
    """
    old, new = parse_note(kept), parse_note(note)
    lines = (*old.lines, *(line for line in new.lines if line not in old.lines))
    return (
        render_note(Note(old.text, lines)) if old.text == new.text and len(lines) <= MAX_SIGNATURES else kept
    )


def _said(head: Checkpoint) -> str:
    return f"{head.origin} with {head.size} entries and the root {b64(head.root)}"
