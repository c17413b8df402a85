"""The faults of a seed, and how often they happen: each seed has its own weather.

Some seeds are calm but for one fault at one write, so that every write meets every fault. Others are stormy.
The faults are those of DynamoDB and S3 behind their client, which repeats a call that got no answer.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from tests.simulator.choices import Chance


class Fault(StrEnum):
    """The fate of one write."""

    NONE = ""
    DIES_BEFORE = "the environment dies before it"
    DIES_AFTER = "the environment dies after it"
    REFUSED = "refused: nothing is written"
    DROPPED = "no answer: nothing is written"
    LOST = "no answer: it is written"
    LATE = "no answer: it will land later"
    REPEATED = "no answer: the client repeats it"
    PARTLY = "no answer: a part is written"


FAULTS = tuple(fault for fault in Fault if fault)
# From every write to one in a hundred.
RATES = (0.0, 0.0, 0.01, 0.03, 0.1, 0.25)
# A single fault hits one of the first so many writes: some batches' worth.
FIRST_WRITES = 80


@dataclass(frozen=True, slots=True)
class Weather:
    """Probabilities: of a fault at a write, of a refused read, of a long stall, of going on with another.

    `single` is the fault at exactly one write.
    """

    faults: float = 0.0
    reads: float = 0.0
    stalls: float = 0.0
    restless: float = 0.0
    single: dict[int, Fault] = field(default_factory=dict)

    def at(self, number: int, chance: Chance, *, partly: bool) -> Fault:
        """The fault at write `number`. Only a `partly` written one is not whole or absent."""
        fault = self.single.get(number, Fault.NONE)
        if self.faults and chance.happens(self.faults):
            fault = chance.pick(FAULTS)
        return fault if partly or fault is not Fault.PARTLY else Fault.DROPPED


CALM = Weather()


def weather_of(chance: Chance) -> Weather:
    """The weather of this seed."""
    restless = chance.pick((0.05, 0.3, 1.0))
    stalls = chance.pick((0.0, 0.01, 0.05))
    if chance.happens(0.4):
        single = {1 + chance.below(FIRST_WRITES): chance.pick(FAULTS)}
        return Weather(stalls=stalls, restless=restless, single=single)
    return Weather(chance.pick(RATES), chance.pick((0.0, 0.0, 0.01)), stalls, restless)
