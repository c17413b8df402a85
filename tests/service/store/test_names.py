"""The names of retried acts: one key is one act for one person, and two acts for two people."""

import os

from carevouch.events.envelope import parse_event
from carevouch.kernel.ids import Doc, about, part
from carevouch.store.documents import ActNames, ActPlan, ActRequest, Draft, StoredAnswer
from tests.acts import perform
from tests.world import World, memory_world


def stored(world: World, patient: str, request: ActRequest) -> str:
    def first(naming: ActNames) -> Doc:
        return Doc("Observation", about(patient, naming.part(0)))

    def build(naming: ActNames) -> ActPlan:
        return ActPlan("records.stored", (Draft(first(naming), b"{}"),), StoredAnswer(201), (patient,))

    return parse_event(perform(world.writer("records"), request, first, build).event).id


def test_one_key_used_for_two_people_never_names_two_events_alike() -> None:
    # The log takes each event id once: a second act of that name would be lost without trace.
    world, request = memory_world(), ActRequest("d.x", "key-1", b"the same")
    patients = [part(os.urandom(16)) for _ in range(2)]
    for patient in patients:
        world.reader.keys.create(patient)
    one, two = (stored(world, patient, request) for patient in patients)
    assert one != two
    assert stored(world, patients[0], request) == one
