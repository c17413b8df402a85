"""The input of another client: a log's files, and the proofs that our code made from them.

Two logs: one of more than a thousand entries, sealed and published by the product's own code over the fakes
of the ledger's tests; and the one that Tessera wrote, with which each driver is itself tried first. Keys, ids
and times are fixed, so that both are the same bytes in every run, but for the hedged ML-DSA-44 signatures.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carevouch.kernel.encoding import b64, sha256
from carevouch.ledger.checkpoint import Checkpoint, open_checkpoint, strand_origin
from carevouch.ledger.cosignature import Mldsa44InMemory
from carevouch.ledger.merkle import consistency_proof, inclusion_proof
from carevouch.ledger.note import Verifier, parse_vkey
from carevouch.ledger.tiles import ENTRIES, Tile, TileReader, all_tiles, split_bundle
from tests.service.sealer.fakes import Cloud
from tests.unit.ledger.logs import TESSERA, tessera_log
from tests.unit.sealing.acts import House, Producer

# Where the ten checkpoints stand: a complete tree, its neighbours, both sides of every tile's border.
SIZES = (3, 8, 100, 254, 256, 258, 511, 513, 768, 1027)
HashPath = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`files` by path below the log, a checkpoint of each of the `sizes` as `checkpoint.<size>`.

    `inclusion` has for each size the paths of all its entries, `consistency` a proof between every two sizes.
    """

    vkey: str
    sizes: tuple[int, ...]
    files: Mapping[str, bytes]
    inclusion: Mapping[int, Sequence[HashPath]]
    consistency: Mapping[tuple[int, int], HashPath]

    @property
    def verifier(self) -> Verifier:
        """The log's Ed25519 key."""
        return parse_vkey(self.vkey)

    @property
    def entries(self) -> list[bytes]:
        """All entries of the largest size, out of its bundles."""
        bundles = [tile for tile in all_tiles(self.sizes[-1]) if tile.level == ENTRIES]
        return [entry for tile in bundles for entry in split_bundle(self.files[tile.path])]

    def note(self, size: int) -> bytes:
        """The checkpoint as it was published."""
        return self.files[f"checkpoint.{size}"]

    def checkpoint(self, size: int) -> Checkpoint:
        """The checkpoint, verified by our own code."""
        return open_checkpoint(self.note(size), self.verifier)

    @property
    def inclusions(self) -> int:
        """How many proofs of inclusion there are."""
        return sum(self.sizes)

    @property
    def consistencies(self) -> int:
        """How many pairs of sizes there are."""
        return len(self.sizes) * (len(self.sizes) - 1) // 2

    def write(self, folder: Path) -> Path:
        """All of it as files: the log in tlog-tiles layout, and `proofs.json` with base64 hashes."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        proofs = {
            "sizes": self.sizes,
            "inclusion": {size: [_text(path) for path in paths] for size, paths in self.inclusion.items()},
            "consistency": [
                {"old": old, "new": new, "path": _text(path)} for (old, new), path in self.consistency.items()
            ],
        }
        (folder / "proofs.json").write_text(json.dumps(proofs), encoding="ascii")
        return folder


def proved(vkey: str, sizes: Sequence[int], files: Mapping[str, bytes]) -> Evidence:
    """The files with all proofs, each read out of the tiles of its own size."""

    def fetch(tiles: Sequence[Tile]) -> list[bytes]:
        return [files[tile.path] for tile in tiles]

    readers = {size: TileReader(size, fetch) for size in sizes}
    return Evidence(
        vkey,
        tuple(sizes),
        files,
        {n: [tuple(inclusion_proof(readers[n], i, n)) for i in range(n)] for n in sizes},
        {
            (old, new): tuple(consistency_proof(readers[new], old, new))
            for old in sizes
            for new in sizes
            if old < new
        },
    )


def tessera() -> Evidence:
    """Another implementation's log of 15 entries with a checkpoint at every size; skips without it."""
    files = {name: data for name, data in tessera_log().items() if not name.startswith(".")}
    return proved(TESSERA, range(1, 16), files)


def carevouch() -> Evidence:
    """Our log, grown in ten batches: events, certificates, block seals, and a rejected event.

    Its checkpoints carry both lines of a deployment's log, as they do in production.
    """
    cloud, notes = Cloud(house=House(mldsa=Mldsa44InMemory(sha256(b"log's second key")))), {}
    producers = [
        Producer(cloud.house),
        Producer(cloud.house, name="another session"),
        Producer(cloud.house, "operator"),
    ]
    numbers = iter(range(SIZES[-1]))
    for step, size in enumerate(SIZES):
        _seal_up_to(cloud, size, producers if step > 1 else producers[:1], numbers, spoil=step == 2)
        notes[f"checkpoint.{size}"] = cloud.objects.files["0/checkpoint"]
    tiles = {
        name.removeprefix("0/"): data
        for name, data in cloud.objects.files.items()
        if name.startswith("0/tile/")
    }
    origin = strand_origin(cloud.house.genesis.origin, 0)
    vkey = Verifier(origin, cloud.house.log.public).vkey
    return proved(vkey, SIZES, {**tiles, **notes, "checkpoint": notes[f"checkpoint.{SIZES[-1]}"]})


def _seal_up_to(
    cloud: Cloud, size: int, producers: Sequence[Producer], numbers: Iterator[int], spoil: bool
) -> None:
    """One batch, so that the log has `size` entries: its events, new certificates and the seal."""
    held = cloud.sealer().settled().head.edge.size
    certificates = sum(not producer.n and producer.service != "operator" for producer in producers)
    keys = []
    for place in range(size - held - certificates - 1):
        untrue = {"type": "no.such.type"} if spoil and not place else {}
        keys.append(cloud.act(producers[place % len(producers)], next(numbers), **untrue))
    cloud.clock.advance(1)
    cloud.sealer().seal(keys)
    assert cloud.sealer().publish().size == size


def _text(path: HashPath) -> list[str]:
    return [b64(hash_) for hash_ in path]
