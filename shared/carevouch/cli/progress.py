"""How far long work is: one line on standard error, written over again and again, if a person is watching."""

import sys
import time
from collections.abc import Callable

# More often than this is flicker.
INTERVAL_SECONDS = 0.1


def progress(what: str, unit: str) -> Callable[[int, int], None]:
    """Told (done, of how many), shows it; does nothing where standard error is no terminal."""
    shown = [0.0]

    def show(done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - shown[0] >= INTERVAL_SECONDS:
            shown[0] = now
            print(f"\r{what}: {done} of {total} {unit}", end="\n" if done >= total else "", file=sys.stderr)

    return show if sys.stderr.isatty() else lambda done, total: None
