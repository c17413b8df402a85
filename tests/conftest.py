"""What all tests share: `make soak` runs property tests and the simulator, with many times their examples."""

import gc
import os
from typing import Any

import pytest
from hypothesis import settings

# A deadline is a timed assertion: it fails on a busy machine and tells nothing of the code.
settings.register_profile("carevouch", deadline=None)
settings.load_profile("carevouch")
# How many times as many examples; 1 is the everyday suite.
SOAK = int(os.environ.get("CAREVOUCH_SOAK") or 1)


def pytest_collection_finish() -> None:
    """Seven thousand tests and what they import live to the end: let no collector walk over them again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a soak, keep the property tests and what is marked for it, and multiply what the former try."""
    if SOAK <= 1:
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
