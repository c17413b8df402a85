"""Seeded choices, the same on every run and every Python, because `random()` alone is specified so.

No other code of the simulator may be random, read a clock, or depend on the order of a set.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Chance:
    """A source of choices. The same seed gives the same choices."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed).random  # noqa: S311 - schedules are to be repeated, not to be secret

    def happens(self, probability: float) -> bool:
        return self._draw() < probability

    def below(self, count: int) -> int:
        return int(self._draw() * count)

    def between(self, low: int, high: int) -> int:
        """A whole number between these two, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def some(self, items: Sequence[Item]) -> list[Item]:
        """A random part of the items, in their order."""
        return [item for item in items if self.happens(0.5)]
