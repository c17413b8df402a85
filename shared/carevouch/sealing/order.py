"""The order of entries within a block, which is the sealer's and nobody's choice (FORMATS.md, 4).

A block's seal counts its entries and links to the seal before it; it does not say in which order they stand.
The order is fixed instead: events by (producer, kid, n, id), each certificate directly before the first event
of its key, rejections last. So whoever can sign checkpoints, but no seals, cannot move the events of a block
unseen. Rejections may still change places with each other, which changes nothing that they say.
"""

from collections.abc import Callable
from operator import attrgetter

from carevouch.events.envelope import Event
from carevouch.kernel.errors import IntegrityFault

# By what the events of a block are ordered: a tuple of texts and a number.
place_in_block: Callable[[Event], tuple[str, str, int, str]] = attrgetter("producer", "kid", "n", "id")


class BlockOrder:
    """Is told each entry of one block in its turn; raises `IntegrityFault` for one that is out of order."""

    def __init__(self) -> None:
        self._last: tuple[str, str, int, str] | None = None
        self._awaited: str | None = None
        self._answering = False

    def event(self, event: Event) -> None:
        """The next entry is this event."""
        place, last, awaited = place_in_block(event), self._last, self._awaited
        self._last, self._awaited = place, None
        self._check_answering()
        if awaited not in (None, event.kid):
            raise IntegrityFault("the certificate before the event is that of another key")
        if last is not None and place <= last:
            raise IntegrityFault("the event does not stand in its block's order (producer, kid, n, id)")

    def certificate(self, kid: str) -> None:
        """The next entry is the certificate of the key `kid`."""
        awaited, self._awaited = self._awaited, kid
        self._check_answering()
        if awaited is not None:
            raise IntegrityFault("no event of its key follows the certificate before this one")

    def rejection(self) -> None:
        """The next entry answers a candidate that was no true event."""
        self._answering = True
        self._check_awaited()

    def closed(self) -> None:
        """The next entry closes the block."""
        self._check_awaited()

    def unknown(self) -> None:
        """The next entry is not what it should be: nobody is accused of standing wrongly beside it."""
        self._last, self._awaited, self._answering = None, None, False

    def _check_answering(self) -> None:
        if self._answering:
            raise IntegrityFault("the entry stands behind a rejection of its block")

    def _check_awaited(self) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            raise IntegrityFault("no event of its key follows the certificate before this entry")
