"""The inbox: which rows carry events for which strand, as messages in one ordered group a strand. Pure.

With more than one strand the stream only forwards here, so that each strand has one sealer at a time: a queue
that orders by group (Amazon SQS FIFO) hands a group's next messages to nobody before the last ones are
answered. A message is a hint, like the stream's: it holds keys of rows, never their content; a lost one costs
time until the sweep, a repeated one a look-up. It decides nothing, for what it names is read again and
checked, and the compare-and-swap alone commits.

One more group wakes the super-log. Its messages say until when they were collected: whoever sends one within
that second has published before its end, so the reader waits for the end and sees all of them.
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

# SQS: ten messages a call, and 256 KiB together where a region still has the old limit.
MAX_ENTRIES, MAX_CALL_BYTES = 10, 256 * 1024
# As many as a stream's batch of 1,000 keys fills for one strand; two fit into one call.
MAX_BODY_BYTES = 120 * 1024
SUPER_GROUP = "super"
_STRAND = "strand-"
_GROUP = re.compile(f"{_STRAND}([0-9]{{1,6}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the ordered group, the body, and the id under which a repeated call is one message."""

    group: str
    body: str
    dedup: str

    @property
    def size(self) -> int:
        """Bytes that count towards a call's limit."""
        return len(self.body.encode("utf-8"))


@dataclass(frozen=True, slots=True)
class Wake:
    """A received message for the super-log: it was collected until `until`, an instant."""

    until: str


@dataclass(frozen=True, slots=True)
class Hint:
    """A received message for a strand: rows that may carry its events."""

    strand: int
    keys: tuple[Key, ...]


class Inbox(Protocol):
    """Ordered groups of messages; each is delivered at least once, a group's next after the last's answer."""

    def send(self, messages: Sequence[Message]) -> None:
        """Put them all in; raises `OutcomeUnknown` if some may not have been taken."""

    def again(self, receipts: Sequence[str]) -> None:
        """Deliver messages that failed soon, not only when their visibility ends; a best effort."""


def pack(found: Mapping[int, Sequence[Key]], salt: str) -> list[Message]:
    """The messages for the keys found per strand, as many keys in one as fit, in the order given.

    `salt` is new for each delivery of the stream: the client library's repeated call then is one message,
    while a batch that the stream brings again is sent again. By its content alone it would be dropped for
    five minutes, also when the first message had ended among the dead letters.
    """
    return [
        _message(f"{_STRAND}{strand}", body, salt)
        for strand, keys in sorted(found.items())
        for body in _bodies(list(dict.fromkeys(keys)))
    ]


def nudge(strand: int, salt: str) -> Message:
    """A message without keys: behind all that the strand's group holds, it only lets the strand publish."""
    return _message(f"{_STRAND}{strand}", _body([]), salt)


def wake(now: str) -> Message:
    """The super-log's message for the second of the instant `now`: all who send it within that send one."""
    until = later(now[: len("2026-11-25T20:00:00")] + ".000Z", 1)
    return Message(SUPER_GROUP, json.dumps({"until": until}), until.replace(":", "-"))


def calls(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in calls of at most ten and 256 KiB, order kept."""
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
    """What a received message says; raises `Malformed` for what this module did not write."""
    value = parse_json(body.encode("utf-8"), "the message")
    strand = _GROUP.fullmatch(group)
    try:
        if strand is not None:
            return Hint(int(strand[1]), tuple(Key(_text(pk), _text(sk)) for pk, sk in value["keys"]))
        if group == SUPER_GROUP:
            moment(value["until"], "the end of a wake-up's second")
            return Wake(value["until"])
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"a message of the inbox does not say what its group says: {error}") from error
    raise Malformed("the message is in no group of the inbox")


def _bodies(keys: Sequence[Key]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for key in keys:
        # ASCII without spaces, so that its length is its size.
        text = json.dumps([key.pk, key.sk], separators=(",", ":"))
        size += len(text) + 1
        if part and size > MAX_BODY_BYTES:
            yield _body(part)
            part, size = [], len(text) + 1
        part.append(text)
    if part:
        yield _body(part)


def _body(part: Sequence[str]) -> str:
    return f'{{"keys":[{",".join(part)}]}}'


def _message(group: str, body: str, salt: str) -> Message:
    return Message(group, body, sha256(f"{salt}\n{group}\n{body}".encode()).hex())


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a key's part is no text")
    return value
