"""A small honest log in memory, and the log that other people wrote, for the tests of this folder."""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from carevouch.ledger import tiles
from carevouch.ledger.checkpoint import Checkpoint, sign_checkpoint
from carevouch.ledger.merkle import Edge, leaf_hash
from carevouch.ledger.note import Ed25519InMemory, Verifier
from carevouch.ledger.tiles import Tile, TileReader
from tests.oracles import shared_path

SIGNER = Ed25519InMemory(b"a test's log key, 32 bytes long.")
ORIGIN = "log.example/strand/0"
VERIFIER = Verifier(ORIGIN, SIGNER.public)
TESSERA = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def numbered(first: int, count: int) -> list[bytes]:
    return [b"entry %d" % index for index in range(first, first + count)]


@dataclass
class MemoryLog:
    """Grows by whole batches and keeps every file it ever wrote."""

    edge: Edge = field(default_factory=Edge)
    files: dict[str, bytes] = field(default_factory=dict)

    def append(self, entries: Sequence[bytes]) -> None:
        old = {tile: self.files[tile.path] for tile in tiles.partials(self.edge.size)}
        for tile, data in tiles.grow(self.edge, old, entries).items():
            assert tile.path not in self.files
            self.files[tile.path] = data
        self.edge = self.edge.extended([leaf_hash(entry) for entry in entries])

    def fetch(self, wanted: Sequence[Tile]) -> list[bytes]:
        return [self.files[tile.path] for tile in wanted]

    def reader(self, size: int | None = None) -> TileReader:
        return TileReader(self.edge.size if size is None else size, self.fetch)

    def checkpoint(self) -> bytes:
        return sign_checkpoint(Checkpoint(ORIGIN, self.edge.size, self.edge.root()), SIGNER)


def tessera_log() -> dict[str, bytes]:
    """The files of another implementation's log of 15 entries, by path."""
    files = {}
    with tarfile.open(shared_path("data/tlog/tessera-testdata-log.tar.gz")) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                files[member.name.removeprefix("testdata/log/")] = file.read()
    return files
