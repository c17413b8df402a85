"""The ways of new rows to the sealer: the table's stream, and the inbox with one ordered group a strand.

Both deliver at least once, in order only per key or group, and again from the first reported record. Some
records never come (filtered, expired). Only the sweep promises to find those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from carevouch.kernel.ids import Key
from tests.service.sealer.queues import MemoryInbox
from tests.simulator.choices import Chance
from tests.simulator.schedule import Schedule, Write
from tests.simulator.stores import CLIENT

Handle = Callable[[Mapping[str, Any]], Any]
DROPPED = 0.15
TWICE = 0.2
BATCH = 6


@dataclass
class Stream:
    """Records that were not delivered yet. `sequence` counts per stream, as sequence numbers do."""

    chance: Chance
    waiting: list[dict[str, Any]] = field(default_factory=list)
    sequence: int = 0

    def write(self, key: Key) -> None:
        """Add the record of a new row."""
        self.sequence += 1
        if self.chance.happens(DROPPED):
            return
        record = _record(key, self.sequence)
        # Order holds per key only, and each key is written once: so anywhere among what waits.
        self.waiting.insert(self.chance.between(0, len(self.waiting)), record)

    def take(self) -> list[dict[str, Any]]:
        """A batch, some of whose records may be delivered again later."""
        batch = self.waiting[: self.chance.between(1, BATCH)]
        del self.waiting[: len(batch)]
        self.waiting += [record for record in batch if self.chance.happens(TWICE)]
        return batch

    def answer(self, batch: list[dict[str, Any]], response: Any) -> None:
        """Bring a batch again from the lowest reported record, or all of it if no answer came."""
        failed = None if response is None else response["batchItemFailures"]
        if failed == []:
            return
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        first = 0 if failed is None else min(numbers.index(item["itemIdentifier"]) for item in failed)
        self.waiting = batch[first:] + self.waiting


class SteppedInbox:
    """An `inbox.Inbox`. Each call of it is a step of the schedule."""

    def __init__(self, schedule: Schedule, inbox: MemoryInbox) -> None:
        self._schedule, self._inbox = schedule, inbox

    def send(self, messages: Any) -> None:
        groups = ",".join(message.group for message in messages)
        self._schedule.write(Write(f"inbox.send {groups}", lambda: self._inbox.send(messages), CLIENT))

    def again(self, receipts: Any) -> None:
        self._inbox.again(receipts)


def _record(key: Key, number: int) -> dict[str, Any]:
    return {
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": {"pk": {"S": key.pk}, "sk": {"S": key.sk}}, "SequenceNumber": f"{number:021d}"},
    }
