"""The inputs of an adjudication: the contract in force, and the member's and the family's accumulators.

A contract is one document. Its id is derived from its hash, and its body is the canonical terms beside the
payer's signature. A plan's list of contracts is another document. Each registration appends a version of the
list, so two registrations of overlapping ranges at the same time cannot both succeed.

A member's accumulator is a document about the person. A family's accumulator belongs to several people. So it
lies under the deployment's key, it has only amounts, and its id does not tell whose it is. A claim reads both
before its decision. Its act appends their next versions, so no two claims count from the same state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from carevouch.claims.accumulate import fresh
from carevouch.claims.contract import Contract, Range, decode, encode, parse_contract
from carevouch.claims.decision import accumulators_body, parse_accumulators
from carevouch.claims.model import Accumulators, FamilyUse
from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.errors import Conflict, IntegrityFault
from carevouch.kernel.ids import Doc, about, directory, parse_reference, part
from carevouch.store.documents import Draft, Partition, StoredRevision
from services.claims.ports import Ports

CONTRACT, PLAN, ACCUMULATOR = "BenefitContract", "Plan", "Accumulator"
# To read a contract of 350 KB takes longer than all the rest of a claim. An environment meets few contracts.
MAX_READ_CONTRACTS = 32
# One of the rivals wins each round, so this many rivals at one person or plan all succeed.
MAX_CONFLICTS = 16


class ContractsOverlap(Conflict):
    """Another contract of the plan is in force on some of these days."""


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A contract in the list of its plan."""

    hash: str
    document: str
    effective: Range


@dataclass(frozen=True, slots=True)
class StoredContract:
    """A stored contract: its bytes, their meaning, and the payer's signature over their hash."""

    data: bytes
    contract: Contract
    signature: str


@dataclass(frozen=True, slots=True)
class ContractInForce:
    """The contract that is in force on a day, and its stored revision."""

    contract: Contract
    stored: StoredRevision


def contract_doc(hash_: str, ports: Ports) -> Doc:
    """The document of the contract with this hash."""
    return Doc(CONTRACT, directory(part(ports.store.reader.keys.deployment().derive("contract", hash_))))


@lru_cache(maxsize=MAX_READ_CONTRACTS)
def read_contract(body: bytes) -> StoredContract:
    """The contract in a stored body."""
    value = parse_jcs(body, "a stored contract")
    data = jcs(value["contract"])
    return StoredContract(data, parse_contract(data), str(value["signature"]))


def plan_draft(contract: Contract, doc: Doc, ports: Ports) -> Draft:
    """The next version of the plan's list, with this contract added; raises `ContractsOverlap`."""
    terms = contract.terms
    stored = _plan(terms.payer, terms.plan, ports)
    listed = _listed(stored)
    for other in listed:
        if other.effective.overlaps(terms.effective):
            raise ContractsOverlap(
                f"contract {other.hash} of this plan is already in force on some of these days; "
                "choose dates outside its range"
            )
    entry = PlanEntry(contract.hash, str(doc), terms.effective)
    added = sorted([*listed, entry], key=lambda one: one.effective.start)
    body = {"v": 1, "payer": terms.payer, "plan": terms.plan, "contracts": encode(added)}
    return Draft(_plan_doc(terms.payer, terms.plan, ports), jcs(body), stored)


def contract_on(payer: str, plan: str, day: str, ports: Ports) -> ContractInForce | None:
    """The contract of the plan that is in force on `day` (YYYY-MM-DD), or None."""
    listed = _listed(_plan(payer, plan, ports))
    found = next((item for item in listed if item.effective.holds(day, day)), None)
    if found is None:
        return None
    stored = ports.store.reader.find(parse_reference(found.document))
    if stored is None:
        raise IntegrityFault("a contract in its plan's list is missing from the store")
    contract = read_contract(stored.body).contract
    if contract.hash != found.hash:
        raise IntegrityFault("a stored contract does not have the hash in its plan's list")
    return ContractInForce(contract, stored)


@dataclass(frozen=True, slots=True)
class MemberAccumulators:
    """The accumulators before a claim, and their documents. `family` is None for a member insured alone."""

    used: Accumulators
    payer: str
    own: Doc
    own_stored: StoredRevision | None
    family: Doc | None
    family_stored: StoredRevision | None


def load_accumulators(
    partition: Partition, patient: str, contract: Contract, family: str | None, ports: Ports
) -> MemberAccumulators:
    """The member's and the family's use of the contract's plan in its plan year."""
    terms, derive = contract.terms, ports.store.reader.keys.deployment().derive
    year = (terms.payer, terms.plan, terms.accumulation.start, terms.accumulation.end)
    own = Doc(ACCUMULATOR, about(patient, part(derive("accumulator", patient, *year))))
    shared = family and Doc(ACCUMULATOR, directory(part(derive("family-accumulator", family, *year))))
    own_stored = partition.get(own)
    shared_stored = ports.store.reader.find(shared) if shared else None
    used = _own(own_stored, contract)
    if shared:
        used = replace(used, family=_family(shared_stored))
    return MemberAccumulators(used, terms.payer, own, own_stored, shared or None, shared_stored)


def accumulator_drafts(loaded: MemberAccumulators, after: Accumulators) -> list[Draft]:
    """The next versions of the accumulators that a claim changed."""
    changed = []
    if after.individual != loaded.used.individual:
        own = {"v": 1, "payer": loaded.payer, "used": accumulators_body(replace(after, family=None))}
        changed.append(Draft(loaded.own, jcs(own), loaded.own_stored))
    if loaded.family is not None and after.family != loaded.used.family:
        body = jcs({"v": 1, "used": encode(after.family)})
        changed.append(Draft(loaded.family, body, loaded.family_stored))
    return changed


def _plan_doc(payer: str, plan: str, ports: Ports) -> Doc:
    return Doc(PLAN, directory(part(ports.store.reader.keys.deployment().derive("plan", payer, plan))))


def _plan(payer: str, plan: str, ports: Ports) -> StoredRevision | None:
    return ports.store.reader.find(_plan_doc(payer, plan, ports))


def _listed(stored: StoredRevision | None) -> Sequence[PlanEntry]:
    if stored is None:
        return ()
    value: JsonObject = parse_jcs(stored.body, "a stored plan")
    return decode(tuple[PlanEntry, ...], value["contracts"], "plan.contracts")


def _own(stored: StoredRevision | None, contract: Contract) -> Accumulators:
    if stored is None:
        return fresh(contract)
    used = parse_accumulators(parse_jcs(stored.body, "a stored accumulator")["used"])
    if used.individual.version != stored.version:
        raise IntegrityFault("a stored accumulator's count of changes differs from its version")
    return used


def _family(stored: StoredRevision | None) -> FamilyUse:
    if stored is None:
        return FamilyUse()
    used = decode(FamilyUse, parse_jcs(stored.body, "a stored accumulator")["used"], "accumulator.used")
    if used.version != stored.version:
        raise IntegrityFault("a stored accumulator's count of changes differs from its version")
    return used
