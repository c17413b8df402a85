"""All doors in one process over a `World`, with a hospital, an insurer and what their requests need."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from carevouch.door.access import Access
from carevouch.door.http import Door
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import Signer
from carevouch.store.documents.erasure import Eraser
from carevouch.store.documents.reader import Index
from infra.story import money
from infra.story.bundles import SAMPLE, Records, read_folder
from services.claims.ports import Ports as ClaimsPorts
from services.claims.routes import ROUTES as CLAIMS_ROUTES
from services.consent.ports import Ports as ConsentPorts
from services.consent.routes import ROUTES as CONSENT_ROUTES
from services.identity.ports import Assertions, AuthorizerPorts
from services.identity.ports import Ports as IdentityPorts
from services.identity.routes import ROUTES as IDENTITY_ROUTES
from services.records.ports import ports_of
from services.records.routes import ROUTES as RECORDS_ROUTES
from tests import people
from tests.api import Answer, Api
from tests.descriptions import description
from tests.oracles import SHARED
from tests.people import Device, Organization
from tests.sealed_log import log_of
from tests.world import BASE_URL, World

REAL = SHARED / "data" / "synthea"
CODES = [("https://clinic.example/codes", "visit"), ("https://clinic.example/codes", "extra")]


@dataclass
class House:
    """The doors in fresh execution environments, and who calls them."""

    world: World
    assertions: Assertions
    token_key: Signer
    api: Api = field(init=False)
    hospital: Organization = field(init=False)
    insurer: Organization = field(init=False)

    def __post_init__(self) -> None:
        self.api = self.fresh_api()
        self.hospital = people.admit(self.world, "Hospital", ["provider"])
        self.insurer = people.admit(self.world, "Insurer", ["payer"])
        body = money.contract(self.insurer.reference, [self.hospital.reference], CODES, self.insurer.key)
        must(self.api.call("POST", "/claims/contracts", body, self.insurer.who), 201)

    def fresh_api(self) -> Api:
        """The doors, each in an execution environment that has served nothing yet."""
        doors = [Door(name) for name in ("identity", "consent", "records", "claims")]
        identity, consent, records, claims = doors
        stores = [self.world.store(name) for name in ("identity", "consent", "records", "claims")]
        index = Index(stores[0].reader)
        ports = IdentityPorts(
            stores[0],
            Access(stores[0]),
            index,
            Eraser(stores[0].reader, stores[0].writer, stores[0].key_rows, index.blinds_of_body),
            self.token_key,
            self.assertions,
            self.seconds,
        )
        identity.serve(IDENTITY_ROUTES, lambda: ports)
        consent_ports = ConsentPorts(stores[1], Access(stores[1]))
        consent.serve(CONSENT_ROUTES, lambda: consent_ports)
        records_ports = ports_of(stores[2], log_of(self.world).sealed, description)
        records.serve(RECORDS_ROUTES, lambda: records_ports)
        claims_ports = ClaimsPorts(stores[3], Access(stores[3]))
        claims.serve(CLAIMS_ROUTES, lambda: claims_ports)
        return Api(*doors)

    def seconds(self) -> int:
        """The world's clock in NumericDate seconds."""
        return int(datetime.fromisoformat(self.world.clock.now).timestamp())

    @cached_property
    def authorizer(self) -> AuthorizerPorts:
        """The ports of the authorizer."""
        return AuthorizerPorts(lambda: self.token_key.jwk, BASE_URL, self.seconds)

    def person(self) -> "Person":
        """Somebody with a few records, a device, a consent for the insurer, and a coverage."""
        patient = people.enrol(self.world, self.hospital)
        device = people.bind_device(self.world, self.hospital, patient)
        for at in range(30):
            people.record(
                self.world, self.hospital, patient, people.observation(patient, note=[{"text": f"{at}"}])
            )
        people.grant(self.world, device, people.consent_for(self.insurer.reference, classes=["Observation"]))
        found = self.api.call("GET", f"/fhir/Observation?patient={patient}&_count=1", None, self.hospital.who)
        observation = must(found, 200).json()["entry"][0]["resource"]["id"]
        covered = self.api.call(
            "POST", "/fhir/Coverage", money.coverage(patient, self.insurer.reference), self.insurer.who
        )
        return Person(patient, device, str(observation), f"Coverage/{must(covered, 201).json()['id']}")


@dataclass(frozen=True)
class Person:
    """An invented person that requests are about."""

    id: str
    device: Device
    observation: str
    coverage: str


def must(answer: Answer, *statuses: int) -> Answer:
    """The answer, if it is one of these; a benchmark of refusals would measure nothing."""
    if answer.status not in statuses:
        raise RuntimeError(f"answered {answer.status}: {answer.body[:400]!r}")
    return answer


def whole_patient() -> tuple[Records, Records]:
    """The directory and the largest patient: a real one where they are, else the sample's."""
    folder = REAL if REAL.is_dir() else SAMPLE
    found = read_folder(folder)
    return found[0], max((records for records in found if records.patient), key=lambda one: len(one.raw))


def renamed(records: Records, number: int) -> bytes:
    """The same records of another person: the patient's identifiers are new ones."""
    raw: dict[str, Any] = {**records.bundle, "entry": [dict(entry) for entry in records.bundle["entry"]]}
    for entry in raw["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            named = [{**one, "value": f"{one['value']}-{number}"} for one in resource["identifier"]]
            entry["resource"] = {**resource, "identifier": named}
    return render(raw)


Call = Callable[[], Answer | object]
