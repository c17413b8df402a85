"""A Bundle that dies at any of its writes leaves all of itself or nothing, and trying again finishes it."""

import pytest

from services.records.ports import ports_of
from tests import people
from tests.descriptions import description
from tests.fakes import MemoryKeyRows, MemoryRows
from tests.service.records.conftest import (
    Json,
    Scene,
    bundle,
    clinical,
    door_over,
    entry,
    resources,
    whole_patient,
)
from tests.world import World

# Longer than a stage may take before whoever meets it ends it.
LATER_SECONDS = 200


def large(number: int) -> Json:
    """A patient with enough documents for several batches of staged rows."""
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    documents = [resource for at in range(8) for resource in clinical(urn, at)]
    return bundle(entry(people.synthetic_patient(number), urn), *map(entry, documents))


def scene_with_faults(plan: dict[int, str]) -> Scene:
    """A world whose n-th write from now on fails as planned."""
    keys = MemoryKeyRows()
    rows = MemoryRows(keys)
    scene = Scene(World(rows, keys))
    keys.faults = rows.faults
    rows.faults.plan = {rows.faults.writes + at: what for at, what in plan.items()}
    return scene


def writes_of_one_bundle() -> int:
    scene = scene_with_faults({})
    rows = scene.world.rows
    assert isinstance(rows, MemoryRows)
    before = rows.faults.writes
    assert scene.call(scene.hospital, "POST", "/fhir", large(1)).status == 200
    return rows.faults.writes - before


def people_of(scene: Scene) -> list[str]:
    """Everybody whose Patient a reader sees."""
    rows = scene.world.rows
    assert isinstance(rows, MemoryRows)
    ids = {key.pk.removeprefix("P#") for key in rows.rows if key.pk.startswith("P#")}
    return [one for one in ids if scene.stored(one)]


# One more than there are, so that an undisturbed Bundle is among the cases.
WRITES = 8


def test_the_cases_cover_every_write() -> None:
    assert writes_of_one_bundle() < WRITES


@pytest.mark.parametrize("what", ["before", "after", "lost", "dropped"])
@pytest.mark.parametrize("at", range(1, WRITES))
def test_a_bundle_cut_short_is_whole_or_absent_and_then_finished(at: int, what: str) -> None:
    scene = scene_with_faults({at: what})
    sent = large(1)
    first = scene.call(scene.hospital, "POST", "/fhir", sent, idempotency_key="k")
    assert first.status in (200, 500, 503)

    found = people_of(scene)
    assert [len(scene.stored(one)) for one in found] in ([], [len(sent["entry"])])
    assert first.status != 200 or found

    scene.world.clock.advance(LATER_SECONDS)
    scene.api = door_over(ports_of(scene.world.store("records"), scene.log.sealed, description))
    again = scene.call(scene.hospital, "POST", "/fhir", sent, idempotency_key="k")
    assert again.status == 200, again.body
    (patient,) = people_of(scene)
    pages = scene.pages(scene.hospital, f"/fhir/Patient/{patient}/$everything?_count=200")
    assert sum(len(resources(page)) for page in pages) == len(sent["entry"])


@pytest.mark.parametrize("at", [1, 2])
def test_a_bundle_of_a_known_person_cut_short_shows_nothing_of_itself(at: int) -> None:
    scene = scene_with_faults({})
    scene.call(scene.hospital, "POST", "/fhir", whole_patient(5))
    (patient,) = people_of(scene)
    before = {str(one.doc) for one in scene.stored(patient)}
    rows = scene.world.rows
    assert isinstance(rows, MemoryRows)
    rows.faults.plan = {rows.faults.writes + at: "after"}
    assert scene.call(scene.hospital, "POST", "/fhir", whole_patient(5)).status == 500
    assert {str(one.doc) for one in scene.stored(patient)} == before
