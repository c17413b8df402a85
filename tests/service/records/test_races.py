"""Bundles that arrive at the same instant: the same identifier still makes one person."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from carevouch.door.http import HttpRequest, Reply
from carevouch.identity.caller import TokenFacts, caller_of
from carevouch.kernel.ids import Key
from carevouch.store.rows import Row
from services.records import transaction
from services.records.ports import ports_of
from tests.descriptions import description
from tests.fakes import MemoryKeyRows, MemoryRows
from tests.people import Organization
from tests.service.records.conftest import Json, Scene, whole_patient
from tests.world import World

RIVALS = 4


@dataclass
class Together:
    """Lets all rivals look an identifier up before any of them may go on, once each."""

    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(RIVALS))
    waited: threading.local = field(default_factory=threading.local)
    armed: bool = False

    def wait(self) -> None:
        if self.armed and not getattr(self.waited, "done", False):
            self.waited.done = True
            self.barrier.wait(timeout=30)


class RacingRows(MemoryRows):
    """The fake, with all rivals seeing the same world before the first write."""

    def __init__(self, keys: MemoryKeyRows, together: Together) -> None:
        super().__init__(keys)
        self.together = together

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Row]:
        found = super().get_many(keys)
        if any(key.pk.startswith("I#") for key in keys):
            self.together.wait()
        return found


def race(
    scene: Scene, who: Sequence[Organization], sent: Json, key: str | None = None
) -> list[Reply | Exception]:
    """The outcomes of rivals that post the same Bundle at once, each in an environment of its own."""
    outcomes: list[Reply | Exception] = []

    def post(organization: Organization) -> None:
        caller = caller_of(TokenFacts("organization", organization.id, "system/*.cruds", "j"))
        headers = {"idempotency-key": key} if key else {}
        body = json.dumps(sent).encode()
        incoming = HttpRequest("POST", "/fhir", {}, {}, headers, body, caller)
        try:
            outcomes.append(
                transaction.bundle(
                    incoming, ports_of(scene.world.store("records"), scene.log.sealed, description)
                )
            )
        except Exception as error:  # noqa: BLE001 - what a rival met is what the test looks at
            outcomes.append(error)

    threads = [threading.Thread(target=post, args=(organization,)) for organization in who]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def arena() -> Scene:
    keys, together = MemoryKeyRows(), Together()
    scene = Scene(World(RacingRows(keys, together), keys))
    together.armed = True
    return scene


def found_people(scene: Scene) -> list[str]:
    rows = scene.world.rows
    assert isinstance(rows, RacingRows)
    rows.together.armed = False
    ids = {key.pk.removeprefix("P#") for key in rows.rows if key.pk.startswith("P#")}
    return [one for one in ids if scene.stored(one)]


def test_the_same_patient_from_four_wards_at_once_is_one_person() -> None:
    scene = arena()
    outcomes = race(scene, [scene.hospital] * RIVALS, whole_patient(61))
    assert all(isinstance(outcome, Reply) and outcome.status == 200 for outcome in outcomes), outcomes
    (patient,) = found_people(scene)
    assert len(scene.stored(patient)) == 1 + RIVALS * 7


def test_of_two_hospitals_one_makes_the_person_and_the_other_meets_nobody() -> None:
    scene = arena()
    who = [scene.hospital, scene.clinic, scene.hospital, scene.clinic]
    outcomes = race(scene, who, whole_patient(62))
    (patient,) = found_people(scene)
    done = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
    refused = [type(outcome).__name__ for outcome in outcomes if not isinstance(outcome, Reply)]
    assert (len(done), refused) == (2, ["NotFound", "NotFound"])
    assert len(scene.stored(patient)) == 1 + 2 * 7


def test_the_same_request_four_times_at_once_is_one_act() -> None:
    scene = arena()
    outcomes = race(scene, [scene.hospital] * RIVALS, whole_patient(63), key="once")
    (patient,) = found_people(scene)
    assert len(scene.stored(patient)) == 1 + 7
    done = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
    busy = [outcome for outcome in outcomes if not isinstance(outcome, Reply)]
    assert done
    assert len({reply.headers["Carevouch-Event"] for reply in done}) == 1
    assert {type(outcome).__name__ for outcome in busy} <= {"Busy"}
