"""A crash or an unknown outcome at every write of an act: no act by halves, none twice, no number lost.

An environment that dies takes its session key with it. The retry comes from a fresh one, after the stage of
the dead one is overdue. Every write is tried; a run without faults counts them.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from carevouch.events.envelope import parse_event
from carevouch.kernel.errors import Busy, OutcomeUnknown
from carevouch.kernel.ids import Doc, Key, about
from carevouch.store.documents import ActNames, ActPlan, ActRequest, CommittedAct, Draft, StoredAnswer, Writer
from carevouch.store.documents.writer import STAGE_SECONDS
from carevouch.store.keys import DEPLOYMENT_PK
from tests.acts import perform
from tests.contract.stores import new_person, register, request, store_observations, update
from tests.fakes import Crash, Faults, MemoryKeyRows, MemoryRows
from tests.world import World

DEATHS = ("before", "after")
OPEN = ("lost", "dropped", "contended")


@dataclass
class Stage:
    """A world whose document rows obey a plan of faults, and one environment in it."""

    world: World
    rows: MemoryRows
    patient: str
    writer: Writer

    def faults(self, plan: dict[int, str]) -> Faults:
        """Start counting writes, and let these go wrong."""
        self.rows.faults = Faults(plan)
        return self.rows.faults


def stage() -> Stage:
    key_rows = MemoryKeyRows()
    rows = MemoryRows(key_rows)
    world = World(rows, key_rows)
    world.reader.keys.deployment()
    return Stage(world, rows, new_person(world), world.writer("records"))


Act = Callable[[Stage, Writer, ActRequest], CommittedAct]


def single(scene: Stage, writer: Writer, asked: ActRequest) -> CommittedAct:
    return store_observations(scene.world, scene.patient, asked=asked, writer=writer)


def transacted(scene: Stage, writer: Writer, asked: ActRequest) -> CommittedAct:
    return store_observations(scene.world, scene.patient, 5, asked=asked, writer=writer)


def staged(scene: Stage, writer: Writer, asked: ActRequest) -> CommittedAct:
    return store_observations(scene.world, scene.patient, 60, asked=asked, writer=writer, staged=True)


def staged_with_identifier(scene: Stage, writer: Writer, asked: ActRequest) -> CommittedAct:
    blind = scene.world.reader.keys.deployment().blind("Observation", "urn:x", "1")
    doc = Doc("Observation", about(scene.patient, "a" * 26))
    return store_observations(
        scene.world, scene.patient, 30, asked=asked, writer=writer, staged=True, identifiers=((blind, doc),)
    )


ACTS: dict[str, tuple[Act, int]] = {
    "single": (single, 1),
    "transacted": (transacted, 5),
    "staged": (staged, 60),
    "staged with an identifier": (staged_with_identifier, 30),
}


def writes_of(act: Act) -> int:
    scene = stage()
    faults = scene.faults({})
    act(scene, scene.writer, request("k"))
    return faults.writes


def cases(kinds: tuple[str, ...]) -> list[tuple[str, int, str]]:
    return [
        (name, k, kind)
        for name, (act, _) in ACTS.items()
        for k in range(1, writes_of(act) + 1)
        for kind in kinds
    ]


def visible(scene: Stage) -> int:
    return len(scene.world.reader.person(scene.patient).latest("Observation"))


def assert_numbers_are_dense(scene: Stage) -> None:
    """Assert that the events of each key are numbered 1, 2, 3…: a gap would look like an omission."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in scene.rows.rows.values():
        if row.key.sk != "cert" and row.text("event") is not None:
            event = parse_event(row.text("event") or "")
            assert (event.kid, event.n) == (row.text("kid"), row.number("n"))
            numbers[event.kid].append(event.n)
    for found in numbers.values():
        assert sorted(found) == list(range(1, len(found) + 1))


