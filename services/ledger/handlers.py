"""The sealer's one entry point: a batch of stream records, or the clock's sweep.

The stream handler needs only the keys of new rows. It never raises because of what a row says: a bad event is
sealed as rejected, and one that our code stumbles over is set aside and counted, so that it blocks nobody;
its key holds a person's id and is not told. When the world fails (DynamoDB, S3, KMS, a head that went back)
it reports the first record, and the stream brings the batch again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from services.ledger.apart import WORLD, each_apart
from services.ledger.ports import HeadWentBack
from services.ledger.seal import Sealed, Sealer
from services.ledger.store import may_carry_event
from services.ledger.sweep import Sweep
from shared.kernel.errors import IntegrityFault
from shared.kernel.ids import Key

Answer = dict[str, list[dict[str, str]]]


class Tell(Protocol):
    """Where facts go: structured log lines and metrics, never anything about a person."""

    def count(self, name: str, value: float) -> None:
        """A metric."""

    def error(self, message: str, **facts: str) -> None:
        """A line for whoever is woken by an alarm."""


def handle(event: Mapping[str, Any], *, sealers: Sequence[Sealer], sweep: Sweep, tell: Tell) -> Answer | None:
    """Serve one invocation, told apart by the event's shape."""
    records = event.get("Records")
    if isinstance(records, list):
        return handle_records(records, sealers=sealers, tell=tell)
    handle_sweep(sealers=sealers, sweep=sweep, tell=tell)
    return None


def handle_records(records: Sequence[Any], *, sealers: Sequence[Sealer], tell: Tell) -> Answer:
    """Seal and publish what new rows carry; reports the first record if all have to come again."""
    keys = list(dict.fromkeys(_keys(records)))
    try:
        for sealer in sealers:
            _tell_sealed(_seal(sealer, keys, tell), tell)
            sealer.publish()
    except WORLD as fault:
        _tell_fault(fault, tell)
        return {"batchItemFailures": [{"itemIdentifier": _sequence_number(records[0])}]}
    return {"batchItemFailures": []}


def handle_sweep(*, sealers: Sequence[Sealer], sweep: Sweep, tell: Tell) -> None:
    """Seal what the stream lost, then publish; a fault of the world is told and raised, for the next run."""
    try:
        swept = sweep.run()
        for sealer in sealers:
            sealer.publish()
    except WORLD as fault:
        _tell_fault(fault, tell)
        raise
    _tell_sealed(swept.sealed, tell)
    tell.count("OldestUnsealedSeconds", swept.oldest_seconds)
    if swept.stumbled:
        tell.error("the sweep went on without some rows", fault=", ".join(sorted(set(swept.stumbled))))
        tell.count("LedgerFaults", len(swept.stumbled))


def _seal(sealer: Sealer, keys: Sequence[Key], tell: Tell) -> Sealed:
    def set_aside(_key: Key, bug: Exception) -> None:
        tell.error("a row was set aside", fault=type(bug).__name__)
        tell.count("RowsSetAside", 1)

    parts = each_apart(sealer.seal, keys, set_aside)
    return Sealed(
        sum(part.events for part in parts),
        sum(part.rejected for part in parts),
        sum(part.waiting for part in parts),
    )


def _keys(records: Sequence[Any]) -> Iterator[Key]:
    for record in records:
        found = record.get("dynamodb", {}).get("Keys", {}) if isinstance(record, dict) else {}
        key = Key(str(found.get("pk", {}).get("S", "")), str(found.get("sk", {}).get("S", "")))
        if key.pk and key.sk and may_carry_event(key) and record.get("eventName", "INSERT") == "INSERT":
            yield key


def _sequence_number(record: Any) -> str:
    return str(record.get("dynamodb", {}).get("SequenceNumber", ""))


def _tell_sealed(sealed: Sealed, tell: Tell) -> None:
    tell.count("EventsSealed", sealed.events)
    tell.count("EventsRejected", sealed.rejected)
    tell.count("EventsWaiting", sealed.waiting)


def _tell_fault(fault: BaseException, tell: Tell) -> None:
    said = fault.message if isinstance(fault, IntegrityFault) else type(fault).__name__
    tell.error("the sealer stopped", fault=type(fault).__name__, what=said)
    if isinstance(fault, IntegrityFault):
        tell.count("HeadWentBack" if isinstance(fault, HeadWentBack) else "LedgerFaults", 1)
