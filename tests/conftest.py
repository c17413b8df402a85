"""What all tests share: what a soak multiplies, and which tests the workers of a run begin with.

`make soak` runs property tests, the simulator and every byte of what is flipped, with many times their
examples. In `make test` those that wait for a local cloud come first, while the other worker computes.
"""

import gc
import os
from typing import Any

import pytest
from hypothesis import settings

# A deadline is a timed assertion: it fails on a busy machine and tells nothing of the code.
settings.register_profile("carevouch", deadline=None)
settings.load_profile("carevouch")
# Collecting makes hardly any garbage, and a quarter of its time went into looking for some.
gc.disable()
# How many times as many examples; 1 is the everyday suite.
SOAK = int(os.environ.get("CAREVOUCH_SOAK") or 1)
# They start clouds of their own, which nothing else waits for.
OWN_CLOUD = (
    "tests/e2e/test_readme.py::test_run_stop_run_and_clean",
    "tests/e2e/test_story.py::test_one_command_plays",
    "tests/contract/test_local_cloud_strands.py::",
)


def pytest_collection_finish() -> None:
    """Seven thousand tests and what they import live to the end: let no collector walk over them again."""
    gc.collect()
    gc.freeze()
    gc.enable()


# Last, when what this run leaves out is out: the middle is that of the rest.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a soak, keep the property tests and what is marked for it, and multiply what the former try."""
    if SOAK <= 1:
        items[:] = _slow_first(items)
        return
    kept, left = [], []
    for item in items:
        test: Any = getattr(item, "obj", None)
        if item.get_closest_marker("soak"):
            kept.append(item)
            continue
        if getattr(test, "hypothesis", None) is None:
            left.append(item)
            continue
        function = getattr(test, "__func__", test)
        own = getattr(function, "_hypothesis_internal_use_settings", None) or settings()
        # Hypothesis has no door for this: a test's own number of examples beats every profile.
        function._hypothesis_internal_use_settings = settings(
            own, max_examples=own.max_examples * SOAK, deadline=None
        )
        kept.append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def _slow_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests of the clouds that are shared first, those with their own where the other workers begin.

    A run begins with an equal share of the list for each worker, and whoever is done first takes what is left
    of another's end. So no worker comes late to what takes long.
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
