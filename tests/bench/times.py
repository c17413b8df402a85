"""Time per kind of request, in process, over the store in memory: our own code and nobody's network."""

import contextlib
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from carevouch.kernel.ids import Key
from carevouch.store.rows import Row
from carevouch.store.settings import system_clock
from tests.bench.all_doors import House
from tests.bench.requests import Kind, kinds
from tests.fakes import MemoryKeyRows, MemoryRows
from tests.service.identity.conftest import MemoryAssertions
from tests.world import START, World, new_key

WARM_UP = 3


@dataclass(frozen=True)
class Timed:
    """Milliseconds of one kind."""

    name: str
    p50: float
    p95: float
    calls: int


def present(world: World) -> World:
    """The world, its clock set to now: claims are of this year."""
    world.clock.now = max(START, system_clock())
    return world


def times() -> list[Timed]:
    """Every kind."""
    with quiet():
        house = House(present(_world()), MemoryAssertions(), new_key())
        return [timed(kind) for kind in kinds(house)]


class _Partitioned(MemoryRows):
    """The fake, finding a partition at once as DynamoDB does, instead of by looking at every row."""

    def __init__(self, keys: MemoryKeyRows) -> None:
        super().__init__(keys)
        self._partitions: dict[str, dict[str, Row]] = {}

    def query(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        rows = self._partitions.get(pk, {})
        found = sorted((sk for sk in rows if sk.startswith(prefix)), key=str.encode, reverse=newest_first)
        return [rows[sk] for sk in found[:limit]]

    def delete(self, key: Key) -> None:
        super().delete(key)
        self._partitions.get(key.pk, {}).pop(key.sk, None)

    def _overwrite(self, rows: Sequence[Row]) -> None:
        super()._overwrite(rows)
        for row in rows:
            self._partitions.setdefault(row.key.pk, {})[row.key.sk] = row


def _world() -> World:
    key_rows = MemoryKeyRows()
    return World(_Partitioned(key_rows), key_rows)


def timed(kind: Kind) -> Timed:
    """One kind; what it prepares is not counted."""
    found = []
    for at in range(kind.repeat + WARM_UP):
        call = kind.prepare()
        started = time.perf_counter()
        call()
        if at >= WARM_UP:
            found.append(1000 * (time.perf_counter() - started))
    return Timed(kind.name, median(found), quantiles(found, n=20)[-1], len(found))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The doors write log lines to standard output; nobody reads them here."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
