"""When a strand is published after a batch: about once a second, and never a minute late.

A checkpoint costs a signature of KMS and a write that all readers see, so a busy strand gets one a second,
not one a batch. A batch that was full has more behind it and leaves the publishing to a later one. One that
was not waits out the rest of the second and publishes, so that nothing accepted waits for the sweep. What was
published when is remembered by each execution environment for itself: forgetting costs a signature, never an
event.
"""

from collections.abc import Callable

SECONDS = 1.0


class Pace:
    """`now` counts seconds from any origin, never back; `pause` waits as many."""

    def __init__(self, now: Callable[[], float], pause: Callable[[float], None]) -> None:
        self._now = now
        self._pause = pause
        self._published: dict[int, float] = {}

    def due(self, strand: int, *, full: bool) -> bool:
        """Whether to publish now; waits for the rest of the strand's second unless the batch was `full`."""
        last = self._published.get(strand)
        left = 0.0 if last is None else last + SECONDS - self._now()
        if left > 0 and full:
            return False
        self.wait(left)
        return True

    def done(self, strand: int) -> None:
        """The strand was published just now."""
        self._published[strand] = self._now()

    def wait(self, seconds: float) -> None:
        """Wait that long, a second at most: no clock of somebody else's holds a batch for longer."""
        if seconds > 0:
            self._pause(min(seconds, SECONDS))
