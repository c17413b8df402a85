"""A deployment with its sealer, its inbox and its clock, for tests of the entry point."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from carevouch.events.envelope import event_of, strand_of
from carevouch.kernel.ids import Key
from carevouch.verifier.strand import audit_strand
from services.sealer.checkpoint_interval import CheckpointInterval
from services.sealer.invocation import Ports, StrandSealer, handle
from tests.fakes import Faults
from tests.service.sealer.fakes import Cloud
from tests.service.sealer.queues import MemoryInbox
from tests.unit.sealing.acts import House, Producer, event_id


class TellRecorder:
    """Remembers metrics and log lines."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.errors: list[tuple[str, dict[str, str]]] = []

    def count(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def error(self, message: str, **facts: str) -> None:
        self.errors.append((message, facts))


@dataclass
class Room:
    """A deployment, its inbox, and an entry point in one warm environment."""

    strands: int = 1
    tell: TellRecorder = field(default_factory=TellRecorder)
    risen: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cloud = Cloud(House(strands=self.strands))
        self.inbox = MemoryInbox(Faults())
        self.producer = Producer(self.cloud.house)
        self.seconds = 0.0
        self.salts = 0
        self.environment = self.fresh()

    def fresh(self) -> Ports:
        """The ports of an environment that has not served any call yet."""
        sealers: dict[int, StrandSealer] = {
            strand: self.cloud.sealer(strand) for strand in range(self.strands)
        }
        return Ports(
            strands=sealers,
            place=self.place,
            fetch=self.cloud.events.fetch,
            sweep=self.cloud.sweep(),
            above=lambda: self.risen.append(self.cloud.clock()),
            inbox=self.inbox,
            epochs=self.cloud.epochs(),
            interval=CheckpointInterval(lambda: self.seconds, self.pass_),
            clock=self.cloud.clock,
            salt=self.salt,
            tell=self.tell,
        )

    def place(self, text: str) -> int:
        event = event_of(text)
        return 0 if event is None else strand_of(event.id, self.strands)

    def pass_(self, seconds: float) -> None:
        """Let time go by, for both clocks."""
        self.waited.append(seconds)
        self.seconds += seconds
        self.cloud.clock.advance(seconds)

    def salt(self) -> str:
        self.salts += 1
        return f"{self.salts}"

    def act(self, number: int, strand: int = 0) -> Key:
        """Store a new event that falls into this strand."""
        return self.cloud.act(self.producer, number, id=event_id(number, strand, self.strands))

    def stream(self, records: Sequence[Any]) -> Any:
        return handle({"Records": list(records)}, self.environment)

    def deliver(self) -> dict[str, Any]:
        """Take and answer one batch of the inbox. Returns the answer, or an empty one if no message waits."""
        found = self.inbox.receive()
        answer = handle({"Records": found}, self.environment) if found else None
        if answer is not None:
            self.inbox.answer(found, answer)
        return dict(answer or {})

    def drain(self) -> None:
        """Deliver until the inbox is empty."""
        while self.deliver():
            pass

    def events(self, strand: int = 0) -> int:
        """The number of events in the published strand, which passes its audit."""
        report = audit_strand(self.cloud.house.genesis, strand, self.cloud.read(strand))
        assert report.findings == []
        return report.events


def record(key: Key, number: int = 1, name: str = "INSERT") -> dict[str, Any]:
    """A stream record as a KEYS_ONLY view delivers it."""
    keys = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
    return {
        "eventID": f"{number}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": keys, "SequenceNumber": f"{number}00", "StreamViewType": "KEYS_ONLY"},
    }


NOTHING: dict[str, Any] = {"batchItemFailures": []}


def reported(*ids: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}
