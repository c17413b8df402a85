"""What a person at the keyboard can mend: a missing tool, a busy port, lost state.

Each fault is one or two sentences: what is wrong, then what to do. `main` of a command prints them without a
traceback; anything else that goes wrong is our own bug and crashes loudly.
"""

import sys
from collections.abc import Callable


class SetUpFault(Exception):
    """This machine or this checkout lacks something; the message names it and its mend."""


def explained(command: Callable[[], int]) -> int:
    """Run a command line; print a fault as its sentence and exit status 2."""
    try:
        return command()
    except SetUpFault as fault:
        print(f"carevouch: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
