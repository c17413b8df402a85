"""The records door over a world in memory: a hospital, another clinic, a payer, an auditor and a person."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from carevouch.door.http import Door
from carevouch.events.catalogue import OWN_TYPES
from carevouch.kernel.ids import Key
from carevouch.kernel.jsontext import parse
from carevouch.store.documents import StoredRevision
from services.records.ports import Ports, ports_of
from services.records.routes import ROUTES
from tests import people
from tests.api import Answer, Api, Who
from tests.descriptions import description
from tests.people import Device, Organization
from tests.sealed_log import log_of
from tests.world import BASE_URL, World, memory_world

Json = dict[str, Any]
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


def door_over(ports: Ports) -> Api:
    """The door in a fresh execution environment."""
    door = Door("records")
    door.serve(ROUTES, lambda: ports)
    return Api(door)


@dataclass
class Scene:
    """The parties, and the door."""

    world: World = field(default_factory=memory_world)

    def __post_init__(self) -> None:
        self.log = log_of(self.world)
        self.ports = ports_of(self.world.store("records"), self.log.sealed, description)
        self.api = door_over(self.ports)
        self.hospital = people.admit(self.world, "Hospital", ["provider"])
        self.clinic = people.admit(self.world, "Clinic", ["provider"])
        self.payer = people.admit(self.world, "Payer", ["payer"])
        self.auditor = people.admit(self.world, "Auditor", ["auditor"])

    def call(
        self, who: Organization | Device | Who, method: str, path: str, body: Any = None, **headers: str
    ) -> Answer:
        """A request of `who`; underscores in header names become hyphens."""
        caller = who if isinstance(who, Who) else who.who
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api.call(method, path.removeprefix(BASE_URL), body, caller, sent)

    def get(self, who: Organization | Device | Who, path: str, **headers: str) -> Answer:
        """A read of `who`."""
        return self.call(who, "GET", path, **headers)

    def person(self) -> str:
        """A person registered and enrolled by the hospital."""
        return people.enrol(self.world, self.hospital)

    def device(self, patient: str) -> Device:
        """A device of that person."""
        return people.bind_device(self.world, self.hospital, patient)

    def stored(self, patient: str) -> list[StoredRevision]:
        """All FHIR documents about the person, in every version."""
        partition = self.world.reader.person(patient)
        latest = [one for one in partition.latest() if one.doc.type not in OWN_TYPES]
        return [stored for one in latest for stored in partition.history(one.doc)]

    def pages(self, who: Organization | Device | Who, path: str) -> Iterator[Json]:
        """The Bundles of a search, following the next links; stops at anything but 200."""
        url: str | None = path
        while url:
            answer = self.get(who, url)
            if answer.status != 200:
                return
            bundle = answer.json()
            yield bundle
            url = link(bundle, "next")

    def audits(self, patient: str | None) -> list[Json]:
        """The AuditEvents about somebody (None: about unknown people)."""
        month = self.world.clock()[:7]
        found = self.world.reader.month_of_audit(patient, month).latest("AuditEvent")
        return [parse(stored.body) for stored in found]

    def content(self) -> dict[Key, Any]:
        """The rows that hold somebody's data, all but audit and certificates; and everybody's keys."""
        rows, key_rows = cast(Any, self.world.rows), cast(Any, self.world.key_rows)
        data = {key: row for key, row in rows.rows.items() if not key.pk.startswith(("A#", "K#"))}
        return data | {Key(pk, "key"): row for pk, row in key_rows.rows.items()}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def link(bundle: Json, relation: str) -> str | None:
    """The address of a link in a Bundle."""
    return next((one["url"] for one in bundle.get("link", []) if one["relation"] == relation), None)


def resources(bundle: Json) -> list[Json]:
    """The resources in a Bundle."""
    return [entry["resource"] for entry in bundle.get("entry", [])]


def entry(resource: Json, full_url: str | None = None, **request: str) -> Json:
    """One POST entry; `request` adds to or replaces what it asks."""
    asked = {"method": "POST", "url": resource["resourceType"], **request}
    return {"fullUrl": full_url or f"urn:uuid:{uuid.uuid4()}", "resource": resource, "request": asked}


def bundle(*entries: Json, kind: str = "transaction") -> Json:
    """A Bundle of these entries."""
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def labelled(resource: Json, label: str) -> Json:
    """The resource with a confidentiality label."""
    return {**resource, "meta": {"security": [{"system": CONFIDENTIALITY, "code": label}]}}


def clinical(subject: str, at: int = 0) -> list[Json]:
    """Seven invented documents about `subject` (a reference), of five types, one of them restricted."""
    person = {"reference": subject}
    coded = {"coding": [{"system": SNOMED, "code": "38341003"}]}
    made = [
        people.observation("", subject=person, effectiveDateTime=f"2026-0{1 + at % 9}-0{1 + day}")
        for day in range(2)
    ]
    made.append(labelled(people.observation("", subject=person), "R"))
    made.append(labelled({"resourceType": "Condition", "subject": person, "code": coded}, "N"))
    made.append(
        labelled(
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "subject": person,
                "period": {"start": "2026-03-01", "end": "2026-03-01"},
            },
            "N",
        )
    )
    made.append(
        labelled(
            {
                "resourceType": "Immunization",
                "status": "completed",
                "vaccineCode": coded,
                "patient": person,
                "occurrenceDateTime": "2026-02-03",
            },
            "N",
        )
    )
    made.append(
        labelled({"resourceType": "Procedure", "status": "completed", "code": coded, "subject": person}, "N")
    )
    return made


def whole_patient(number: int, extra: Sequence[Json] = ()) -> Json:
    """A transaction Bundle of one invented person with seven documents and `extra`."""
    urn = f"urn:uuid:{uuid.UUID(int=number)}"
    documents = [*clinical(urn), *extra]
    return bundle(entry(people.synthetic_patient(number), urn), *(entry(resource) for resource in documents))


def patient_of(answer: Answer) -> str:
    """The person that a transaction's answer names."""
    assert answer.status == 200, answer.body
    places = [one["response"]["location"] for one in answer.json()["entry"]]
    return str(next(place.split("/Patient/")[1].split("/")[0] for place in places if "/Patient/" in place))
