"""Receipts, which a caller keeps of an accepted act, and the standing of their events in the log.

A receipt is the event and its key's certificate (FORMATS.md, 7). It proves that the service took the act and
promised to have it in the log by `seal_by`. The promise is broken once the log's own time is past that, and
no strand has the event or its rejection. Then receipt and log together are evidence against the operator. A
log with findings, or with a time before `seal_by`, gives no evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from carevouch.events.envelope import EVENT_TYP, Event, parse_event
from carevouch.events.genesis import Genesis
from carevouch.events.opening import verified_event
from carevouch.events.seal import parse_seal
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import Malformed
from carevouch.kernel.jws import take_apart
from carevouch.verifier.strand import WatchedEntry


@dataclass(frozen=True, slots=True)
class Receipt:
    """A parsed receipt, not verified. An event of the operator has no certificate."""

    event: str
    certificate: str | None


@dataclass(frozen=True, slots=True)
class EventSealed:
    """The event is in the log, as entry `index` of `strand`."""

    strand: int
    index: int


@dataclass(frozen=True, slots=True)
class EventReplaced:
    """The log has another event with this id. Two true events cannot share an id, so this is evidence."""

    strand: int
    index: int


@dataclass(frozen=True, slots=True)
class EventRejected:
    """The log rejects this id. `exact` says whether it rejected this text, and not another one."""

    strand: int
    index: int
    reason: str
    exact: bool


@dataclass(frozen=True, slots=True)
class EventWaiting:
    """The event is not in the log, and the log's time is not past `seal_by`, so it is not due."""

    now: str


@dataclass(frozen=True, slots=True)
class PromiseBroken:
    """The log's time is past `seal_by`, and no strand has the event or its rejection: evidence."""

    now: str


Standing = EventSealed | EventReplaced | EventRejected | EventWaiting | PromiseBroken


def parse_receipt(data: bytes) -> Receipt:
    """The receipt in a header or a file; raises `Malformed`. A line feed at its end is ignored."""
    try:
        words = data.decode("ascii").strip().split(" ")
    except UnicodeDecodeError as error:
        raise Malformed("a receipt is ASCII: an event and its certificate") from error
    if len(words) > 2 or not all(words):
        raise Malformed("a receipt is an event and its certificate, with one space between them")
    return Receipt(words[0], words[1] if len(words) == 2 else None)


def verify_receipt(receipt: Receipt, genesis: Genesis) -> Event:
    """The accepted event; raises `IntegrityFault` or `Malformed` with the mismatch."""
    return verified_event(receipt.event, receipt.certificate, genesis)


def standing(event: Event, seen: Sequence[WatchedEntry], now: str) -> Standing:
    """The standing of an accepted event. `seen` are the log's entries about its id, and `now` is the log's
    time."""
    events = [one for one in seen if take_apart(one.text).typ == EVENT_TYP]
    for one in events:
        # An ECDSA signature has two forms, so the signed bytes and the key are compared.
        other = parse_event(one.text)
        if other.signing_input == event.signing_input:
            return EventSealed(one.strand, one.index)
    if events:
        return EventReplaced(events[0].strand, events[0].index)
    hash_ = b64u(sha256(event.text.encode("ascii")))
    answers = [(one, parse_seal(one.text).data) for one in seen]
    for one, data in sorted(answers, key=lambda answer: answer[1]["hash"] != hash_):
        return EventRejected(one.strand, one.index, data["reason"], exact=data["hash"] == hash_)
    return PromiseBroken(now) if now > event.seal_by else EventWaiting(now)


def standing_words(event: Event, place: Standing) -> str:
    """The log's answer about an accepted event, for people."""
    match place:
        case EventSealed():
            return f"the event {event.id} is entry {place.index} of strand {place.strand}"
        case EventReplaced():
            return f"entry {place.index} of strand {place.strand} is another event under the id {event.id}"
        case EventRejected():
            what = "was rejected" if place.exact else "has an id of which another text was rejected"
            entry = f"entry {place.index} of strand {place.strand}"
            return f"the event {event.id} {what} by {entry}: {place.reason}"
        case EventWaiting():
            now = f"the log's time is {place.now}" if place.now else "the log states no time of every strand"
            return f"the event {event.id} is not in the log and has until {event.seal_by}; {now}"
        case PromiseBroken():
            return (
                f"the event {event.id} was due by {event.seal_by}, the log's time is {place.now}, "
                "and no strand has it or its rejection"
            )
