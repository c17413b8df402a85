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
    """Who takes part, and the door."""

    world: World
    api: Api
    access: Access
    clinic: Organization
    payer: Organization
    app: Organization
    patient: str
    device: Device

    def ask(self, asker: Organization | None = None, **more: object) -> Answer:
        """The payer (or another) asks for what `people.consent_for` makes of `more`."""
        who = asker or self.payer
        consent = people.consent_for(who.reference, **more)  # type: ignore[arg-type]
        body = {"patient": self.patient, "consent": consent}
        return self.api.call("POST", "/consent/requests", body, who.who)

    def inbox(self) -> list[dict[str, object]]:
        """The open requests, as the device sees them."""
        answer = self.api.call("GET", "/consent/requests", None, self.device.who)
        assert answer.status == 200, answer.body
        listed: list[dict[str, object]] = answer.json()["requests"]
        return listed

    def granted(self, request: Any, signature: str | None = None, **headers: str) -> Answer:
        """The device signs what `request` hands it (or sends `signature`) and grants."""
        text = signature or sign_grant(request["to_sign"], self.device.key)
        path = f"/consent/requests/{request['id']}/grant"
        return self.api.call("POST", path, {"signature": text}, self.device.who, headers)

    def may_read(self, who: Who, stored: StoredRevision) -> ReadAllowed | ReadRefused:
        """What the one rule of reading says now, with nothing remembered."""
        incoming = self.incoming(who)
        visit = self.access.open(incoming, self.access.caller(incoming), stored.doc.subject, "read")
        return visit.decide(stored)[1]

    def incoming(self, who: Who) -> HttpRequest:
        """A request of `who`, as the authorizer lets it through."""
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
        """The rows that hold somebody's data: all but audit and certificates."""
        rows: Any = self.world.rows
        return {key: row for key, row in rows.rows.items() if not key.pk.startswith(("A#", "K#"))}

    def find(self, type_: str, id_: str) -> StoredRevision:
        """A stored document that must be there."""
        stored = self.world.reader.find(Doc(type_, id_))
        assert stored is not None
        return stored


def scene_of(world: World) -> Scene:
    """A fresh cast in `world`."""
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