@pytest.mark.parametrize(("name", "k", "kind"), cases(DEATHS))
def test_death_at_any_write_leaves_all_or_nothing_and_the_retry_does_it_once(
    name: str, k: int, kind: str
) -> None:
    act, count = ACTS[name]
    scene, asked = stage(), request("k")
    scene.faults({k: kind})
    with pytest.raises(Crash):
        act(scene, scene.writer, asked)
    scene.faults({})
    assert visible(scene) in (0, count)

    scene.world.clock.advance(STAGE_SECONDS + 1)
    done = act(scene, scene.world.writer("records"), asked)
    again = act(scene, scene.world.writer("records"), asked)
    assert (again.event, again.answer) == (done.event, done.answer)
    assert visible(scene) == count
    found = scene.world.reader.person(scene.patient).latest()
    assert {stored.event.text for stored in found} == {done.event}
    assert_numbers_are_dense(scene)


@pytest.mark.parametrize(("name", "k", "kind"), cases(DEATHS))
def test_an_impatient_retry_waits_for_a_dead_stage_and_changes_nothing(name: str, k: int, kind: str) -> None:
    act, count = ACTS[name]
    scene, asked = stage(), request("k")
    scene.faults({k: kind})
    with pytest.raises(Crash):
        act(scene, scene.writer, asked)
    scene.faults({})
    try:
        act(scene, scene.world.writer("records"), asked)
    except Busy:
        assert visible(scene) == 0
    else:
        assert visible(scene) == count
    scene.world.clock.advance(STAGE_SECONDS + 1)
    act(scene, scene.world.writer("records"), asked)
    assert visible(scene) == count
    assert_numbers_are_dense(scene)


@pytest.mark.parametrize(("name", "k", "kind"), cases(OPEN))
def test_an_open_outcome_at_any_write_is_settled_within_the_request(name: str, k: int, kind: str) -> None:
    act, count = ACTS[name]
    scene = stage()
    scene.faults({k: kind})
    done = act(scene, scene.writer, request("k"))
    assert not done.replayed
    assert visible(scene) == count
    follow_up = act(scene, scene.writer, request("k2")) if name == "single" else done
    assert parse_event(follow_up.event).n == (2 if name == "single" else 1)
    assert act(scene, scene.writer, request("k")).event == done.event
    assert_numbers_are_dense(scene)


@pytest.mark.parametrize("kind", ["lost", "dropped"])
@pytest.mark.parametrize("name", ACTS)
def test_a_write_whose_fate_stays_open_retires_the_key(name: str, kind: str) -> None:
    act, count = ACTS[name]
    scene, asked = stage(), request("k")
    last = writes_of(act)
    # From the committing write on no answer comes back; the write itself happened at its first try, or never.
    scene.faults({last: kind} | dict.fromkeys(range(last + 1, last + 20), "dropped"))
    if kind == "lost":
        done = act(scene, scene.writer, asked)
    else:
        with pytest.raises(OutcomeUnknown):
            act(scene, scene.writer, asked)
        assert visible(scene) == 0
        scene.faults({})
        scene.world.clock.advance(STAGE_SECONDS + 1)
        done = act(scene, scene.writer, asked)
    scene.faults({})
    assert visible(scene) == count
    assert parse_event(done.event).n == 1
    assert act(scene, scene.writer, asked).event == done.event
    assert_numbers_are_dense(scene)


@pytest.mark.parametrize("name", ACTS)
def test_contention_that_does_not_end_is_busy_and_costs_no_number(name: str) -> None:
    act, count = ACTS[name]
    scene = stage()
    store_observations(scene.world, scene.patient, writer=scene.writer)
    scene.world.reader.person(scene.patient)
    last = writes_of(act) - 1  # the certificate is there already
    scene.faults(dict.fromkeys(range(last, last + 4), "contended"))
    with pytest.raises(Busy):
        act(scene, scene.writer, request("k"))
    scene.faults({})
    scene.world.clock.advance(STAGE_SECONDS + 1)
    done = act(scene, scene.writer, request("k"))
    assert parse_event(done.event).n == 2
    assert visible(scene) == count + 1
    assert_numbers_are_dense(scene)


