"""Fixtures of the end-to-end tests."""

from collections.abc import Iterator

import pytest

from tests.e2e.story_run import Played, playing
from tests.local_cloud import base_folder


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The story, played on a cloud that still runs."""
    with playing(base_folder(tmp_path_factory)) as story:
        yield story
