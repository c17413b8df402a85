"""The interval between a strand's checkpoints: about a second, and never a minute.

A checkpoint costs a signature of KMS and a write that all readers see, so a busy strand gets one a second,
not one a batch. A full batch has more behind it and leaves publishing to a later one. A batch that was not
full waits for the rest of the second and publishes, so that no accepted event waits for the sweep. Each
execution environment remembers for itself when it published. Forgetting costs a signature, never an event.
"""

from collections.abc import Callable

SECONDS = 1.0


class CheckpointInterval:
    """Says when to publish a strand. `now` counts seconds from any origin, never back; `pause` waits."""

    def __init__(self, now: Callable[[], float], pause: Callable[[float], None]) -> None:
        self._now = now
        self._pause = pause
        self._published: dict[int, float] = {}

    def is_over(self, strand: int, *, full: bool) -> bool:
        """Whether to publish the strand now; waits for the rest of its second unless the batch was `full`."""
        last = self._published.get(strand)
        left = 0.0 if last is None else last + SECONDS - self._now()
        if left > 0 and full:
            return False
        self.wait(left)
        return True

    def begin(self, strand: int) -> None:
        """Count from now: the strand was just published."""
        self._published[strand] = self._now()

    def wait(self, seconds: float) -> None:
        """Wait that long, but a second at most: a wrong clock elsewhere must not hold a batch longer."""
        if seconds > 0:
            self._pause(min(seconds, SECONDS))
