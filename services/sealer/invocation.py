"""The sealer's one entry point: stream records, messages of the inbox, the clock, an operator's order.

With one strand a stream's batch is sealed at once; with more, its keys go to the inbox, whose messages are
sealed strand by strand. Neither ever raises because of what a row says: a bad event is sealed as rejected,
and one that our code stumbles over is set aside and counted, so that it blocks nobody; its key holds a
person's id and is not told. When the world fails (DynamoDB, S3, KMS, a head that went back) the stream's
first record is reported, or all messages of the strand that failed, and they come again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from carevouch.kernel.errors import Busy, IntegrityFault, Malformed
from carevouch.kernel.ids import Key
from carevouch.kernel.telemetry import Telemetry
from carevouch.kernel.times import moment
from carevouch.store.log.ports import EventRow, HeadWentBack
from carevouch.store.log.rows import may_carry_event
from services.sealer.inbox import Inbox, Wake, nudge, pack, parse, wake
from services.sealer.quarantine import WORLD, each_apart
from services.sealer.schedule import Pace
from services.sealer.strand import SealCounts
from services.sealer.sweep import SweepReport

# The template's BatchSize of either source: a batch of so many has more behind it.
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
    """What finds the events that stream and inbox lost."""

    def run(self) -> SweepReport:
        """Seal what is found."""


class EpochOpener(Protocol):
    """What opens epochs."""

    def open(self, text: str) -> object:
        """Carry out the operator's order."""

    def finish(self) -> object:
        """Finish what a crash left of an opening."""


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message of the inbox as its queue names it: what to report, and what to ask for it again."""

    id: str
    receipt: str
    keys: tuple[Key, ...] = ()
    until: str = ""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the entry point works with.

    `epochs` opens new ones; `fetch` reads the rows that carry events; `place` says into which strand a text
    belongs, 0 for what is no event; `above` appends the strands' new checkpoints to the super-log and
    publishes that; `salt` is another text each time it is asked.
    """

    strands: Mapping[int, StrandSealer]
    place: Callable[[str], int]
    fetch: Callable[[Sequence[Key]], Sequence[EventRow]]
    sweep: Sweeper
    above: Callable[[], object]
    inbox: Inbox
    pace: Pace
    epochs: EpochOpener
    clock: Callable[[], str]
    salt: Callable[[], str]
    tell: Telemetry


def handle(event: Mapping[str, Any], ports: Ports) -> Answer | None:
    """Serve one invocation, told apart by the event's shape."""
    order, records = event.get("open_epoch"), event.get("Records")
    if isinstance(order, str):
        # Whoever may call the function hands it in; the operator's signature in it is what counts.
        ports.epochs.open(order)
        return None
    if not isinstance(records, list):
        handle_sweep(ports)
        return None
    if records and isinstance(records[0], dict) and records[0].get("eventSource") == SQS:
        return handle_inbox(records, ports)
    return handle_stream(records, ports)


def handle_stream(records: Sequence[Any], ports: Ports) -> Answer:
    """Seal and publish what new rows carry, or forward it; reports the first record to have all again."""
    keys = list(dict.fromkeys(_keys(records)))
    try:
        if len(ports.strands) > 1:
            _forward(keys, ports)
        else:
            _seal(0, keys, ports)
            if _publish(0, ports, full=len(records) >= FULL_STREAM):
                ports.above()
    except WORLD as fault:
        _tell_fault(fault, ports.tell)
        return _failures([_sequence_number(records[0])])
    return _failures([])


def handle_inbox(records: Sequence[Any], ports: Ports) -> Answer:
    """Seal the messages strand by strand, publish those strands, then wake the super-log, or be its wake-up.

    Reports every message of a strand that failed, and of no other: later ones of its group wait for them.
    """
    hints, wakes = _received(records, ports.tell)
    full = len(records) >= FULL_INBOX
    sealed = [
        strand
        for strand, mine in hints.items()
        if _tried(partial(_seal, strand, [key for one in mine for key in one.keys], ports), ports.tell)
    ]
    published = [
        strand
        for strand in sealed
        if _tried(partial(_publish_and_wake, strand, ports, full=full), ports.tell)
    ]
    failed = [one for strand, mine in hints.items() if strand not in published for one in mine]
    if wakes and not _tried(partial(_rise, wakes, ports), ports.tell):
        failed += wakes
    ports.inbox.again([one.receipt for one in failed])
    return _failures([one.id for one in failed])


def handle_sweep(ports: Ports) -> None:
    """Publish what is sealed, seal what was lost, and publish that; a fault of the world is told and raised.

    What others sealed waits for no sweep, which may take long or fail, and no sweep for those who publish.
    """
    tell = ports.tell
    try:
        ports.epochs.finish()
        published = _tried(partial(_publish_all, ports), tell)
        swept = ports.sweep.run()
        if not published or swept.sealed.events or swept.sealed.rejected:
            _publish_all(ports)
    except WORLD as fault:
        _tell_fault(fault, tell)
        raise
    _tell_sealed(swept.sealed, tell)
    tell.count("OldestUnsealedSeconds", swept.oldest_seconds)
    if swept.stumbled:
        tell.error("the sweep went on without some rows", fault=", ".join(sorted(set(swept.stumbled))))
        tell.count("LedgerFaults", len(swept.stumbled))


