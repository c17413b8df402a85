"""The interface through which use cases report log lines and metrics, never facts about a person."""

from typing import Protocol


class Telemetry(Protocol):
    """Takes log lines and metrics, so that a use case knows no log and no metric store."""

    def count(self, name: str, value: float) -> None:
        """Add `value` to a metric."""

    def error(self, message: str, **facts: str) -> None:
        """Log an error for the person who is on call."""
