"""Erasure is final and only by the person's own device, whatever a crash or a spoiled row left behind."""

import json

import pytest

from carevouch.door.http import Door
from carevouch.kernel.errors import Erased
from carevouch.kernel.ids import Doc, Key
from carevouch.store.documents.erasure import WORK_LIST, ErasureReport
from carevouch.store.rows import Row
from services.identity.app import report
from services.identity.ports import Ports
from tests.api import Answer, Api
from tests.fakes import Crash, MemoryKeyRows, MemoryRows
from tests.people import Organization, bind_device, synthetic_patient
from tests.service.identity.conftest import correct, register, with_identifier
from tests.world import World


def erased(world: World, api: Api, hospital: Organization) -> tuple[str, Answer]:
    patient = register(api, hospital, synthetic_patient(3))
    device = bind_device(world, hospital, patient)
    return patient, api.call("DELETE", f"/identity/subjects/{patient}", who=device.who)


def test_an_erased_persons_data_cannot_be_read_and_the_event_stays(
    world: World, api: Api, ports: Ports, hospital: Organization
) -> None:
    patient, answer = erased(world, api, hospital)
    assert answer.status == 204
    with pytest.raises(Erased):
        world.reader.person(patient)
    row = world.key_rows.get(f"P#{patient}")
    assert row is not None
    assert (row.wrapped, row.identifiers) == (None, ())
    erasures = world.rows.query(f"P#{patient}", "Erasure#")
    assert len(erasures) == 1
    assert world.reader.event(erasures[0].text("event") or "").type == "subject.erased"
    assert ports.index.one(synthetic_patient(3)) is None
    assert world.rows.query("E#pending") == []


def test_the_identifiers_of_an_erased_person_can_be_registered_again(
    world: World, api: Api, hospital: Organization
) -> None:
    patient, _ = erased(world, api, hospital)
    assert register(api, hospital, synthetic_patient(3)) != patient


def test_nobody_but_the_persons_device_erases(world: World, api: Api, hospital: Organization) -> None:
    patient = register(api, hospital, synthetic_patient(3))
    other = bind_device(world, hospital, register(api, hospital, synthetic_patient(4)))
    for who in (hospital.who, other.who):
        assert api.call("DELETE", f"/identity/subjects/{patient}", who=who).status == 404
    assert world.reader.person(patient).get(Doc("Patient", patient)) is not None


@pytest.mark.parametrize("fault", ["before", "after"])
def test_the_sweeper_finishes_what_a_crash_at_any_step_left(
    world: World, api: Api, ports: Ports, hospital: Organization, fault: str
) -> None:
    rows, keys = world.rows, world.key_rows
    assert isinstance(rows, MemoryRows)
    assert isinstance(keys, MemoryKeyRows)
    faults = rows.faults
    keys.faults = faults
    patient = register(api, hospital, synthetic_patient(0))
    ports.eraser.erase(patient, "warm-up")  # the certificate of this environment is stored by now
    step, crashed = 0, True
    while crashed:
        step += 1
        patient = register(api, hospital, synthetic_patient(step))
        faults.plan = {faults.writes + step: fault}
        try:
            ports.eraser.erase(patient, "BoundDevice/x")
            crashed = False
        except Crash:
            begun = rows.get(Key("E#pending", patient)) is not None
            ports.eraser.sweep()
            if not begun and keys.rows[f"P#{patient}"].wrapped:
                continue  # It crashed before anything was written: the person is as they were.
        faults.plan = {}
        assert keys.rows[f"P#{patient}"].wrapped is None
        assert ports.index.one(synthetic_patient(step)) is None
        assert len(rows.query(f"P#{patient}", "Erasure#")) == 1
        assert rows.query("E#pending") == []
    assert step > 6


@pytest.mark.parametrize("spoiled", [1, 2, 3], ids=["first", "middle", "last"])
def test_a_spoiled_version_does_not_stop_an_erasure(
    world: World, ports: Ports, api: Api, hospital: Organization, spoiled: int
) -> None:
    patient = register(api, hospital, with_identifier(1))
    for version in (2, 3):
        correct(world, patient, with_identifier(version))
    spoil(world, Doc("Patient", patient).key(spoiled))
    ports.eraser.erase(patient, "BoundDevice/x")
    row = world.key_rows.get(f"P#{patient}")
    assert row is not None
    assert row.wrapped is None
    left = {
        version for version in (1, 2, 3) if ports.index.find(ports.index.blinds(with_identifier(version)))
    }
    # Nobody can find the identifiers of the spoiled version without the key of the person.
    assert left == {spoiled}


def test_one_erasure_that_cannot_finish_does_not_stop_the_others(
    world: World, ports: Ports, api: Api, hospital: Organization
) -> None:
    stuck, free = sorted(register(api, hospital, synthetic_patient(n)) for n in (1, 2))
    for patient in (stuck, free):
        world.rows.put_new(Row(Key(WORK_LIST, patient), {"doc": "BoundDevice/x"}))
    assert isinstance(world.key_rows, MemoryKeyRows)
    del world.key_rows.rows[f"P#{stuck}"]
    assert ports.eraser.sweep() == ErasureReport(finished=1, failed=1)
    with pytest.raises(Erased):
        world.reader.person(free)
    assert ports.eraser.sweep() == ErasureReport(finished=0, failed=1)


def test_the_sweeper_reports_how_many_erasures_wait(capsys: pytest.CaptureFixture[str]) -> None:
    door = Door("identity")
    assert report(ErasureReport(finished=3, failed=2), door) == {"finished": 3, "failed": 2}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(line.get("ErasuresFailed") == [2.0] and line["service"] == "identity" for line in lines)


def test_erasure_keeps_an_identifier_that_belongs_to_another_person_now(
    world: World, ports: Ports, api: Api, hospital: Organization
) -> None:
    """A crash came after the identifier row was deleted; then another person registered the identifier."""
    rows, keys = world.rows, world.key_rows
    assert isinstance(rows, MemoryRows)
    assert isinstance(keys, MemoryKeyRows)
    patient = register(api, hospital, synthetic_patient(1))
    ports.eraser.erase(register(api, hospital, synthetic_patient(2)), "warm-up")
    # In order: note, close, event, tombstone, identifier row, settle, note.
    faults = keys.faults = rows.faults
    faults.plan = {faults.writes + 5: "after"}
    with pytest.raises(Crash):
        ports.eraser.erase(patient, "BoundDevice/x")
    faults.plan = {}
    heir = register(api, hospital, synthetic_patient(1))
    assert ports.eraser.sweep() == ErasureReport(finished=1, failed=0)
    assert ports.index.one(synthetic_patient(1)) == Doc("Patient", heir)


def spoil(world: World, key: Key) -> None:
    """An attacker who can write to the table overwrites a row with bytes that nobody can open."""
    assert isinstance(world.rows, MemoryRows)
    row = world.rows.rows[key]
    world.rows.rows[key] = Row(key, {**row.attributes, "ct": bytes(100)})
