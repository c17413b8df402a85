"""Where the time of a test run goes: the ten slowest tests, and the seconds of each kind of test."""

from collections import defaultdict
from collections.abc import Mapping

import pytest

SLOWEST = 10
_seconds: defaultdict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a phase of a test: its set-up, its call or its end. With several workers, all arrive here."""
    _seconds[report.nodeid] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print both tables below the results."""
    if not _seconds:
        return
    for line in summary(_seconds):
        terminalreporter.write_line(line)


def summary(seconds: Mapping[str, float]) -> list[str]:
    """The lines of both tables.

    A kind is a folder below tests. The test that starts a shared cloud has its time.
    """
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for test, spent in seconds.items():
        kinds[test.partition("::")[0].split("/")[1]].append(spent)
    slowest = sorted(seconds.items(), key=lambda one: one[1], reverse=True)[:SLOWEST]
    return [
        f"the {SLOWEST} slowest tests, with their set-up, in seconds:",
        *(f"{spent:8.1f}  {test}" for test, spent in slowest),
        "seconds by kind of test, all workers together:",
        *(
            f"{sum(times):8.1f}  {kind} ({len(times)} tests)"
            for kind, times in sorted(kinds.items(), key=lambda one: sum(one[1]), reverse=True)
        ),
    ]
