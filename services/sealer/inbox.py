"""The inbox: messages that say which rows carry events for which strand, in one ordered group a strand. Pure.

With more than one strand the stream only forwards to the inbox, so that each strand has one sealer at a time.
A queue that orders by group (Amazon SQS FIFO) delivers a group's next messages only after the last ones are
answered. A message is a hint, as a record of the stream is. It holds keys of rows, never their content. A
lost message costs time until the sweep, and a repeated one a look-up. The rows are read again and checked,
and only the compare-and-swap commits.

One more group wakes the super-log. Its messages name the end of a second. Every sender within that second has
published before its end, so the reader waits for the end and sees all checkpoints.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Malformed
from carevouch.kernel.ids import Key
from carevouch.kernel.jsontext import parse as parse_json
from carevouch.kernel.times import later, moment

# SQS takes ten messages a call, and 256 KiB together where a region still has the old limit.
MAX_ENTRIES, MAX_CALL_BYTES = 10, 256 * 1024
# A stream's batch of 1,000 keys for one strand fits into one body, and two bodies into one call.
MAX_BODY_BYTES = 120 * 1024
SUPER_GROUP = "super"
_STRAND = "strand-"
_GROUP = re.compile(f"{_STRAND}([0-9]{{1,6}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send: its ordered group, its body, and the id that makes a repeated call one message."""

    group: str
    body: str
    dedup: str

    @property
    def size(self) -> int:
        """The bytes that count towards a call's limit."""
        return len(self.body.encode("utf-8"))


@dataclass(frozen=True, slots=True)
class Wake:
    """A received message for the super-log: wake-ups are collected until `until`, an instant."""

    until: str


@dataclass(frozen=True, slots=True)
class Hint:
    """A received message for a strand: rows that may carry its events."""

    strand: int
    keys: tuple[Key, ...]


class Inbox(Protocol):
    """Ordered groups of messages, each delivered at least once, and the next after the last is answered."""

    def send(self, messages: Sequence[Message]) -> None:
        """Send all messages. Raises `OutcomeUnknown` if the queue may not have taken some."""

    def again(self, receipts: Sequence[str]) -> None:
        """Deliver failed messages again soon, before their visibility ends; a best effort."""


def pack(by_strand: Mapping[int, Sequence[Key]], salt: str) -> list[Message]:
    """The messages for the keys of each strand, in the order given, with as many keys in each as fit.

    `salt` is new for each delivery of the stream. A call that the client library repeats then is one message,
    but a batch that the stream brings again is sent again. Deduplicated by content alone, that batch would be
    dropped for five minutes, even after its first message had become a dead letter.
    """
    messages = []
    for strand, keys in sorted(by_strand.items()):
        bodies: list[list[str]] = [[]]
        size = 0
        for key in dict.fromkeys(keys):
            # ASCII without spaces, so that its length is its size.
            text = json.dumps([key.pk, key.sk], separators=(",", ":"))
            size += len(text) + 1
            if bodies[-1] and size > MAX_BODY_BYTES:
                bodies.append([])
                size = len(text) + 1
            bodies[-1].append(text)
        messages += [_message(f"{_STRAND}{strand}", _body(texts), salt) for texts in bodies if texts]
    return messages


def nudge(strand: int, salt: str) -> Message:
    """A message without keys. Behind all others of the strand's group, it only makes the strand publish."""
    return _message(f"{_STRAND}{strand}", _body([]), salt)


def wake(now: str) -> Message:
    """The wake-up of the super-log for the second of the instant `now`: one message in that second."""
    until = later(now[: len("2026-11-25T20:00:00")] + ".000Z", 1)
    return Message(SUPER_GROUP, json.dumps({"until": until}), until.replace(":", "-"))


def calls(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in calls of at most ten and 256 KiB, in their order."""
    call: list[Message] = []
    for message in messages:
        full = len(call) == MAX_ENTRIES or sum(item.size for item in call) + message.size > MAX_CALL_BYTES
        if call and full:
            yield call
            call = []
        call.append(message)
    if call:
        yield call


def parse(group: str, body: str) -> Hint | Wake:
    """The content of a received message. Raises `Malformed` for one that this module did not write."""
    value = parse_json(body.encode("utf-8"), "the message")
    strand = _GROUP.fullmatch(group)
    try:
        if strand is not None:
            return Hint(int(strand[1]), tuple(Key(_text(pk), _text(sk)) for pk, sk in value["keys"]))
        if group == SUPER_GROUP:
            moment(value["until"], "the end of a wake-up's second")
            return Wake(value["until"])
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"the body of an inbox message does not fit its group: {error}") from error
    raise Malformed("the message is in no group of the inbox")


def _body(keys: Sequence[str]) -> str:
    return f'{{"keys":[{",".join(keys)}]}}'


def _message(group: str, body: str, salt: str) -> Message:
    return Message(group, body, sha256(f"{salt}\n{group}\n{body}".encode()).hex())


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a part of a key is no text, or empty")
    return value
