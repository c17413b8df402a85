"""The kinds of request that are measured. Each `prepare` does what is not measured and hands out one call."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from carevouch.consent.signature import sign_grant
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import sign
from infra.story import money
from services.identity.authorizer import authorize
from services.identity.tokens import ASSERTION_TYPE
from tests import people
from tests.api import Who
from tests.bench.all_doors import CODES, Call, House, Person, must, renamed, whole_patient
from tests.world import BASE_URL

ARN = "arn:aws:execute-api:eu-central-1:000000000000:api/v1/GET/fhir/Patient"
FORM = {"content-type": "application/x-www-form-urlencoded"}
PAGE = 20
UNDER_CONSENT = "read one, under a consent"
BARE_DOCUMENT = "the bare document: found, verified, decrypted, rendered"


@dataclass(frozen=True)
class Kind:
    """A kind of request: its name in the table, how to make the next call, and how many times are enough."""

    name: str
    prepare: Callable[[], Call]
    repeat: int = 60


def kinds(house: House) -> Iterator[Kind]:
    """Every kind, over one person of the house."""
    directory, records = whole_patient()
    must(house.api.call("POST", "/fhir", directory.raw, house.hospital.who), 200)
    count = len(records.bundle["entry"])
    reads = Reads(house, house.person())
    # A person each, so that no kind pays for what another has written.
    writes, creates, asks, grants, claims = (Writes(house, house.person()) for _ in range(5))
    yield Kind("token: a signed assertion for a token", writes.token)
    yield Kind("authorizer: is the token good", writes.authorize)
    yield Kind("register a Patient", writes.register)
    yield Kind("create an Observation", creates.create)
    yield Kind(
        f"a whole patient: Bundle of {count}, {len(records.raw) / 1e6:.1f} MB",
        lambda: writes.bundle(renamed(records, int.from_bytes(os.urandom(6), "big"))),
        repeat=5,
    )
    yield Kind("read one, as its author", lambda: reads.one(house.hospital.who))
    yield Kind(UNDER_CONSENT, lambda: reads.one(house.insurer.who))
    yield Kind("read one, refused (404)", lambda: reads.refused())
    yield Kind(f"search, a page of {PAGE}, under a consent", reads.search)
    yield Kind("$everything, first page, as the patient", reads.everything)
    yield Kind("consent decision", reads.decision)
    yield Kind("consent: ask", asks.ask)
    yield Kind("consent: grant, signed by the device", grants.grant)
    yield Kind("claim: submit and adjudicate", claims.claim)
    yield Kind("opening of a document", reads.opening)
    yield Kind(BARE_DOCUMENT, reads.bare)


@dataclass(frozen=True)
class Reads:
    """Requests that change nothing but the audit."""

    house: House
    person: Person

    def _get(self, path: str, who: Who, status: int = 200) -> Call:
        return lambda: must(self.house.api.call("GET", path, None, who), status)

    def one(self, who: Who) -> Call:
        """One Observation."""
        return self._get(f"/fhir/Observation/{self.person.observation}", who)

    def refused(self) -> Call:
        """The patient itself, which the insurer was not granted."""
        return self._get(f"/fhir/Patient/{self.person.id}", self.house.insurer.who, 404)

    def search(self) -> Call:
        """A page of Observations."""
        path = f"/fhir/Observation?patient={self.person.id}&_count={PAGE}"
        return self._get(path, self.house.insurer.who)

    def everything(self) -> Call:
        """The first page of all there is."""
        return self._get(f"/fhir/Patient/{self.person.id}/$everything?_count={PAGE}", self.person.device.who)

    def decision(self) -> Call:
        """May the insurer see it?"""
        resource = {"type": "Observation", "id": self.person.observation}
        body = {"patient": self.person.id, "resource": resource}
        return lambda: must(
            self.house.api.call("POST", "/consent/decision", body, self.house.insurer.who), 200
        )

    def bare(self) -> Call:
        """A read without a caller, a rule and an audit, to which other reads are compared."""
        reader, doc = self.house.world.reader, Doc("Observation", self.person.observation)

        def call() -> bytes:
            stored = reader.find(doc)
            if stored is None:
                raise LookupError("the document is gone")
            return render(parse(stored.body))

        return call

    def opening(self) -> Call:
        """The opening of the Observation."""
        path = f"/ledger/documents/Observation/{self.person.observation}/1/opening"
        return self._get(path, self.house.hospital.who)


@dataclass(frozen=True)
class Writes:
    """Requests that act."""

    house: House
    person: Person

    def _post(self, path: str, body: Any, who: Who | None, *statuses: int) -> Call:
        return lambda: must(self.house.api.call("POST", path, body, who), *statuses)

    def assertion(self) -> str:
        """The form of one token request."""
        hospital, now = self.house.hospital, self.house.seconds()
        claims = {
            "iss": hospital.id,
            "sub": hospital.id,
            "aud": f"{BASE_URL}/auth/token",
            "exp": now + 200,
            "jti": uuid.uuid4().hex,
        }
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": sign(claims, "JWT", hospital.key),
            "scope": "system/*.cruds",
        }
        return urlencode(form)

    def token(self) -> Call:
        """POST /auth/token."""
        form = self.assertion()
        return lambda: must(self.house.api.call("POST", "/auth/token", form, headers=FORM), 200)

    def authorize(self) -> Call:
        """API Gateway's question before every request with a token."""
        token = must(self.house.api.call("POST", "/auth/token", self.assertion(), headers=FORM), 200).json()
        event = {"authorizationToken": f"Bearer {token['access_token']}", "methodArn": ARN}
        return lambda: authorize(event, self.house.authorizer)

    def register(self) -> Call:
        """A new person."""
        body = people.synthetic_patient(int.from_bytes(os.urandom(6), "big"))
        return self._post("/fhir/Patient", body, self.house.hospital.who, 201)

    def create(self) -> Call:
        """One more Observation."""
        return self._post(
            "/fhir/Observation", people.observation(self.person.id), self.house.hospital.who, 201
        )

    def bundle(self, raw: bytes) -> Call:
        """A hospital's whole record of a person nobody knew."""
        return self._post("/fhir", raw, self.house.hospital.who, 200)

    def ask(self) -> Call:
        """An app that nobody knew asks, for at most ten requests of one may be open."""
        app = people.admit(self.house.world, "App", ["app"])
        body = {"patient": self.person.id, "consent": people.consent_for(app.reference)}
        return self._post("/consent/requests", body, app.who, 201)

    def grant(self) -> Call:
        """The device answers such a request."""
        asked = self.ask()()
        id_ = asked.json()["id"]  # type: ignore[attr-defined]
        device = self.person.device
        path = f"/consent/requests/{id_}"
        told = must(self.house.api.call("GET", path, None, device.who), 200).json()
        body = {"signature": sign_grant(told["to_sign"], device.key)}
        return self._post(f"{path}/grant", body, device.who, 200)

    def claim(self) -> Call:
        """A visit and a further service."""
        body = money.claim(
            self.person.id,
            self.house.hospital.reference,
            self.house.insurer.reference,
            self.person.coverage,
            CODES,
        )
        return self._post("/fhir/Claim/$submit", render(body), self.house.hospital.who, 200, 201)
