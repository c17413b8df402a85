"""A consumer's position in a feed: how far it has read in each strand.

`0:1234,1:887` says that of strand 0 the entries below 1234 were read, of strand 1 those below 887, and of
the others none; empty is the beginning. A feed of revisions may stop inside an act: `0:1234.57` says that of
entry 1234 the first 57 revisions were read too. Strands are append-only, so a position never goes stale, and
a new strand joins at its beginning by not being named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from carevouch.kernel.errors import Invalid
from carevouch.ledger.checkpoint import MAX_STRANDS

_NUMBER = "0|[1-9][0-9]{0,14}"
_ITEM = re.compile(rf"({_NUMBER}):({_NUMBER})(?:\.([1-9][0-9]{{0,3}}))?", re.ASCII)
# The most strands, each at the longest place: 1,536 characters, a query that every gateway takes.
MAX_LENGTH = MAX_STRANDS * len("63:999999999999999.9999,")
# An event is 3 KB at most and a revision's record less, so a page stays far below the gateway's limit.
DEFAULT_LIMIT, MAX_LIMIT = 100, 500
_LIMIT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The next to be read in a strand: entry `index`, and of its act the revision `part`."""

    index: int = 0
    part: int = 0


START = Place()
Position = Mapping[int, Place]


def parse_position(text: str) -> dict[int, Place]:
    """The position that `text` spells; raises `Invalid` for any text that no feed hands out."""
    places: dict[int, Place] = {}
    for item in text.split(",") if text else ():
        match = _ITEM.fullmatch(item) if len(text) <= MAX_LENGTH else None
        if not match:
            raise Invalid("position is a text that a feed gave as `next`, such as 0:1234,1:887")
        places[int(match[1])] = Place(int(match[2]), int(match[3] or 0))
    if render_position(places) != text:
        raise Invalid("position names strands in ascending order, each once, and none at 0")
    return places


def render_position(position: Position) -> str:
    """The one spelling of a position."""
    named = sorted((strand, place) for strand, place in position.items() if place != START)
    return ",".join(
        f"{strand}:{place.index}" + (f".{place.part}" if place.part else "") for strand, place in named
    )


def page_limit(text: str | None) -> int:
    """How many records of a feed are asked for, at most `MAX_LIMIT`; raises `Invalid`."""
    if text is not None and not _LIMIT.fullmatch(text):
        raise Invalid(f"limit is a whole number from 1 to {MAX_LIMIT}")
    return DEFAULT_LIMIT if text is None else min(int(text), MAX_LIMIT)


def check_within(position: Position, sizes: Mapping[int, int]) -> None:
    """Raise `Invalid` unless every strand is one of `sizes` and is read at most to its published size."""
    for strand, place in position.items():
        if strand not in sizes:
            raise Invalid(f"position names strand {strand}, which this log does not have")
        if place > Place(sizes[strand]):
            raise Invalid(
                f"position is at {place.index} in strand {strand}, of which {sizes[strand]} entries are "
                "published; it is of another log, or this log went back"
            )