@pytest.mark.parametrize("kind", DEATHS)
@pytest.mark.parametrize("k", [1, 2])
def test_death_while_a_document_is_updated(k: int, kind: str) -> None:
    scene, asked = stage(), request("k")
    store_observations(scene.world, scene.patient)
    [current] = scene.world.reader.person(scene.patient).latest()
    scene.faults({k: kind})
    with pytest.raises(Crash):
        update(scene.world, current, b"2", asked=asked)
    scene.faults({})
    done = update(scene.world, current, b"2", asked=asked)
    assert update(scene.world, current, b"2", asked=asked).event == done.event
    history = scene.world.reader.person(scene.patient).history(current.doc)
    assert [stored.body for stored in history] == [b"{}", b"2"]
    assert_numbers_are_dense(scene)


@pytest.mark.parametrize("kind", [*DEATHS, *OPEN])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_crash_while_a_person_is_registered_makes_one_person(k: int, kind: str) -> None:
    scene, asked = stage(), request("k")
    blind = scene.world.reader.keys.deployment().blind("Patient", "urn:x", "1")
    scene.faults({k: kind})
    with contextlib.suppress(Crash):
        register(scene.world, blind, asked)
    scene.faults({})
    done = register(scene.world, blind, asked)
    assert done.answer.status == 201
    assert register(scene.world, blind, request("another")).answer.references == done.answer.references
    row = scene.rows.get(Key(blind, "id"))
    assert row is not None
    assert row.text("doc") == f"Patient/{done.answer.references[0]}"
    assert_numbers_are_dense(scene)


@pytest.mark.parametrize("kind", [*DEATHS, *OPEN])
def test_a_crash_while_a_persons_key_is_made_leaves_one_key(kind: str) -> None:
    scene = stage()
    keys = scene.world.reader.keys
    key_rows = scene.rows.keys
    key_rows.faults = Faults({1: kind})
    patient = "b" * 26
    try:
        made = keys.create(patient)
    except Crash:
        made = keys.create(patient)
    assert keys.person(patient) == made == keys.create(patient)


@pytest.mark.parametrize("kind", [*DEATHS, *OPEN])
def test_a_crash_while_the_deployments_key_is_made_leaves_one_key(kind: str) -> None:
    key_rows = MemoryKeyRows(Faults({1: kind}))
    world = World(MemoryRows(key_rows), key_rows)
    try:
        made = world.reader.keys.deployment()
    except Crash:
        made = world.reader.keys.deployment()
    assert world.reader.keys.deployment() == made
    assert list(key_rows.rows) == [DEPLOYMENT_PK]


def test_a_new_environment_starts_its_own_numbers() -> None:
    scene = stage()
    for writer in (scene.writer, scene.writer, scene.world.writer("records")):
        store_observations(scene.world, scene.patient, writer=writer)
    events = [stored.event for stored in scene.world.reader.person(scene.patient).latest()]
    assert sorted(event.n for event in events) == [1, 1, 2]
    assert len({event.kid for event in events}) == 2


def test_a_key_is_replaced_before_its_certificate_ends() -> None:
    scene = stage()
    one = store_observations(scene.world, scene.patient, writer=scene.writer)
    scene.world.clock.advance(24 * 3600 - 30)
    two = store_observations(scene.world, scene.patient, writer=scene.writer)
    assert parse_event(one.event).kid != parse_event(two.event).kid
    assert parse_event(two.event).n == 1
    assert visible(scene) == 2


def test_what_build_refuses_costs_no_number() -> None:
    scene = stage()

    def refuse(_naming: ActNames) -> ActPlan:
        raise Busy("not now")

    doc = Doc("Observation", about(scene.patient, "a" * 26))
    with pytest.raises(Busy):
        perform(scene.writer, request(), lambda _: doc, refuse)
    plan = ActPlan("records.stored", (Draft(doc, b"{}"),), StoredAnswer(201), (scene.patient,))
    done = perform(scene.writer, request(), lambda _: doc, lambda _: plan)
    assert parse_event(done.event).n == 1
