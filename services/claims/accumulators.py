"""Accumulators on file: what a member, and a family, have used of a plan in a plan year.

A member's is a document about the person. A family's belongs to several people, so it lies under the
deployment's key, holds amounts only, and nobody can tell from its id whose it is. Both are read before a
claim is decided and followed by their next versions in the claim's own act, so that no two claims count from
the same state.
"""

from dataclasses import dataclass, replace

from carevouch.claims.accumulate import fresh
from carevouch.claims.contract import Contract, decode, encode
from carevouch.claims.decision import accumulators_body, parse_accumulators
from carevouch.claims.model import Accumulators, FamilyUse
from carevouch.kernel.canonical import jcs, parse_jcs
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Doc, about, directory, part
from carevouch.store.documents import Draft, Partition, StoredRevision
from services.claims.ports import Ports

ACCUMULATOR = "Accumulator"


@dataclass(frozen=True, slots=True)
class MemberAccumulators:
    """The state before a claim, and where its parts are; `family` is None for a member insured alone."""

    used: Accumulators
    payer: str
    own: Doc
    own_stored: StoredRevision | None
    family: Doc | None
    family_stored: StoredRevision | None


def load(
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


def drafts(loaded: MemberAccumulators, after: Accumulators) -> list[Draft]:
    """The next versions of those parts that a claim changed."""
    changed = []
    if after.individual != loaded.used.individual:
        own = {"v": 1, "payer": loaded.payer, "used": accumulators_body(replace(after, family=None))}
        changed.append(Draft(loaded.own, jcs(own), loaded.own_stored))
    if loaded.family is not None and after.family != loaded.used.family:
        body = jcs({"v": 1, "used": encode(after.family)})
        changed.append(Draft(loaded.family, body, loaded.family_stored))
    return changed


def _own(stored: StoredRevision | None, contract: Contract) -> Accumulators:
    if stored is None:
        return fresh(contract)
    used = parse_accumulators(parse_jcs(stored.body, "a stored accumulator")["used"])
    if used.individual.version != stored.version:
        raise IntegrityFault("a stored accumulator counts other changes than it has versions")
    return used


def _family(stored: StoredRevision | None) -> FamilyUse:
    if stored is None:
        return FamilyUse()
    used = decode(FamilyUse, parse_jcs(stored.body, "a stored accumulator")["used"], "accumulator.used")
    if used.version != stored.version:
        raise IntegrityFault("a stored accumulator counts other changes than it has versions")
    return used
