"""A payer's plan on file: its contracts with their ranges, and the one that holds on a day.

A contract is one document under an id derived from its hash, its body the canonical terms beside the payer's
signature. The list of a plan is another document: each registration appends a version of it, so that two
registrations of overlapping ranges at the same time cannot both succeed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from carevouch.claims.contract import Contract, Range, decode, encode, parse_contract
from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.errors import Conflict, IntegrityFault
from carevouch.kernel.ids import Doc, directory, parse_reference, part
from carevouch.kernel.jsontext import parse
from carevouch.store.documents import Draft, StoredRevision
from services.claims.ports import Ports

CONTRACT, PLAN = "BenefitContract", "Plan"
# Reading a contract of 350 KB takes longer than all the rest of a claim; an environment meets few of them.
MAX_READ_CONTRACTS = 32
# In each round somebody wins, so this many rivals at the same person or plan all get through.
MAX_CONFLICTS = 16


class ContractsOverlap(Conflict):
    """Another contract of the plan holds on some of these days."""


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A contract in the list of its plan."""

    hash: str
    document: str
    effective: Range


@dataclass(frozen=True, slots=True)
class StoredContract:
    """A stored contract: its exact bytes, what they say, and the payer's signature over their hash."""

    data: bytes
    contract: Contract
    signature: str


@dataclass(frozen=True, slots=True)
class ContractInForce:
    """The contract that holds on a day, and the revision it was read from."""

    contract: Contract
    stored: StoredRevision


def contract_doc(hash_: str, ports: Ports) -> Doc:
    """The document of the contract with this hash."""
    return Doc(CONTRACT, directory(part(ports.store.reader.keys.deployment().derive("contract", hash_))))


def contract_body(data: bytes, signature: str) -> bytes:
    """The stored bytes: the terms themselves, so that their canonical bytes come out again exactly."""
    return jcs({"v": 1, "contract": parse(data, "the contract"), "signature": signature})


@lru_cache(maxsize=MAX_READ_CONTRACTS)
def read_contract(body: bytes) -> StoredContract:
    """The contract in a stored body."""
    value = parse_jcs(body, "a stored contract")
    data = jcs(value["contract"])
    return StoredContract(data, parse_contract(data), str(value["signature"]))


def plan_draft(contract: Contract, doc: Doc, ports: Ports) -> Draft:
    """The next version of the plan's list, with this contract; raises `ContractsOverlap`."""
    terms = contract.terms
    stored = _plan(terms.payer, terms.plan, ports)
    listed = _listed(stored)
    for other in listed:
        if other.effective.start <= terms.effective.end and terms.effective.start <= other.effective.end:
            raise ContractsOverlap(
                f"contract {other.hash} of this plan already holds on some of these days; "
                "choose dates that it leaves free"
            )
    added = sorted([*listed, PlanEntry(contract.hash, str(doc), terms.effective)], key=_start)
    body = {"v": 1, "payer": terms.payer, "plan": terms.plan, "contracts": encode(added)}
    return Draft(_plan_doc(terms.payer, terms.plan, ports), jcs(body), stored)


def contract_on(payer: str, plan: str, day: str, ports: Ports) -> ContractInForce | None:
    """The contract of the plan that holds on `day` (YYYY-MM-DD), or None."""
    listed = _listed(_plan(payer, plan, ports))
    found = next((item for item in listed if item.effective.holds(day, day)), None)
    if found is None:
        return None
    stored = ports.store.reader.find(parse_reference(found.document))
    if stored is None:
        raise IntegrityFault("a contract that its plan lists is not there")
    contract = read_contract(stored.body).contract
    if contract.hash != found.hash:
        raise IntegrityFault("a stored contract is not the one that its plan lists")
    return ContractInForce(contract, stored)


def _plan_doc(payer: str, plan: str, ports: Ports) -> Doc:
    return Doc(PLAN, directory(part(ports.store.reader.keys.deployment().derive("plan", payer, plan))))


def _plan(payer: str, plan: str, ports: Ports) -> StoredRevision | None:
    return ports.store.reader.find(_plan_doc(payer, plan, ports))


def _listed(stored: StoredRevision | None) -> Sequence[PlanEntry]:
    if stored is None:
        return ()
    value: JsonObject = parse_jcs(stored.body, "a stored plan")
    return decode(tuple[PlanEntry, ...], value["contracts"], "plan.contracts")


def _start(item: PlanEntry) -> str:
    return item.effective.start
