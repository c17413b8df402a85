"""The sealer's one entry point: records of the stream, messages of the inbox, the clock, an operator's order.

With one strand it seals a stream's batch at once. With more it sends the keys to the inbox, and seals the
inbox's messages strand by strand. A row's content never makes it raise. A bad event is sealed as rejected,
and a row on which our code fails is quarantined and counted. Its key is not logged, because it holds a
person's id. When the world fails (DynamoDB, S3, KMS, a head that went back) it reports the stream's first
record, or all messages of the strand that failed, and they come again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from carevouch.kernel.errors import Busy, IntegrityFault, Malformed
from carevouch.kernel.ids import Key
from carevouch.kernel.telemetry import Telemetry
from carevouch.kernel.times import moment
from carevouch.store.log.ports import EventRow, HeadWentBack
from carevouch.store.log.rows import may_carry_event
from services.sealer.checkpoint_interval import CheckpointInterval
from services.sealer.inbox import Inbox, Wake, nudge, pack, parse, wake
from services.sealer.quarantine import WORLD, with_quarantine
from services.sealer.strand import SealCounts
from services.sealer.sweep import SweepReport

# The template's BatchSize of each source. A batch of so many has more behind it.
FULL_STREAM, FULL_INBOX = 1_000, 10
# Keys sealed in one go: a manifest of 6 MB, and a few seconds of one core.
MAX_SEAL = 4_000
SQS = "aws:sqs"

Answer = dict[str, list[dict[str, str]]]


class StrandSealer(Protocol):
    """One strand's sealer."""

    def seal(self, keys: Sequence[Key]) -> SealCounts:
        """Seal the events of this strand in these rows."""

    def publish(self) -> object:
        """Sign and publish the settled head."""


class Sweeper(Protocol):
    """Finds the events that stream and inbox lost."""

    def run(self) -> SweepReport:
        """Seal these events."""


class EpochOpener(Protocol):
    """Opens epochs on the operator's order."""

    def open(self, text: str) -> object:
        """Carry out the order."""

    def finish(self) -> object:
        """Finish an opening that a crash interrupted."""


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A received message: the id to report, the receipt to ask for it again, and its content.

    A message for a strand has `keys`; one for the super-log has `until`, an instant.
    """

    id: str
    receipt: str
    keys: tuple[Key, ...] = ()
    until: str = ""


@dataclass(frozen=True, slots=True)
class Ports:
    """The sealer's parts and its outside world, as the entry point uses them.

    `place` gives the strand of an event's text, and 0 for a text that is no event. `fetch` reads the rows
    that carry events. `above` appends the strands' new checkpoints to the super-log and publishes it. `salt`
    gives another text at each call.
    """

    strands: Mapping[int, StrandSealer]
    place: Callable[[str], int]
    fetch: Callable[[Sequence[Key]], Sequence[EventRow]]
    sweep: Sweeper
    above: Callable[[], object]
    inbox: Inbox
    interval: CheckpointInterval
    epochs: EpochOpener
    clock: Callable[[], str]
    salt: Callable[[], str]
    tell: Telemetry


def handle(event: Mapping[str, Any], ports: Ports) -> Answer | None:
    """Serve one invocation; the event's shape says which kind it is."""
    order, records = event.get("open_epoch"), event.get("Records")
    if isinstance(order, str):
        # Anybody who may call the function can hand an order in. The operator's signature in it decides.
        ports.epochs.open(order)
        return None
    if not isinstance(records, list):
        handle_sweep(ports)
        return None
    if records and isinstance(records[0], dict) and records[0].get("eventSource") == SQS:
        return handle_inbox(records, ports)
    return handle_stream(records, ports)


def handle_stream(records: Sequence[Any], ports: Ports) -> Answer:
    """Seal and publish the events of new rows, or forward their keys to the inbox.

    After a fault it reports the first record, and all come again.
    """
    keys: dict[Key, None] = {}
    for record in records:
        names = record.get("dynamodb", {}).get("Keys", {}) if isinstance(record, dict) else {}
        key = Key(str(names.get("pk", {}).get("S", "")), str(names.get("sk", {}).get("S", "")))
        if key.pk and key.sk and may_carry_event(key) and record.get("eventName", "INSERT") == "INSERT":
            keys[key] = None
    try:
        if len(ports.strands) > 1:
            _forward(list(keys), ports)
        else:
            _seal(0, list(keys), ports)
            if _publish(0, ports, full=len(records) >= FULL_STREAM):
                ports.above()
    except WORLD as fault:
        _tell_fault(fault, ports.tell)
        return _failures([str(records[0].get("dynamodb", {}).get("SequenceNumber", ""))])
    return _failures([])


def handle_inbox(records: Sequence[Any], ports: Ports) -> Answer:
    """Seal the messages strand by strand, publish these strands, then wake the super-log, or publish it.

    It reports every message of a strand that failed, and of no other. Later messages of its group wait for
    them.
    """
    hints, wakes = _received(records, ports.tell)
    full, failed = len(records) >= FULL_INBOX, set[int]()
    for strand, messages in hints.items():
        try:
            _seal(strand, [key for message in messages for key in message.keys], ports)
        except WORLD as fault:
            _tell_fault(fault, ports.tell)
            failed.add(strand)
    for strand in [strand for strand in hints if strand not in failed]:
        try:
            if _publish(strand, ports, full=full):
                ports.inbox.send([wake(ports.clock())])
        except WORLD as fault:
            _tell_fault(fault, ports.tell)
            failed.add(strand)
    again = [message for strand, messages in hints.items() if strand in failed for message in messages]
    if wakes:
        try:
            # All who publish within this second send the same wake-up. At its end all of them have published.
            until = max(message.until for message in wakes)
            ports.interval.wait((moment(until) - moment(ports.clock())).total_seconds())
            ports.above()
        except WORLD as fault:
            _tell_fault(fault, ports.tell)
            again += wakes
    ports.inbox.again([message.receipt for message in again])
    return _failures([message.id for message in again])


