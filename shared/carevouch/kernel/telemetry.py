"""The seam through which use cases report facts: log lines and metrics, never facts about a person."""

from typing import Protocol


class Telemetry(Protocol):
    """Takes facts; a use case is given one and knows of no log and no metric store."""

    def count(self, name: str, value: float) -> None:
        """A metric."""

    def error(self, message: str, **facts: str) -> None:
        """A line for the person whom an alarm wakes."""
