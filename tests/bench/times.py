"""Time per kind of request, in process, over the store in memory: our own code and nobody's network."""

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles

from shared.aws.settings import system_clock
from tests.bench.house import House
from tests.bench.kinds import Kind, kinds
from tests.service.identity.conftest import MemoryAssertions
from tests.world import START, World, memory_world, new_key

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
        house = House(present(memory_world()), MemoryAssertions(), new_key())
        return [timed(kind) for kind in kinds(house)]


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
