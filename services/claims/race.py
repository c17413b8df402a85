"""Optimistic concurrency: the loser of a race reads again and decides again, a bounded number of times."""

from collections.abc import Callable

from carevouch.kernel.errors import Busy, Conflict
from carevouch.store.documents import CommittedAct

# In each round somebody wins, so this many rivals at the same person or plan all get through.
MAX_TRIES = 16


def settled(act: Callable[[], CommittedAct]) -> CommittedAct:
    """What `act` appended, deciding anew after each version that a rival took.

    Raises `Busy` when rivals never end, and what else the act raises.
    """
    for _ in range(MAX_TRIES):
        try:
            return act()
        except Conflict as conflict:
            # A plain Conflict is a race lost; a kind of it is a fact that reading again does not change.
            if type(conflict) is not Conflict:
                raise
    raise Busy("others keep changing the same records at the same time; try again in a moment")
