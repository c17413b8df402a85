"""Races: threads as environments, on stores that are atomic across threads: the fake and the local cloud."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from carevouch.events.envelope import parse_event
from carevouch.kernel.errors import Busy, Conflict, DomainError
from carevouch.kernel.ids import Key
from carevouch.store.documents import CommittedAct
from tests.contract.stores import (
    STORES_FOR_RACES,
    Store,
    new_person,
    only,
    open_store,
    random_part,
    register,
    request,
    store_observations,
    update,
)
from tests.world import World

RIVALS = 8


@pytest.fixture(params=STORES_FOR_RACES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    yield from open_store(request)


@pytest.fixture
def world(store: Store) -> World:
    world = store.world()
    # What all environments share is made before the race: it is not what is being raced for.
    world.reader.keys.deployment()
    return world


def race(act: Callable[[int], CommittedAct]) -> list[CommittedAct | DomainError]:
    """Do the act as eight environments at the same moment."""
    start = Barrier(RIVALS)

    def run(number: int) -> CommittedAct | DomainError:
        start.wait()
        try:
            return act(number)
        except DomainError as refusal:
            return refusal

    with ThreadPoolExecutor(RIVALS) as pool:
        return list(pool.map(run, range(RIVALS)))


def test_of_eight_updates_of_one_version_exactly_one_wins(world: World) -> None:
    patient = new_person(world)
    store_observations(world, patient)
    current = only(world, patient)
    outcomes = race(lambda number: update(world, current, b'{"by":%d}' % number))
    won = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, CommittedAct)]
    assert len(won) == 1
    assert all(isinstance(outcome, CommittedAct | Conflict) for outcome in outcomes)
    history = world.reader.person(patient).history(current.doc)
    assert [stored.body for stored in history][1:] == [b'{"by":%d}' % won[0]]


def test_one_identifier_registered_eight_times_at_once_makes_one_person(world: World) -> None:
    blind = world.reader.keys.deployment().blind("Patient", "urn:system", random_part())
    outcomes = race(lambda number: register(world, blind, request(f"{blind}{number}")))
    people = {outcome.answer.references for outcome in outcomes if isinstance(outcome, CommittedAct)}
    assert len(people) == 1
    assert sorted(o.answer.status for o in outcomes if isinstance(o, CommittedAct)) == [200] * (
        RIVALS - 1
    ) + [201]
    [[patient]] = people
    found = world.reader.person(patient).latest()
    assert sorted(stored.doc.type for stored in found) == ["Enrolment"] * (RIVALS - 1) + ["Patient"]
    row = world.rows.get(Key(blind, "id"))
    assert row is not None
    assert row.text("doc") == f"Patient/{patient}"


@pytest.mark.parametrize(("count", "staged"), [(1, False), (3, False), (30, True)])
def test_one_request_sent_eight_times_at_once_is_one_act(world: World, count: int, *, staged: bool) -> None:
    patient, asked = new_person(world), request("once")
    outcomes = race(lambda _: store_observations(world, patient, count, asked=asked, staged=staged))
    done = [outcome for outcome in outcomes if isinstance(outcome, CommittedAct)]
    assert done
    assert len({outcome.event for outcome in done}) == 1
    # A copy may be told that the first is still being worked on; nothing else.
    assert all(isinstance(outcome, CommittedAct | Busy) for outcome in outcomes)
    assert len(world.reader.person(patient).latest()) == count


def test_one_environment_numbers_its_acts_densely_under_load(world: World) -> None:
    patient, writer = new_person(world), world.writer("records")
    outcomes = race(lambda _: store_observations(world, patient, writer=writer))
    numbers = [parse_event(outcome.event).n for outcome in outcomes if isinstance(outcome, CommittedAct)]
    assert sorted(numbers) == list(range(1, RIVALS + 1))
    assert len({parse_event(o.event).kid for o in outcomes if isinstance(o, CommittedAct)}) == 1
