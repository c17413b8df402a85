"""The hooks of all tests: the two speeds, the order of a run, and the tables of its times.

`make test` runs every test that a newcomer needs. The tests that wait for a local cloud come first, while
another worker computes. `make soak` runs the tests that repeat for the sake of depth (marker `deep`). With
SOAK=2 or more it also runs property tests, the simulator and byte flips with that many times their examples.
"""

import gc
import os
from typing import Any

import pytest
from hypothesis import settings

from tests.timing import pytest_runtest_logreport, pytest_terminal_summary

__all__ = ["pytest_runtest_logreport", "pytest_terminal_summary"]
# A deadline is a timed assertion. It fails on a busy machine and says nothing about the code.
settings.register_profile("carevouch", deadline=None)
settings.load_profile("carevouch")
# Collecting the tests makes hardly any garbage, and a quarter of its time went into the search for it.
gc.disable()
IS_SOAK = "CAREVOUCH_SOAK" in os.environ
# The factor on the number of examples; 1 is that of `make test`.
SOAK = int(os.environ.get("CAREVOUCH_SOAK") or 1)
# These tests start clouds of their own, for which no other test waits.
OWN_CLOUD = (
    "tests/e2e/test_readme.py::test_run_stop_run_and_clean",
    "tests/e2e/test_story.py::test_one_command_plays",
    "tests/contract/test_local_cloud_strands.py::",
)


def pytest_collection_finish() -> None:
    """Freeze the collected tests. They live to the end of the run, so no collector needs to visit them."""
    gc.collect()
    gc.freeze()
    gc.enable()


# Runs last, after the tests that the command line leaves out are gone, so that the shares are equal.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select the tests of this speed. In a soak of 2 or more, multiply the examples of property tests."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        test: Any = getattr(item, "obj", None)
        is_deep = item.get_closest_marker("deep") is not None
        if is_deep or not IS_SOAK:
            (kept if is_deep == IS_SOAK else left).append(item)
            continue
        is_property = getattr(test, "hypothesis", None) is not None
        is_repeated = is_property or item.get_closest_marker("soak") is not None
        if SOAK == 1 or not is_repeated or item.get_closest_marker("local_cloud"):
            left.append(item)
            continue
        kept.append(item)
        if not is_property:
            continue
        function = getattr(test, "__func__", test)
        own = getattr(function, "_hypothesis_internal_use_settings", None) or settings()
        # Hypothesis has no public way for this: a test's own number of examples overrides every profile.
        function._hypothesis_internal_use_settings = settings(
            own, max_examples=own.max_examples * SOAK, deadline=None
        )
    config.hook.pytest_deselected(items=left)
    items[:] = kept if IS_SOAK else _slow_first(kept)


def _slow_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests of the shared clouds first, and those with a cloud of their own where other workers begin.

    A run begins with an equal share of the list for each worker. A worker that is done takes tests from the
    end of another's share. So every long test begins early.
    """
    workers = max(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "2")), 2)
    own: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.nodeid.startswith(OWN_CLOUD):
            own.setdefault(item.nodeid.partition("::")[0], []).append(item)
    clouds = list(own.values())
    alone = {item for cloud in clouds for item in cloud}
    shared = [item for item in items if item.get_closest_marker("local_cloud") and item not in alone]
    quick = [item for item in items if item not in alone and item not in set(shared)]
    ordered = shared
    for worker in range(1, workers):
        until = max(len(items) * worker // workers - len(ordered), 0)
        ordered, quick = ordered + quick[:until], quick[until:]
        ordered += [item for cloud in clouds[worker - 1 :: workers - 1] for item in cloud]
    return ordered + quick
