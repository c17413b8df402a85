"""A clinic, an insurer, one insured patient, and the claims door they all use.

Codes and amounts are those of the worked example (reference, claims 2.3) as `tests.unit.claims` tells it.
Every answer that is FHIR is checked against R4 before a test sees it.
"""

from dataclasses import dataclass
from typing import Any

from carevouch.claims.contract import CONTRACT_TYP, contract_hash, contract_payload
from carevouch.door.access import Access
from carevouch.door.http import Door
from carevouch.fhir.validate import require_valid
from carevouch.kernel.canonical import jcs
from carevouch.kernel.ids import Doc, parse_reference
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import sign
from carevouch.store.documents import StoredRevision
from services.claims.ports import Ports
from services.claims.routes import ROUTES
from tests.api import Answer, Api
from tests.people import Organization, admit, enrol
from tests.unit.claims.cases import terms
from tests.unit.claims.resources import fhir_claim, fhir_coverage, item, usd
from tests.world import World

SUBMIT = "/fhir/Claim/$submit"
ASK = "/fhir/CoverageEligibilityRequest/$submit"


@dataclass(frozen=True)
class Member:
    """An insured person, who treats them, and who pays."""

    world: World
    api: Api
    payer: Organization
    clinic: Organization
    patient: str
    coverage: str
    contract: bytes

    @property
    def reference(self) -> str:
        return f"Patient/{self.patient}"

    def claim(self, *items: dict[str, Any], **changes: Any) -> dict[str, Any]:
        base = {
            "patient": {"reference": self.reference},
            "provider": {"reference": self.clinic.reference},
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": self.coverage}}],
        }
        return fhir_claim(*items, **{**base, **changes})

    def worked(self, **changes: Any) -> dict[str, Any]:
        """The worked example: 615.00 billed, 240.00 paid."""
        items = (("VISIT", "180.00"), ("LAB", "95.00"), ("XRAY", "310.00"), ("CREAM", "30.00"))
        lines = [item(at + 1, code, net) for at, (code, net) in enumerate(items)]
        return self.claim(*lines, **{"total": usd("615.00"), **changes})

    def submit(self, claim: Any, who: Organization | None = None, **headers: str) -> Answer:
        return post(self.api, SUBMIT, claim, who or self.clinic, **headers)

    def ask(self, request: dict[str, Any], who: Organization | None = None) -> Answer:
        return post(self.api, ASK, request, who or self.clinic)

    def request(self, *purposes: str, **changes: Any) -> dict[str, Any]:
        base = {
            "resourceType": "CoverageEligibilityRequest",
            "status": "active",
            "purpose": list(purposes or ("benefits",)),
            "patient": {"reference": self.reference},
            "servicedDate": "2026-05-01",
            "created": "2026-05-01",
            "insurer": {"reference": self.payer.reference},
            "insurance": [{"coverage": {"reference": self.coverage}}],
        }
        return {name: one for name, one in {**base, **changes}.items() if one is not None}

    def stored(self, type_: str) -> list[StoredRevision]:
        return self.world.reader.person(self.patient).latest(type_)

    def find(self, reference: str) -> StoredRevision:
        found = self.world.reader.find(parse_reference(reference))
        assert found is not None
        return found

    def decisions(self) -> list[StoredRevision]:
        """Every decision about the person, oldest first."""
        (latest,) = self.stored("Decision")
        return self.world.reader.person(self.patient).history(latest.doc)


def insure(world: World, **changes: Any) -> Member:
    """Admit both organisations, enrol a patient, register contract and coverage through the door."""
    payer, clinic = admit(world, "insurer", ["payer"]), admit(world, "clinic", ["provider"])
    api = new_api(world)
    data = contract_of(payer, clinic, **changes)
    told = register_contract(api, payer, data)
    assert told.status == 201, told.body
    patient = enrol(world, clinic)
    coverage = cover(api, payer, patient)
    return Member(world, api, payer, clinic, patient, coverage, data)


def new_api(world: World) -> Api:
    """The door in a fresh execution environment."""
    store = world.store("claims")
    ports = Ports(store, Access(store))
    door = Door("claims")
    door.serve(ROUTES, lambda: ports)
    return Api(door)


def contract_of(payer: Organization, clinic: Organization, **changes: Any) -> bytes:
    """The canonical bytes of the payer's contract with the clinic."""
    return jcs(terms(**{"payer": payer.reference, "network": [clinic.reference], **changes}))


def register_contract(api: Api, payer: Organization, data: bytes, **posted: Any) -> Answer:
    signature = sign(contract_payload(data), CONTRACT_TYP, payer.key)
    body = {"contract": parse(data), "signature": signature, **posted}
    return api.call("POST", "/claims/contracts", render(body), payer.who)


def cover(api: Api, payer: Organization, patient: str, **changes: Any) -> str:
    """Register the patient's coverage; its reference."""
    told = post(api, "/fhir/Coverage", coverage_of(payer, patient, **changes), payer)
    assert told.status == 201, told.body
    return f"Coverage/{told.json()['id']}"


def coverage_of(payer: Organization, patient: str, **changes: Any) -> dict[str, Any]:
    base = {"beneficiary": {"reference": f"Patient/{patient}"}, "payor": [{"reference": payer.reference}]}
    return fhir_coverage(**{**base, **changes})


def post(api: Api, path: str, body: Any, who: Organization, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else render(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = api.call("POST", path, raw, who.who, sent)
    require_valid(parse(answer.body))
    return answer


def contract_doc_of(answer: Answer) -> Doc:
    return parse_reference(answer.json()["document"])


def totals(answer: Answer) -> dict[str, str]:
    """Category code -> amount of a ClaimResponse's totals, as written."""
    response = parse(answer.body)
    return {one["category"]["coding"][0]["code"]: str(one["amount"]["value"]) for one in response["total"]}


def line_amounts(answer: Answer, at: int) -> dict[str, str]:
    """CO-45 (or the category's own name) -> amount, for one item of a ClaimResponse."""
    found = {}
    for one in parse(answer.body)["item"][at]["adjudication"]:
        reason = [coding["code"] for coding in one.get("reason", {}).get("coding", [])]
        name = "-".join(reason[:2]) or one["category"]["coding"][0]["code"]
        found[name] = str(one["amount"]["value"])
    return found


def hash_of(data: bytes) -> str:
    return contract_hash(data)
