"""How fast the ledger's code is, on one core and over stores in memory, beside what it cannot be faster than.

Sealing is measured against the bare verification of the same signatures, round by round in one run, and each
is told at its quietest round, for whatever else the machine does only ever adds; logs of every size take
turns for the same reason. Times are of the processor.
"""

import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws as jose
from joserfc.jwk import ECKey
from pymerkle import InmemoryTree
from pymerkle import verify_inclusion as _verify_inclusion

from carevouch.events.envelope import Event, event_of
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import der_signature, public_key
from carevouch.ledger.merkle import Edge, inclusion_proof, leaf_hash, leaf_hashes
from carevouch.ledger.merkle import verify_inclusion as verify_path
from carevouch.ledger.tiles import Tile, TileReader, grow, partials
from carevouch.sealing.marks import Head
from carevouch.store.log.ports import StoredHead
from services.sealer.wiring import calm_collector
from tests.bench import equal_leaves
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import START, House, Producer

Act = tuple[str, Producer]
Item = TypeVar("Item")
# It has no types.
Tree: Any = InmemoryTree
ES256 = ECDSA(SHA256())
verify_inclusion: Any = _verify_inclusion
PROCESSES, ROUNDS, EVENTS, KEYS = 6, 15, 1_000, 4
LEAVES, LEAVES_A_BATCH, PEER_LEAVES = 400_000, 1_000, 20_000
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
BATCH, PROOFS, PEER_SIZE = 250, 200, 10_000
SIZE_ROUNDS = 12


@dataclass(frozen=True)
class Sealing:
    """Microseconds an event: verified bare, by a JOSE library, and sealed; megabytes that a batch takes."""

    bare: float
    jose: float
    sealed: float
    events: int
    peak_megabytes: float

    @property
    def share(self) -> float:
        """The rate of sealing as a share of the rate of bare verification."""
        return self.bare / self.sealed


@dataclass(frozen=True)
class Integration:
    """Leaf hashes a second laid into tiles; entries, hashed on the way; and entries into pymerkle's tree."""

    tiles: float
    hashed: float
    pymerkle: float


@dataclass(frozen=True)
class AtSize:
    """The costs of a log of one size: microseconds, and the most tiles that a proof reads, by level."""

    size: int
    seal: float
    publish: float
    prove: float
    verify: float
    tiles: int
    tiles_a_level: int
    pymerkle_prove: float | None = None
    pymerkle_verify: float | None = None


