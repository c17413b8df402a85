"""Faults that a person at the keyboard can mend: a missing tool, a busy port, lost state.

Each fault is one or two sentences: the fault, then the mend. A command prints them without a traceback.
Every other exception is a bug of ours and crashes loudly.
"""

import sys
from collections.abc import Callable


class SetUpFault(Exception):
    """A fault of this machine or this checkout. The message names it and its mend."""


def explained(command: Callable[[], int]) -> int:
    """Run a command, print a fault as its sentence, and return the exit status, which is 2 for a fault."""
    try:
        return command()
    except SetUpFault as fault:
        print(f"carevouch: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
