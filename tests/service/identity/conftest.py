"""The identity door over a world in memory."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from carevouch.door.access import Access
from carevouch.door.http import Door
from carevouch.fhir.meta import with_meta
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import render
from carevouch.store.documents import ActPlan, Draft, StoredAnswer
from carevouch.store.documents.erasure import Eraser
from carevouch.store.documents.reader import Index
from services.identity.ports import Ports
from services.identity.routes import ROUTES
from services.identity.store import name_of
from tests.api import Api
from tests.people import Organization, act, admit, synthetic_patient
from tests.world import World, memory_world, new_key


@dataclass
class MemoryAssertions:
    """Remembers assertions by the keys that DynamoDB has for them, under a lock."""

    used: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, client: str, jti: str, exp_seconds: int) -> bool:
        name = name_of(client, jti)
        with self.lock:
            first = name not in self.used
            self.used.add(name)
        return first


@pytest.fixture
def world() -> World:
    return memory_world()


@pytest.fixture
def ports(world: World) -> Ports:
    store = world.store("identity")
    index = Index(store.reader)
    eraser = Eraser(store.reader, store.writer, store.key_rows, index.blinds_of_body)
    return Ports(store, Access(store), index, eraser, new_key(), MemoryAssertions(), seconds_of(world))


@pytest.fixture
def api(ports: Ports) -> Api:
    door = Door("identity")
    door.serve(ROUTES, lambda: ports)
    return Api(door)


@pytest.fixture
def hospital(world: World) -> Organization:
    return admit(world, "hospital", ["provider"])


def register(api: Api, provider: Organization, patient: dict[str, Any]) -> str:
    """The id of a person whom `provider` registers at the door."""
    answer = api.call("POST", "/fhir/Patient", patient, provider.who)
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


def with_identifier(n: int) -> dict[str, Any]:
    """The same person with the identifier of version `n`."""
    return {**synthetic_patient(1), "identifier": synthetic_patient(n)["identifier"]}


def correct(world: World, patient: str, resource: dict[str, Any]) -> None:
    """Store the next version of a Patient and keep the earlier identifiers, as the records door does."""
    before = world.reader.find(Doc("Patient", patient))
    assert before is not None
    draft = Draft(before.doc, render(with_meta(resource, patient, before.version + 1, world.clock())), before)
    taken = Index(world.reader).find(Index(world.reader).blinds(resource))
    fresh = [blind for blind in Index(world.reader).blinds(resource) if blind not in taken]
    identifiers = tuple((blind, before.doc) for blind in fresh)
    plan = ActPlan("record.updated", (draft,), StoredAnswer(200), (patient,), identifiers)
    act(world, "records", "d.x", before.doc, lambda _naming: plan)


def seconds_of(world: World) -> Callable[[], int]:
    """The world's clock in NumericDate seconds."""
    return lambda: int(datetime.fromisoformat(world.clock.now).timestamp())