def _forward(keys: Sequence[Key], ports: Ports) -> None:
    """Send the keys of rows that carry events to their strands, where they are read again and judged."""

    def placed(rows: Sequence[EventRow]) -> list[tuple[int, Key]]:
        return [(ports.place(row.text), row.key) for row in rows]

    tell = ports.tell
    rows = [row for part in each_apart(ports.fetch, keys, partial(_set_aside, tell)) for row in part]
    found: dict[int, list[Key]] = {}
    for part in each_apart(placed, rows, lambda row, bug: _set_aside(tell, row.key, bug)):
        for strand, key in part:
            found.setdefault(strand, []).append(key)
    if found:
        ports.inbox.send(pack(found, ports.salt()))


def _received(
    records: Sequence[Any], tell: Telemetry
) -> tuple[dict[int, list[InboxMessage]], list[InboxMessage]]:
    """The messages of each strand, and those for the super-log; what cannot be read is the sweep's."""
    hints: dict[int, list[InboxMessage]] = {}
    wakes: list[InboxMessage] = []
    for record in records:
        id_, receipt = str(record.get("messageId", "")), str(record.get("receiptHandle", ""))
        try:
            said = parse(str(record["attributes"]["MessageGroupId"]), str(record["body"]))
        except (Malformed, KeyError, TypeError):
            tell.error("a message of the inbox could not be read")
            tell.count("MessagesUnread", 1)
            continue
        if isinstance(said, Wake):
            wakes.append(InboxMessage(id_, receipt, until=said.until))
        else:
            hints.setdefault(said.strand, []).append(InboxMessage(id_, receipt, said.keys))
    return hints, wakes


def _tried(work: Callable[[], object], tell: Telemetry) -> bool:
    """Whether it went well; a fault of the world is told."""
    try:
        work()
    except WORLD as fault:
        _tell_fault(fault, tell)
        return False
    return True


def _seal(strand: int, keys: Sequence[Key], ports: Ports) -> None:
    sealer = ports.strands.get(strand)
    if sealer is None:
        raise Busy("this environment does not know the strand yet; the message will be tried again")
    unique = list(dict.fromkeys(keys))
    for at in range(0, len(unique), MAX_SEAL):
        parts = each_apart(sealer.seal, unique[at : at + MAX_SEAL], partial(_set_aside, ports.tell))
        _tell_sealed(
            SealCounts(
                sum(part.events for part in parts),
                sum(part.rejected for part in parts),
                sum(part.waiting for part in parts),
            ),
            ports.tell,
        )


def _publish(strand: int, ports: Ports, *, full: bool) -> bool:
    if not ports.pace.due(strand, full=full):
        # Whether more comes is not known, only likely: what is sent now comes last, and publishes.
        ports.inbox.send([nudge(strand, ports.salt())])
        return False
    ports.strands[strand].publish()
    ports.pace.done(strand)
    return True


def _publish_all(ports: Ports) -> None:
    for strand in ports.strands:
        ports.strands[strand].publish()
        ports.pace.done(strand)
    ports.above()


def _publish_and_wake(strand: int, ports: Ports, *, full: bool) -> None:
    if _publish(strand, ports, full=full):
        ports.inbox.send([wake(ports.clock())])


def _rise(wakes: Sequence[InboxMessage], ports: Ports) -> None:
    """Take the strands' checkpoints up, once the second is over in which others said that they published."""
    until = max(one.until for one in wakes)
    ports.pace.wait((moment(until) - moment(ports.clock())).total_seconds())
    ports.above()


def _set_aside(tell: Telemetry, _key: Key, bug: Exception) -> None:
    tell.error("a row was set aside", fault=type(bug).__name__)
    tell.count("RowsSetAside", 1)


def _failures(ids: Sequence[str]) -> Answer:
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}


def _keys(records: Sequence[Any]) -> Iterator[Key]:
    for record in records:
        found = record.get("dynamodb", {}).get("Keys", {}) if isinstance(record, dict) else {}
        key = Key(str(found.get("pk", {}).get("S", "")), str(found.get("sk", {}).get("S", "")))
        if key.pk and key.sk and may_carry_event(key) and record.get("eventName", "INSERT") == "INSERT":
            yield key


def _sequence_number(record: Any) -> str:
    return str(record.get("dynamodb", {}).get("SequenceNumber", ""))


def _tell_sealed(sealed: SealCounts, tell: Telemetry) -> None:
    tell.count("EventsSealed", sealed.events)
    tell.count("EventsRejected", sealed.rejected)
    tell.count("EventsWaiting", sealed.waiting)


def _tell_fault(fault: BaseException, tell: Telemetry) -> None:
    said = fault.message if isinstance(fault, IntegrityFault) else type(fault).__name__
    tell.error("the sealer stopped", fault=type(fault).__name__, what=said)
    if isinstance(fault, IntegrityFault):
        tell.count("HeadWentBack" if isinstance(fault, HeadWentBack) else "LedgerFaults", 1)
