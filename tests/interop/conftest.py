"""The two logs, made once for each test process."""

import pytest

from tests.interop import evidence
from tests.interop.evidence import Evidence


@pytest.fixture(scope="session")
def ours() -> Evidence:
    """A log of more than a thousand entries, by the product's own code."""
    return evidence.carevouch()


@pytest.fixture(scope="session")
def theirs() -> Evidence:
    """Tessera's log, with which a driver is tried first; skips where it is not there."""
    return evidence.tessera()
