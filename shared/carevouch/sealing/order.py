"""The order of entries within a block, which is fixed and nobody's choice (FORMATS.md, 4).

A block's seal counts its entries and links to the seal before it. It does not say their order, so the order
is a rule: events by (producer, kid, n, id), each certificate directly before the first event of its key,
rejections last. So a key that signs checkpoints and no seals cannot move the events of a block unseen. Two
rejections may still change places, which changes no statement of either.
"""

from collections.abc import Callable
from operator import attrgetter

from carevouch.events.envelope import Event
from carevouch.kernel.errors import IntegrityFault

# The sort key of the events of a block.
place_in_block: Callable[[Event], tuple[str, str, int, str]] = attrgetter("producer", "kid", "n", "id")


class BlockOrder:
    """Takes the entries of one block in turn; raises `IntegrityFault` for an entry that is out of order."""

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
        """The next entry is a rejection."""
        self._answering = True
        self._check_awaited()

    def closed(self) -> None:
        """The next entry closes the block."""
        self._check_awaited()

    def unknown(self) -> None:
        """The next entry is not an entry of a block, so the order of its neighbours cannot be judged."""
        self._last, self._awaited, self._answering = None, None, False

    def _check_answering(self) -> None:
        if self._answering:
            raise IntegrityFault("the entry stands behind a rejection of its block")

    def _check_awaited(self) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            raise IntegrityFault("no event of its key follows the certificate before this entry")
