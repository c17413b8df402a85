"""An honest fake of the inbox: ordered groups, deduplication per group, lost calls.

It delivers as Lambda's mapping of an SQS FIFO queue does. A batch has at most ten messages, from groups that
have none in flight, each group's in their order. Reported messages come again, before later ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.sealer.inbox import MAX_CALL_BYTES, MAX_ENTRIES, Message, calls
from tests.fakes import Faults

BATCH = 10


@dataclass
class MemoryInbox:
    """An `inbox.Inbox` in memory."""

    faults: Faults = field(default_factory=Faults)
    waiting: list[tuple[str, Message]] = field(default_factory=list)
    in_flight: dict[str, tuple[str, Message]] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    asked_again: list[str] = field(default_factory=list)
    sent: int = 0

    def send(self, messages: Sequence[Message]) -> None:
        for call in calls(messages):
            assert len(call) <= MAX_ENTRIES, "SQS refuses more than ten messages in a call"
            assert sum(message.size for message in call) <= MAX_CALL_BYTES, "SQS refuses calls over 256 KiB"
            self.faults.around(lambda call=call: self._take(call))  # type: ignore[misc]

    def again(self, receipts: Sequence[str]) -> None:
        self.asked_again += receipts

    def receive(self, batch: int = BATCH) -> list[dict[str, Any]]:
        """The next batch as Lambda hands it over; it is in flight until `answer`."""
        busy = {message.group for _, message in self.in_flight.values()}
        found = [item for item in self.waiting if item[1].group not in busy][:batch]
        for item in found:
            self.waiting.remove(item)
            self.in_flight[item[0]] = item
        return [record(*item) for item in found]

    def answer(self, records: Sequence[Mapping[str, Any]], said: Mapping[str, Any]) -> None:
        """Remove the messages that were not reported; the others come again, in their place."""
        failed = {failure["itemIdentifier"] for failure in said["batchItemFailures"]}
        done = [self.in_flight.pop(one["messageId"]) for one in records]
        self.waiting = [item for item in done if item[0] in failed] + self.waiting

    def _take(self, call: Sequence[Message]) -> None:
        for message in call:
            if (message.group, message.dedup) not in self.known:
                self.known.add((message.group, message.dedup))
                self.sent += 1
                self.waiting.append((f"message-{self.sent}", message))


def record(id_: str, message: Message) -> dict[str, Any]:
    """A message as Lambda hands it over."""
    return {
        "messageId": id_,
        "receiptHandle": f"receipt of {id_}",
        "body": message.body,
        "attributes": {"MessageGroupId": message.group, "ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }
