"""A consumer's position in a feed: the part of each strand that it has read.

`0:1234,1:887` means that the entries below 1234 of strand 0 and those below 887 of strand 1 were read, and no
entry of other strands. An empty text is the beginning. A feed of revisions may stop inside an act:
`0:1234.57` means that the first 57 revisions of entry 1234 were read too. Strands only grow, so a position
stays valid. A new strand is not named, and so begins at its first entry.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from carevouch.kernel.errors import Invalid
from carevouch.ledger.checkpoint import MAX_STRANDS

_NUMBER = "0|[1-9][0-9]{0,14}"
_ITEM = re.compile(rf"({_NUMBER}):({_NUMBER})(?:\.([1-9][0-9]{{0,3}}))?", re.ASCII)
# All strands, each with the longest place: 1,536 characters, which every gateway takes in a query.
MAX_LENGTH = MAX_STRANDS * len("63:999999999999999.9999,")
# An event is 3 KB at most and a revision's record less, so a page stays far below the gateway's limit.
DEFAULT_LIMIT, MAX_LIMIT = 100, 500
_LIMIT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The next place to read in a strand: the revision `part` in the act of entry `index`."""

    index: int = 0
    part: int = 0


START = Place()
Position = Mapping[int, Place]


def parse_position(text: str) -> dict[int, Place]:
    """The position in `text`; raises `Invalid` for a text that no feed gives out."""
    places: dict[int, Place] = {}
    for item in text.split(",") if text else ():
        match = _ITEM.fullmatch(item) if len(text) <= MAX_LENGTH else None
        if not match:
            raise Invalid("position must be the `next` of a feed's page, such as 0:1234,1:887")
        places[int(match[1])] = Place(int(match[2]), int(match[3] or 0))
    if render_position(places) != text:
        raise Invalid("position must name each strand at most once, in ascending order, and no strand at 0")
    return places


def render_position(position: Position) -> str:
    """The text of a position, of which there is only one."""
    named = sorted((strand, place) for strand, place in position.items() if place != START)
    return ",".join(
        f"{strand}:{place.index}" + (f".{place.part}" if place.part else "") for strand, place in named
    )


def page_limit(text: str | None) -> int:
    """The number of records in a page that a request asks for, at most `MAX_LIMIT`; raises `Invalid`."""
    if text is not None and not _LIMIT.fullmatch(text):
        raise Invalid(f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return DEFAULT_LIMIT if text is None else min(int(text), MAX_LIMIT)


def check_within(position: Position, sizes: Mapping[int, int]) -> None:
    """Raise `Invalid` if a strand is not in `sizes`, or its place is beyond the published size."""
    for strand, place in position.items():
        if strand not in sizes:
            raise Invalid(f"position names strand {strand}, which this log does not have")
        if place > Place(sizes[strand]):
            raise Invalid(
                f"position is at {place.index} in strand {strand}, which has only {sizes[strand]} published "
                "entries; the position is from another log, or this log lost entries"
            )
