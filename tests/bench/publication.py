"""When each event was published: a watcher notes every size of a strand's checkpoint as it first sees it.

An event is published when a checkpoint of its strand covers its index. The index is known only afterwards,
from the sealer's marks, so sizes and instants are kept and brought together at the end.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

# How often each checkpoint is read, and so how exact an instant is.
INTERVAL_SECONDS = 0.1


@dataclass
class Sightings:
    """Per strand the sizes that were seen, ascending, and when each was first seen."""

    sizes: dict[int, list[int]] = field(default_factory=dict)
    times: dict[int, list[float]] = field(default_factory=dict)

    def see(self, strand: int, size: int, now: float) -> None:
        """Note a size, if it is a new one."""
        sizes = self.sizes.setdefault(strand, [])
        if not sizes or size > sizes[-1]:
            sizes.append(size)
            self.times.setdefault(strand, []).append(now)

    def covered(self, strand: int, index: int) -> float | None:
        """When a checkpoint was first seen that covers the entry at `index`; None if none was."""
        at = bisect_right(self.sizes.get(strand, []), index)
        times = self.times.get(strand, [])
        return times[at] if at < len(times) else None


@contextmanager
def watching(size_of: Callable[[int], int], strands: int) -> Iterator[Sightings]:
    """Watch all strands from another thread; `size_of` reads a strand's published size."""
    seen, over = Sightings(), threading.Event()

    def watch() -> None:
        while not over.wait(INTERVAL_SECONDS):
            for strand in range(strands):
                size = size_of(strand)
                seen.see(strand, size, time.monotonic())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def waits(
    seen: Sightings, accepted: Mapping[str, float], places: Mapping[str, tuple[int, int]]
) -> dict[str, float]:
    """Seconds from accepted to published of each event that is published, by its id."""
    found = {}
    for id_, (strand, index) in places.items():
        at = seen.covered(strand, index)
        if at is not None:
            found[id_] = at - accepted[id_]
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(1000 * share) // 1000) - 1)]
