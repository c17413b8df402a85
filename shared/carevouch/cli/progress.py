"""The progress of long work: one line on a terminal's standard error, which is overwritten each time."""

import sys
import time
from collections.abc import Callable

# More updates a second would flicker.
INTERVAL_SECONDS = 0.1


def progress(what: str, unit: str) -> Callable[[int, int], None]:
    """A function that shows (done, total). It does nothing if standard error is not a terminal."""
    shown = [0.0]

    def show(done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - shown[0] >= INTERVAL_SECONDS:
            shown[0] = now
            print(f"\r{what}: {done} of {total} {unit}", end="\n" if done >= total else "", file=sys.stderr)

    return show if sys.stderr.isatty() else lambda done, total: None