def handle_sweep(ports: Ports) -> None:
    """Publish all that is sealed, seal lost events, and publish these. Raises the faults of the world.

    Publishing comes first, because a sweep may take long or fail. If it fails, the sweep seals nevertheless.
    """
    tell = ports.tell
    try:
        ports.epochs.finish()
        try:
            _publish_all(ports)
            is_published = True
        except WORLD as fault:
            _tell_fault(fault, tell)
            is_published = False
        swept = ports.sweep.run()
        if not is_published or swept.sealed.events or swept.sealed.rejected:
            _publish_all(ports)
    except WORLD as fault:
        _tell_fault(fault, tell)
        raise
    _tell_sealed(swept.sealed, tell)
    tell.count("OldestUnsealedSeconds", swept.oldest_seconds)
    if swept.quarantined:
        tell.error("the sweep went on without some rows", fault=", ".join(sorted(set(swept.quarantined))))
        tell.count("LedgerFaults", len(swept.quarantined))


def _forward(keys: Sequence[Key], ports: Ports) -> None:
    """Send the keys of rows that carry events to their strands, where the rows are read again and judged."""

    def placed(rows: Sequence[EventRow]) -> list[tuple[int, Key]]:
        return [(ports.place(row.text), row.key) for row in rows]

    def quarantine(_item: object, bug: Exception) -> None:
        _tell_quarantine(bug, ports.tell)

    rows = [row for part in with_quarantine(ports.fetch, keys, quarantine) for row in part]
    by_strand: dict[int, list[Key]] = {}
    for part in with_quarantine(placed, rows, quarantine):
        for strand, key in part:
            by_strand.setdefault(strand, []).append(key)
    if by_strand:
        ports.inbox.send(pack(by_strand, ports.salt()))


def _received(
    records: Sequence[Any], tell: Telemetry
) -> tuple[dict[int, list[InboxMessage]], list[InboxMessage]]:
    """The messages of each strand, and those for the super-log. An unreadable one is left to the sweep."""
    hints: dict[int, list[InboxMessage]] = {}
    wakes: list[InboxMessage] = []
    for record in records:
        id_, receipt = str(record.get("messageId", "")), str(record.get("receiptHandle", ""))
        try:
            content = parse(str(record["attributes"]["MessageGroupId"]), str(record["body"]))
        except (Malformed, KeyError, TypeError):
            tell.error("a message of the inbox could not be read")
            tell.count("MessagesUnread", 1)
            continue
        if isinstance(content, Wake):
            wakes.append(InboxMessage(id_, receipt, until=content.until))
        else:
            hints.setdefault(content.strand, []).append(InboxMessage(id_, receipt, content.keys))
    return hints, wakes


def _seal(strand: int, keys: Sequence[Key], ports: Ports) -> None:
    sealer = ports.strands.get(strand)
    if sealer is None:
        raise Busy("this environment does not know the strand yet; the message will be tried again")
    unique = list(dict.fromkeys(keys))
    for at in range(0, len(unique), MAX_SEAL):
        parts = with_quarantine(
            sealer.seal, unique[at : at + MAX_SEAL], lambda _, bug: _tell_quarantine(bug, ports.tell)
        )
        _tell_sealed(sum(parts, SealCounts()), ports.tell)


def _publish(strand: int, ports: Ports, *, full: bool) -> bool:
    """Publish the strand if its interval is over; else send a message that will publish it."""
    if not ports.interval.is_over(strand, full=full):
        # A full batch has probably more behind it, but not surely. This message comes last, and publishes.
        ports.inbox.send([nudge(strand, ports.salt())])
        return False
    ports.strands[strand].publish()
    ports.interval.begin(strand)
    return True


def _publish_all(ports: Ports) -> None:
    for strand in ports.strands:
        ports.strands[strand].publish()
        ports.interval.begin(strand)
    ports.above()


def _failures(ids: Sequence[str]) -> Answer:
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}


def _tell_quarantine(bug: Exception, tell: Telemetry) -> None:
    tell.error("a row was set aside", fault=type(bug).__name__)
    tell.count("RowsSetAside", 1)


def _tell_sealed(sealed: SealCounts, tell: Telemetry) -> None:
    tell.count("EventsSealed", sealed.events)
    tell.count("EventsRejected", sealed.rejected)
    tell.count("EventsWaiting", sealed.waiting)


def _tell_fault(fault: BaseException, tell: Telemetry) -> None:
    what = fault.message if isinstance(fault, IntegrityFault) else type(fault).__name__
    tell.error("the sealer stopped", fault=type(fault).__name__, what=what)
    if isinstance(fault, IntegrityFault):
        tell.count("HeadWentBack" if isinstance(fault, HeadWentBack) else "LedgerFaults", 1)
