"""Judges whether events are true at a block's time: by a certified key, in an open epoch, in their strand.

An event that may still become true waits. Every other event that is not true gets a reason, in words that
become part of the log.
"""

from collections.abc import Sequence
from functools import lru_cache

from carevouch.events.catalogue import OPERATOR
from carevouch.events.certificate import Certificate, check_certified, trusted_certificate, verify_signature
from carevouch.events.envelope import Event, strand_of
from carevouch.events.genesis import Genesis
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import LogName

# The clocks of producers and sealer differ. An event may be ahead of its block by this much and no more.
SKEW_SECONDS = 60
WITHOUT = "the certificate of the key that signed did not arrive in time"
NOT_OPEN = "the event is of an epoch that is not open"


class EpochUnknown(IntegrityFault):
    """No order has opened the event's epoch."""


class Waiting(IntegrityFault):
    """The event may become true: its certificate may still arrive, or its epoch may be opened."""


Fault = IntegrityFault | Malformed
# The certificate of an event (None for the operator's), and the event's fault (None if it is true).
Verdict = tuple[Certificate | None, Fault | None]


class Judge:
    """Judges events at a block's time, and verifies each certificate once.

    Each event is judged by itself. A batch is still judged step by step, all signatures in a row, because
    verification fills the processor's caches and slows down any code between two signatures.
    """

    def __init__(self, genesis: Genesis, strand: LogName, time: str) -> None:
        """`time` is the block's."""
        self._genesis = genesis
        self._strand = strand
        self._time = time
        self._certificates: dict[str, Certificate] = {}

    def verdicts(self, events: Sequence[tuple[Event, str | None]]) -> list[Verdict]:
        """The verdict on each event, given with the text of its certificate.

        The fault is a `Waiting` if the event may still become true.
        """
        known = [self._certified(event, text) for event, text in events]
        certificates, faults = [certificate for certificate, _ in known], [fault for _, fault in known]
        for step in (self._check_signature, self._check_place):
            faults = [
                fault or step(event, certificate)
                for (event, _), certificate, fault in zip(events, certificates, faults, strict=True)
            ]
        return list(zip(certificates, faults, strict=True))

    def _certified(self, event: Event, text: str | None) -> Verdict:
        if event.producer == OPERATOR:
            return None, None
        if text is None:
            return None, self._waits(event, WITHOUT)
        if text not in self._certificates:
            try:
                self._certificates[text] = trusted_certificate(text, self._genesis)
            except (IntegrityFault, Malformed) as fault:
                return None, fault
        return self._certificates[text], None

    def _check_signature(self, event: Event, certificate: Certificate | None) -> IntegrityFault | None:
        try:
            verify_signature(event, certificate, self._genesis)
        except IntegrityFault as fault:
            return fault
        return None

    def _check_place(self, event: Event, certificate: Certificate | None) -> IntegrityFault | None:
        try:
            check_certified(event, certificate)
            check_place(event, self._genesis, self._strand, self._time)
        except EpochUnknown as fault:
            return self._waits(event, fault.message)
        except IntegrityFault as fault:
            return fault
        return None

    def _waits(self, event: Event, why: str) -> IntegrityFault:
        """`Waiting` if the event's times hold. With a `seal_by` of its own choice it could wait for ever."""
        try:
            check_times(event, self._genesis, self._time)
        except IntegrityFault as fault:
            return fault
        return Waiting(why) if self._time <= event.seal_by else IntegrityFault(why)


def check_place(event: Event, genesis: Genesis, strand: LogName, block_time: str) -> None:
    """Raise `IntegrityFault` if a true event does not belong into this strand and block.

    The fault is an `EpochUnknown` if no order has opened the event's epoch yet.
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


@lru_cache(maxsize=8)  # All events of a block have the same block time.
def _latest(block_time: str) -> str:
    return later(block_time, SKEW_SECONDS)
