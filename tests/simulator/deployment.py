"""One deployment under a schedule: its stores, and the code that each actor builds anew.

Every actor is an execution environment of its own, and shares only the stores with the others.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from carevouch.events.envelope import event_of
from carevouch.events.genesis import strand_for
from carevouch.store.log.ports import Heads
from services.sealer.checkpoint_interval import CheckpointInterval
from services.sealer.epochs import Epochs
from services.sealer.invocation import Ports
from services.sealer.log import LogStores
from services.sealer.strand import Sealer
from services.sealer.super_log import SuperLog
from services.sealer.sweep import Sweep
from tests.fakes import Faults
from tests.service.sealer.fakes import MemoryEvents, MemoryObjects
from tests.service.sealer.queues import MemoryInbox
from tests.simulator.choices import Chance
from tests.simulator.delivery import SteppedInbox, Stream
from tests.simulator.events import house
from tests.simulator.faults import Weather, weather_of
from tests.simulator.schedule import Schedule
from tests.simulator.step_rules import Watch, WatchedKey, WatchedSigner
from tests.simulator.stores import (
    SteppedEvents,
    SteppedHeads,
    SteppedMarks,
    SteppedNotes,
    SteppedObjects,
    Table,
)
from tests.unit.sealing.acts import ORIGIN, START
from tests.world import StandingClock


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts of the deployment. A planted bug changes one of these."""

    heads: Callable[[Heads], Heads] = lambda heads: heads
    sealer: type[Sealer] = Sealer
    super_log: type[SuperLog] = SuperLog
    sweep: type[Sweep] = Sweep


HONEST = Plan()


@dataclass
class Deployment:
    """Stores, keys and clock. `plan` says which code works on them."""

    seed: int
    plan: Plan = HONEST
    chance: Chance = field(init=False)
    weather: Weather = field(init=False)

    def __post_init__(self) -> None:
        self.chance = Chance(self.seed)
        self.weather = weather_of(self.chance)
        self.strands = self.chance.pick((1, 1, 2, 3))
        self.schedule = Schedule(self.chance, self.weather)
        self.house = house(self.strands)
        self.objects, self.events = MemoryObjects(Faults()), MemoryEvents(Faults())
        self.table, self.inbox = Table(), MemoryInbox(Faults())
        self.stream = Stream(self.chance)
        self.watch = Watch(self.house, self.objects)
        self.clock = StandingClock(START)
        self._salts = 0

    def environment(self) -> Ports:
        """The ports of one invocation, in a fresh execution environment."""
        genesis, world = self.house.genesis, self._world()
        log = WatchedSigner(WatchedKey(self.house.log, self.watch))
        sealers = {
            strand: self.plan.sealer(strand, genesis, world, seal=self.house.seal, log=log)
            for strand in range(self.strands)
        }
        super_log = self.plan.super_log(ORIGIN, world, log)

        def above() -> None:
            super_log.append(sealers)
            super_log.publish()

        return Ports(
            strands=sealers,
            place=lambda text: strand_for(event_of(text), genesis),
            fetch=world.events.fetch,
            sweep=self.plan.sweep(genesis, world, list(sealers.values())),
            above=above,
            inbox=SteppedInbox(self.schedule, self.inbox),
            interval=CheckpointInterval(lambda: 0.0, self.clock.advance),
            epochs=Epochs(genesis, world, seal=self.house.seal, log=log),
            clock=self.clock,
            salt=self._salt,
            tell=self.watch,
        )

    def _world(self) -> LogStores:
        schedule, watch, table = self.schedule, self.watch, self.table
        heads = self.plan.heads(SteppedHeads(schedule, watch, table))
        marks, notes = SteppedMarks(schedule, watch, table), SteppedNotes(schedule, watch, table)
        objects, events = (
            SteppedObjects(schedule, watch, self.objects),
            SteppedEvents(schedule, self.events),
        )
        return LogStores(heads, marks, objects, events, notes, self.clock)

    def _salt(self) -> str:
        self._salts += 1
        return str(self._salts)
