"""The consent door over a world in memory, with a clinic, a payer, an app and a person with a device."""

from dataclasses import dataclass
from typing import Any

import pytest

from carevouch.consent.signature import sign_grant
from carevouch.door.access import Access
from carevouch.door.http import Door, HttpRequest
from carevouch.identity.caller import TokenFacts, caller_of
from carevouch.kernel.ids import Doc, Key
from carevouch.records.access import ReadAllowed, ReadRefused
from carevouch.store.documents import StoredRevision
from carevouch.store.rows import Row
from services.consent.ports import Ports
from services.consent.routes import ROUTES
from tests import people
from tests.api import Answer, Api, Who
from tests.people import Device, Organization
from tests.world import World, memory_world


@dataclass(frozen=True)
class Scene:
    """The door, the participants, and their usual requests."""

    world: World
    api: Api
    access: Access
    clinic: Organization
    payer: Organization
    app: Organization
    patient: str
    device: Device

    def ask(self, asker: Organization | None = None, **more: object) -> Answer:
        """The payer, or `asker`, asks for a consent that `people.consent_for` makes from `more`."""
        who = asker or self.payer
        consent = people.consent_for(who.reference, **more)  # type: ignore[arg-type]
        body = {"patient": self.patient, "consent": consent}
        return self.api.call("POST", "/consent/requests", body, who.who)

    def inbox(self) -> list[dict[str, object]]:
        """The open requests as the device gets them."""
        answer = self.api.call("GET", "/consent/requests", None, self.device.who)
        assert answer.status == 200, answer.body
        requests: list[dict[str, object]] = answer.json()["requests"]
        return requests

    def grant(self, request: Any, signature: str | None = None, **headers: str) -> Answer:
        """The device grants `request` under its signature, or under `signature`."""
        text = signature or sign_grant(request["to_sign"], self.device.key)
        path = f"/consent/requests/{request['id']}/grant"
        return self.api.call("POST", path, {"signature": text}, self.device.who, headers)

    def may_read(self, who: Who, stored: StoredRevision) -> ReadAllowed | ReadRefused:
        """The present answer of the rule of reading, from a new visit."""
        incoming = self.incoming(who)
        visit = self.access.open(incoming, self.access.caller(incoming), stored.doc.subject, "read")
        return visit.decide(stored)[1]

    def incoming(self, who: Who) -> HttpRequest:
        """A request of `who`, as it comes from the authorizer."""
        facts = TokenFacts(who.kind, who.client, who.scope, who.jti, who.device or None)
        return HttpRequest("GET", "/test", {}, {}, {}, b"", caller_of(facts))

    def consents(self) -> list[StoredRevision]:
        """The person's stored Consents."""
        return self.world.reader.person(self.patient).latest("Consent")

    def audits(self) -> list[StoredRevision]:
        """The person's AuditEvents of this month."""
        month = self.world.clock.now[:7]
        return self.world.reader.month_of_audit(self.patient, month).latest("AuditEvent")

    def content(self) -> dict[Key, Row]:
        """The rows with data about people: all except audit and certificates."""
        rows: Any = self.world.rows
        return {key: row for key, row in rows.rows.items() if not key.pk.startswith(("A#", "K#"))}

    def find(self, type_: str, id_: str) -> StoredRevision:
        """The stored document, which must exist."""
        stored = self.world.reader.find(Doc(type_, id_))
        assert stored is not None
        return stored


def scene_of(world: World) -> Scene:
    """A new scene in `world`."""
    store = world.store("consent")
    access = Access(store)
    door = Door("consent")
    door.serve(ROUTES, lambda: Ports(store, access))
    clinic = people.admit(world, "Thistle Clinic", ["provider"])
    patient = people.enrol(world, clinic)
    return Scene(
        world,
        Api(door),
        access,
        clinic,
        people.admit(world, "Fair Payer", ["payer"]),
        people.admit(world, "Moss App", ["app"]),
        patient,
        people.bind_device(world, clinic, patient),
    )


@pytest.fixture
def scene() -> Scene:
    return scene_of(memory_world())
