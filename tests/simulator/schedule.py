"""The order of the actors: each is a greenlet, and at every store operation another one may go on.

An operation waits until its actor is chosen. Then it happens at once, perhaps with a fault, and the actor
runs on to its next operation. So every order of operations can occur. Code between two operations touches no
other actor. There are no threads and no time: a seed decides everything, and the trace is the same byte for
byte.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from greenlet import getcurrent, greenlet

from carevouch.kernel.encoding import sha256
from tests.simulator.choices import Chance
from tests.simulator.faults import CALM, Fault, Weather

Result = TypeVar("Result")
# A schedule takes some hundred steps; one that takes so many does not end.
MAX_STEPS = 20_000
# How long an actor may be held up, in steps: long enough for others to finish what they were at.
LONG = 150


class Broken(BaseException):
    """A promise of the ledger does not hold.

    It is no `Exception`, so that no code under test can swallow it.
    """


class Killed(BaseException):
    """The execution environment of the actor died."""


class Excuse(Protocol):
    """The errors that the store's client raises when a write failed: for certain, or perhaps."""

    def refused(self) -> Exception:
        """The error when the store wrote nothing."""

    def unknown(self) -> Exception:
        """The error when nobody knows whether the store wrote."""


@dataclass
class Actor:
    """An actor. `wakes` is the step before which it is held up."""

    name: str
    greenlet: greenlet = field(repr=False)
    wakes: int = 0


@dataclass
class Write:
    """One write: its name, its effect, and the error of its client when it goes wrong.

    `part` does only some of a write that the store makes in several.
    """

    what: str
    effect: Callable[[], None]
    excuse: Excuse
    part: Callable[[], None] | None = None


class Schedule:
    """Runs actors in an order that the seed decides, and keeps the trace."""

    def __init__(self, chance: Chance, weather: Weather) -> None:
        self.chance = chance
        self.weather = weather
        self.trace: list[str] = []
        self.met: set[tuple[str, Fault]] = set()
        self._actors: list[Actor] = []
        self._now: Actor | None = None
        self._steps = 0
        self._writes = 0

    @property
    def hash(self) -> str:
        """A hash of the trace: equal for two runs of one seed, and different for two seeds."""
        return sha256("\n".join(self.trace).encode()).hex()

    def spawn(self, name: str, work: Callable[[], None], *, held: bool = False) -> None:
        """Add an actor; `held` keeps it up for long before it begins."""
        wakes = self._steps + self.chance.below(LONG) if held else 0
        self._actors.append(Actor(name, greenlet(work), wakes))

    def run(self, steps: int = MAX_STEPS) -> None:
        """Run until all are done, or for so many steps. Unfinished work is then lost."""
        while self._actors and self._steps < steps:
            actor = self._next()
            self._now = actor
            actor.greenlet.switch()
            if actor.greenlet.dead:
                self._actors.remove(actor)
        self._now = None
        if self._steps >= MAX_STEPS:
            raise Broken(f"no end after {MAX_STEPS} steps")
        self._actors.clear()

    def calm_down(self) -> None:
        """Let no further fault happen."""
        self.weather = CALM

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self._steps} {self._now.name if self._now else 'calm'}: {what}")

    def pause(self, what: str, *, idle: int = 0) -> None:
        """Let others go on. On return it is this actor's turn, and not before `idle` steps."""
        actor = self._now
        if actor is not None:
            actor.wakes = max(actor.wakes, self._steps + idle)
            if self.chance.happens(self.weather.stalls):
                actor.wakes = self._steps + self.chance.below(LONG)
            getcurrent().parent.switch()
        self._steps += 1
        self.note(what)

    def read(self, what: str, get: Callable[[], Result], excuse: Excuse) -> Result:
        """Do a consistent read, or let it fail."""
        self.pause(what)
        if self.chance.happens(self.weather.reads):
            self.note("  ... is refused")
            raise excuse.refused()
        return get()

    def write(self, write: Write) -> None:
        """Do a write, with the fault that the weather gives it."""
        self.pause(write.what)
        self._writes += 1
        fault = self.weather.at(self._writes, self.chance, partly=write.part is not None)
        self.met.add((write.what.split()[0], fault))
        if fault:
            self.note(f"  ... {fault}")
        self._happen(write, fault)

    def _happen(self, write: Write, fault: Fault) -> None:
        match fault:
            case Fault.DIES_BEFORE:
                raise Killed
            case Fault.REFUSED:
                raise write.excuse.refused()
            case Fault.DROPPED:
                raise write.excuse.unknown()
            case Fault.LATE:
                self.spawn(f"late ({write.what})", lambda: self._land(write), held=True)
                raise write.excuse.unknown()
            case Fault.DIES_AFTER:
                quietly(write.effect)
                raise Killed
            case Fault.LOST:
                quietly(write.effect)
                raise write.excuse.unknown()
            case Fault.PARTLY if write.part is not None:
                write.part()
                raise write.excuse.unknown()
            case Fault.REPEATED:
                quietly(write.effect)
        write.effect()

    def _land(self, write: Write) -> None:
        self.pause(f"lands: {write.what}")
        quietly(write.effect)

    def _next(self) -> Actor:
        """The next actor: mostly the same again in some schedules, hardly ever in others."""
        awake = [actor for actor in self._actors if actor.wakes <= self._steps]
        if not awake:
            first = min(self._actors, key=lambda actor: actor.wakes)
            self._steps = first.wakes
            return first
        if self._now in awake and not self.chance.happens(self.weather.restless):
            return self._now
        return self.chance.pick(awake)


def quietly(effect: Callable[[], None]) -> None:
    """Do it, and ignore its errors."""
    with suppress(Exception):  # A condition that failed, of which nobody is told.
        effect()
