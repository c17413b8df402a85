"""Fixtures of the contract tests: every store in turn, and a world over it."""

from collections.abc import Iterator

import pytest

from tests.contract.stores import STORES, Store, new_person, open_store
from tests.local_cloud import cloud
from tests.world import World

__all__ = ["cloud"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The in-memory fake, moto and the local cloud."""
    yield from open_store(request)


@pytest.fixture
def world(store: Store) -> World:
    return store.world()


@pytest.fixture
def patient(world: World) -> str:
    return new_person(world)
