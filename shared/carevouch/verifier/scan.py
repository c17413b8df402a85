"""Finds the events about a person in the public log, also those that nobody reported (FORMATS.md, 7).

An event has a tag for each person concerned, and only the person's secret makes the tag. A scan may miss an
event that has other bytes as its tag; only an opening of that event shows this. The secret is an argument
here, and no result holds it.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from carevouch.events.envelope import Event, event_of, tag
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis, parse_genesis
from carevouch.events.opening import ProvedRevision, open_genesis
from carevouch.kernel.errors import NotFound
from carevouch.ledger.checkpoint import parse_checkpoint, strand_origin
from carevouch.ledger.mirror import SignedTree
from carevouch.ledger.note import Verifier, parse_note
from carevouch.ledger.tiles import ENTRIES, WIDTH, Tile, TileFault, split_bundle, tile_at
from carevouch.ledger.walk import Finding, Progress
from carevouch.verifier.mismatch import unpublished
from carevouch.verifier.opened import ReadMany

# Bundles that are read at a time.
WINDOW = 16


@dataclass(frozen=True, slots=True)
class EventAbout:
    """An event about the person: entry `index` of `strand`."""

    strand: int
    index: int
    event: Event


def is_about(event: Event, secret: bytes) -> bool:
    """Whether the event has the tag of the person with this secret."""
    own = tag(secret, event.id)
    return any(hmac.compare_digest(own, other) for other in event.tags)


def scan(strand: int, entries: Iterable[tuple[int, bytes]], secret: bytes) -> Iterator[EventAbout]:
    """The events about the person among these entries, which come with their indices.

    Other entries are skipped; `audit` checks whether they belong in the log.
    """
    for index, entry in entries:
        event = event_of(entry.decode("ascii", "replace"))
        if event is not None and is_about(event, secret):
            yield EventAbout(strand, index, event)


def mirror_genesis(read_many: ReadMany, key: Verifier | None) -> Genesis:
    """The genesis of a mirror, with its epochs; it is verified if there is a key."""
    note, epochs = read_many(["genesis", "epochs"])
    if note is None:
        raise NotFound("there is no file genesis: give the folder of a mirror of the log")
    genesis = parse_genesis(parse_note(note).text) if key is None else open_genesis(note, key)
    return read_epochs(epochs or b"", genesis)


def scan_mirror(
    read_many: ReadMany,
    genesis: Genesis,
    secret: bytes,
    *,
    verified: bool,
    progress: Callable[[int], Progress],
) -> Iterator[EventAbout]:
    """The events about the person in every strand of a mirror.

    If `verified`, each checkpoint and each bundle is checked under the keys of genesis.
    """
    for strand in range(genesis.strand_count):
        origin = strand_origin(genesis.origin, strand)
        (note,) = read_many([f"{strand}/checkpoint"])
        if note is None:
            raise unpublished(origin)
        head = genesis.keys.open(note, origin) if verified else parse_checkpoint(parse_note(note).text)
        bundles = _MirrorStrand(strand, read_many)
        tree = SignedTree(head, bundles.fetch) if verified else None
        yield from scan(strand, bundles.entries(head.size, tree, progress(strand)), secret)


class _MirrorStrand:
    """The tiles of one strand of a mirror."""

    def __init__(self, strand: int, read_many: ReadMany) -> None:
        self._strand = strand
        self._read_many = read_many

    def fetch(self, tiles: Sequence[Tile]) -> list[bytes]:
        """These tiles; raises `TileFault` for a missing one."""
        paths = [f"{self._strand}/{tile.path}" for tile in tiles]
        files = []
        for path, data in zip(paths, self._read_many(paths), strict=True):
            if data is None:
                raise TileFault(f"{path} is missing in the mirror")
            files.append(data)
        return files

    def entries(self, size: int, tree: SignedTree | None, show: Progress) -> Iterator[tuple[int, bytes]]:
        """Each entry with its index; raises `TileFault` for a bundle that is not of the tree."""
        bundles = [tile_at(ENTRIES, at, size) for at in range(-(-size // WIDTH))]
        for at in range(0, len(bundles), WINDOW):
            window = bundles[at : at + WINDOW]
            for tile, data in zip(window, self.fetch(window), strict=True):
                if tree is not None:
                    tree.check(tile, data)
                entries = split_bundle(data, tile.path)
                if len(entries) != tile.width:
                    raise TileFault(f"{tile.path} holds {len(entries)} entries, its tree {tile.width}")
                yield from enumerate(entries, tile.index * WIDTH)
                show(tile.index * WIDTH + tile.width, size)


def find_untagged(openings: Sequence[tuple[str, ProvedRevision]], secret: bytes) -> list[Finding]:
    """Openings of documents about the person, by file, whose events lack the tag: a fault of the signer.

    A document about nobody (an organisation's, a contract) needs no tag.
    """
    message = "its event lacks your tag: whoever signed it kept it from you"
    return [
        Finding("untagged", file, f"{proved.doc} version {proved.version}: {message}")
        for file, proved in openings
        if proved.doc.subject is not None and not is_about(proved.event, secret)
    ]
