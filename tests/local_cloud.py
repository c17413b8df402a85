"""The fixture `cloud`: one local cloud per test run, shared by all workers of pytest-xdist.

The first test that asks starts it (packages, process, template: about seven seconds), the last worker to end
stops it. Tests share its state, so each makes its own people and looks at nothing it did not make.
A folder's conftest.py takes it with `from tests.local_cloud import cloud`; its tests carry the marker
`local_cloud`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra import local, ministack
from infra.stack import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The running local cloud of this test run."""
    folder = base_folder(tmp_path_factory) / "local-cloud"
    folder.mkdir(exist_ok=True)
    with alone(folder) as users:
        if ministack.running(folder) is None:
            local.start(folder, say=lambda line: None)
        count_users(users, +1)
    yield local.open_cloud(folder)
    with alone(folder) as users:
        if count_users(users, -1) == 0:
            ministack.stop(folder)


def base_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this run have in common."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """While this holds, no other worker starts or stops the cloud in `folder`; yields its count of users."""
    users = folder / "users"
    with users.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield users


def count_users(users: Path, change: int) -> int:
    """Change the count of workers that use a cloud; the new count."""
    count = int(users.read_text() or 0) + change
    users.write_text(str(count))
    return count
