"""Finding the events about oneself in the public log, also those that nobody told one of (FORMATS.md, 7).

An event bears a tag for each person concerned, which only their secret makes. What a scan finds is there.
What it does not find may have been tagged with other bytes by whoever signed: that is shown by an opening of
an event that lacks the tag, and by nothing else. A secret is an argument here, never part of what comes out.
"""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from carevouch.events.envelope import Event, event_of, tag
from carevouch.events.opening import ProvedRevision


@dataclass(frozen=True, slots=True)
class EventAbout:
    """An event about the person: entry `index` of `strand`."""

    strand: int
    index: int
    event: Event


def is_about(event: Event, secret: bytes) -> bool:
    """Whether the event bears the tag of the person with this secret."""
    own = tag(secret, event.id)
    return any(hmac.compare_digest(own, other) for other in event.tags)


def scan(strand: int, entries: Iterable[tuple[int, bytes]], secret: bytes) -> Iterator[EventAbout]:
    """The events about the person among entries, which come with their indices.

    Entries that are no events are passed over: whether they may be there is the audit's question.
    """
    for index, entry in entries:
        event = event_of(entry.decode("ascii", "replace"))
        if event is not None and is_about(event, secret):
            yield EventAbout(strand, index, event)


def untagged(
    openings: Sequence[tuple[str, ProvedRevision]], secret: bytes
) -> list[tuple[str, ProvedRevision]]:
    """Openings of documents about a person, by file, whose events lack the tag: a fault of whoever signed.

    A document about nobody (an organisation's, a contract) needs no tag.
    """
    return [
        (file, proved)
        for file, proved in openings
        if proved.doc.subject is not None and not is_about(proved.event, secret)
    ]
