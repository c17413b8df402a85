"""Whether events are true at a block's time: by a certified key, in an open epoch, in their strand. Pure.

What is not true yet and may become so waits; all else that is not true is told why, in words that become part
of the log.
"""

from functools import lru_cache

from shared.events.catalogue import OPERATOR
from shared.events.certificate import Certificate, trusted_certificate, verify_event
from shared.events.envelope import Event, strand_of
from shared.events.genesis import Genesis
from shared.kernel.errors import IntegrityFault
from shared.kernel.times import later
from shared.ledger.checkpoint import LogName

# Clocks of producers and sealer differ; an event further ahead of its block than this is not true.
SKEW_SECONDS = 60
WITHOUT = "the certificate of the key that signed did not arrive in time"
NOT_OPEN = "the event is of an epoch that is not open"


class EpochUnknown(IntegrityFault):
    """The event's epoch is not one that is known."""


class Waiting(IntegrityFault):
    """The certificate may still arrive, or the epoch be opened."""


class Judge:
    """Says whether events are true at a block's time; verifies each certificate once."""

    def __init__(self, genesis: Genesis, strand: LogName, time: str) -> None:
        """`time` is the block's."""
        self._genesis = genesis
        self._strand = strand
        self._time = time
        self._certificates: dict[str, Certificate] = {}

    def check(self, event: Event, certificate: str | None) -> Certificate | None:
        """The certificate of a true event, None for the operator's; `certificate` is its text.

        Raises `Waiting`, or another `IntegrityFault` or `Malformed` that says what is wrong with it.
        """
        known = self._certificate(event, certificate)
        verify_event(event, known, self._genesis)
        try:
            check_place(event, self._genesis, self._strand, self._time)
        except EpochUnknown as fault:
            raise self._waits(event, fault.message) from fault
        return known

    def _certificate(self, event: Event, text: str | None) -> Certificate | None:
        if event.producer == OPERATOR:
            return None
        if text is None:
            raise self._waits(event, WITHOUT)
        if text not in self._certificates:
            self._certificates[text] = trusted_certificate(text, self._genesis)
        return self._certificates[text]

    def _waits(self, event: Event, why: str) -> IntegrityFault:
        """`Waiting`, if the event's times are true: by a `seal_by` of its own choice it might for ever."""
        check_times(event, self._genesis, self._time)
        return Waiting(why) if self._time <= event.seal_by else IntegrityFault(why)


def check_place(event: Event, genesis: Genesis, strand: LogName, block_time: str) -> None:
    """Raise `IntegrityFault` if a true event does not belong into this strand and block.

    It is an `EpochUnknown` if that is because nobody opened the event's epoch (yet).
    """
    epoch = genesis.epoch_of(event.epoch)
    if epoch is None:
        raise EpochUnknown(NOT_OPEN)
    if epoch.order is not None and event.time < epoch.start:
        raise IntegrityFault(NOT_OPEN)
    if strand_of(event.id, epoch.strands) != strand:
        raise IntegrityFault("the event belongs into another strand")
    check_times(event, genesis, block_time)


def check_times(event: Event, genesis: Genesis, block_time: str) -> None:
    """Raise `IntegrityFault` if no block of that time may hold an event with this `time` and `seal_by`."""
    if event.window != genesis.seal_by_seconds:
        raise IntegrityFault("the event's seal_by is not its time plus the constant of genesis")
    if event.time > _latest(block_time):
        raise IntegrityFault(f"the event's time is more than {SKEW_SECONDS} s ahead of its block")


@lru_cache(maxsize=8)  # All events of a block are asked about the same time.
def _latest(block_time: str) -> str:
    return later(block_time, SKEW_SECONDS)