def sealing() -> Sealing:
    """The quietest rounds of several fresh processes, in each of which memory lies otherwise."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        tried = list(pool.map(_sealing, range(PROCESSES)))
    return Sealing(
        min(one.bare for one in tried),
        min(one.jose for one in tried),
        min(one.sealed for one in tried),
        EVENTS,
        max(one.peak_megabytes for one in tried),
    )


def _sealing(_: int) -> Sealing:
    """Rounds of the same events: bare, by joserfc, and through the sealer."""
    calm_collector()
    house = House()
    producers = [Producer(house, name=f"environment {number}") for number in range(KEYS)]
    acts = [(one.event(at), one) for at, one in enumerate(producers * (EVENTS // KEYS))]
    events = [event for text, _ in acts if (event := event_of(text)) is not None]
    keys = {one.signer.kid: public_key(one.signer.jwk) for one in producers}
    signed = [(keys[event.kid], event.signing_input, event.signature) for event in events]
    jwks = {one.signer.kid: ECKey.import_key(one.signer.jwk) for one in producers}  # type: ignore[arg-type]
    rounds = []
    for _ in range(ROUNDS):
        bare = _seconds(lambda: _each(signed, lambda one: _verify(*one)))
        peer = _seconds(lambda: _each(events, lambda event: _by_jose(event, jwks)))
        rounds.append((bare, peer, _sealed(house, acts)))
    quietest = [1e6 * min(column) / EVENTS for column in zip(*rounds, strict=True)]
    tracemalloc.start()
    _sealed(house, acts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Sealing(quietest[0], quietest[1], quietest[2], EVENTS, peak / 1e6)


def integration() -> Integration:
    """From leaves to tiles, in batches; and the same entries into pymerkle, one by one as it takes them."""
    entries = [b"entry %d" % number for number in range(LEAVES)]
    hashes = leaf_hashes(entries)
    peer = Tree()
    appended = _seconds(lambda: [peer.append_entry(entry) for entry in entries[:PEER_LEAVES]])
    return Integration(
        LEAVES / min(_seconds(lambda: _integrate(entries, hashes)) for _ in range(5)),
        LEAVES / min(_seconds(lambda: _integrate(entries, leaf_hashes(entries))) for _ in range(5)),
        PEER_LEAVES / appended,
    )


def growth() -> list[AtSize]:
    """The same work in logs of a thousand to ten million entries."""
    calm_collector()
    house = House()
    producer = Producer(house)
    acts = [(producer.event(number), producer) for number in range(BATCH)]
    rounds = [[_once(size, house, acts) for size in SIZES] for _ in range(SIZE_ROUNDS)]
    return [_at(size, tried) for size, tried in zip(SIZES, zip(*rounds, strict=True), strict=True)]


def _integrate(entries: Sequence[bytes], hashes: Sequence[bytes]) -> None:
    edge = Edge()
    last: dict[Tile, bytes] = {}
    for at in range(0, len(entries), LEAVES_A_BATCH):
        batch = entries[at : at + LEAVES_A_BATCH]
        grown = edge.grown(hashes[at : at + LEAVES_A_BATCH])
        written = grow(edge, last, batch, grown)
        edge = grown.edge
        last = {tile: written.get(tile) or last[tile] for tile in partials(edge.size)}


def _once(size: int, house: House, acts: Sequence[Act]) -> tuple[float, float, float, float]:
    """Microseconds an event sealed, a checkpoint, a proof made and a proof verified, in a log of a size."""
    sealed, published = _appended(size, house, acts)
    reader = TileReader(
        size, lambda tiles: [equal_leaves.tile(tile) for tile in tiles], equal_leaves.edge(size)
    )
    paths: list[tuple[int, Sequence[bytes]]] = []
    made = _seconds(lambda: paths.extend((at, inclusion_proof(reader, at, size)) for at in _indices(size)))
    root, leaf = equal_leaves.edge(size).root(), leaf_hash(equal_leaves.ENTRY)
    checked = _seconds(lambda: _each(paths, lambda one: verify_path(one[0], size, leaf, one[1], root)))
    return 1e6 * sealed / len(acts), 1e6 * published, 1e6 * made / PROOFS, 1e6 * checked / PROOFS


def _at(size: int, tried: Iterable[tuple[float, float, float, float]]) -> AtSize:
    """The quietest of what was tried, and how many tiles a proof reads."""
    reads: list[Counter[int]] = []
    reader = TileReader(size, lambda tiles: _read(tiles, reads), equal_leaves.edge(size))
    for at in _indices(size):
        inclusion_proof(reader, at, size)
    seal, publish, prove, verify = (min(column) for column in zip(*tried, strict=True))
    return AtSize(
        size,
        seal,
        publish,
        prove,
        verify,
        max(sum(one.values()) for one in reads),
        max(max(one.values()) for one in reads),
        *(_peer(size) if size <= PEER_SIZE else ()),
    )


def _indices(size: int) -> list[int]:
    return [size * at // PROOFS for at in range(PROOFS)]


def _appended(size: int, house: House, acts: Sequence[Act]) -> tuple[float, float]:
    """Seconds of sealing the acts behind `size` equal leaves, and of publishing what came of it."""
    cloud = Cloud(house)
    cloud.objects = equal_leaves.EqualObjects(size)
    cloud.heads.rows[0] = StoredHead(
        Head(0, equal_leaves.edge(size), 1, leaf_hash(equal_leaves.ENTRY), START)
    )
    cloud.sealer().publish()
    keys = _stored(cloud, acts)
    sealer = cloud.sealer()
    return _seconds(lambda: sealer.seal(keys)), _seconds(sealer.publish)


def _read(tiles: Sequence[Tile], reads: list[Counter[int]]) -> list[bytes]:
    reads.append(Counter(tile.level for tile in tiles))
    return [equal_leaves.tile(tile) for tile in tiles]


def _peer(size: int) -> tuple[float, float]:
    """Microseconds in which pymerkle proves and verifies an entry of a tree of this size in memory."""
    tree = Tree()
    for _ in range(size):
        tree.append_entry(equal_leaves.ENTRY)
    some = range(1, size, size // 20)
    made = _seconds(lambda: [tree.prove_inclusion(index, size) for index in some])
    proofs = [tree.prove_inclusion(index, size) for index in some]
    root, leaf = tree.get_state(size), tree.get_leaf(1)
    checked = _seconds(lambda: _each(proofs, lambda proof: verify_inclusion(leaf, root, proof)))
    return 1e6 * made / len(some), 1e6 * checked / len(some)


def _sealed(house: House, acts: Sequence[Act]) -> float:
    cloud = Cloud(house)
    keys, sealer = _stored(cloud, acts), cloud.sealer()
    return _seconds(lambda: sealer.seal(keys))


def _stored(cloud: Cloud, acts: Sequence[Act]) -> list[Key]:
    return [cloud.put(text, producer.certificate, name=str(at)) for at, (text, producer) in enumerate(acts)]


def _verify(key: EllipticCurvePublicKey, message: bytes, signature: bytes) -> None:
    """As one would by hand: the signature as it is in a JWS, into the form that the library takes."""
    key.verify(der_signature(signature), message, ES256)


def _by_jose(event: Event, keys: Mapping[str, ECKey]) -> None:
    jose.deserialize_compact(event.text, keys[event.kid], ["ES256"])


def _each(items: Iterable[Item], work: Callable[[Item], object]) -> None:
    for item in items:
        work(item)


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
