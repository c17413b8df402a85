"""Compares the checkpoint that a log shows with the checkpoint that a copy holds.

The caller has verified both. A log that shrank, or shows another history, has signed the evidence against
itself.
"""

from collections.abc import Sequence

from carevouch.kernel.encoding import b64
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.mirror import SignedTree, narrowed
from carevouch.ledger.note import MAX_SIGNATURES, Note, parse_note, render_note
from carevouch.ledger.tiles import WIDTH, Fetch, Tile, TileFault
from carevouch.verifier.opened import ReadMany


def find_contradiction(
    known: Checkpoint, head: Checkpoint, fetch: Fetch, fetch_copy: Fetch | None
) -> str | None:
    """A sentence about how `head` contradicts the `known` checkpoint; None if it continues it.

    `fetch` gets tiles of the log. `fetch_copy` gets those of the known tree, if the copy holds all of it.
    """

    def words(one: Checkpoint) -> str:
        return f"{one.origin} with {one.size} entries and the root {b64(one.root)}"

    if head.size < known.size:
        # Without the known tree, only a smaller log is a contradiction.
        if fetch_copy is not None and SignedTree(known, fetch_copy).root_at(head.size) != head.root:
            return f"the log shows two histories: {words(head)} is not how {words(known)} began"
        return f"the log shows {words(head)} after it had {known.size} entries"
    same = head.root if head.size == known.size else SignedTree(head, fetch).root_at(known.size)
    if same != known.root:
        return f"the log shows two histories: {words(head)} does not continue {words(known)}"
    return None


def join_notes(kept: bytes, note: bytes) -> bytes:
    """The kept note, with the signature lines of the new note added, such as those of later witnesses.

    No line of the kept note is lost.
    """
    old, new = parse_note(kept), parse_note(note)
    lines = (*old.lines, *(line for line in new.lines if line not in old.lines))
    if old.text != new.text or len(lines) > MAX_SIGNATURES:
        return kept
    return render_note(Note(old.text, lines))


def read_tiles(tiles: Sequence[Tile], read_many: ReadMany, log: str) -> list[bytes]:
    """The tiles of the log at the path `log`; raises `TileFault` for a missing tile.

    A log may remove a partial tile that has become full. Then the partial tile is cut from the full one.
    """
    files = []
    for tile, found in zip(tiles, read_many([log + tile.path for tile in tiles]), strict=True):
        data = found
        if data is None and tile.width < WIDTH:
            full = Tile(tile.level, tile.index)
            (whole,) = read_many([log + full.path])
            data = None if whole is None else narrowed(whole, full, tile)
        if data is None:
            raise TileFault(f"{log}{tile.path} is missing in the log")
        files.append(data)
    return files
