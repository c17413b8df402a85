"""The claims door over a world in memory, with one member of one plan."""

import pytest

from tests.service.claims.member import Member, insure
from tests.world import World, memory_world


@pytest.fixture
def world() -> World:
    return memory_world()


@pytest.fixture
def member(world: World) -> Member:
    return insure(world)
