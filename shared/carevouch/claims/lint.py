"""Advice on a contract's terms that its author probably did not mean. The contract still adjudicates.

Findings are about fields that contradict or cannot reach each other. This file must never judge a price or a
promise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from carevouch.claims.contract import Contract


@dataclass(frozen=True, slots=True)
class ContractFinding:
    """One remark: a stable code, the field, and a sentence."""

    code: str
    where: str
    message: str


def lint(contract: Contract) -> Iterator[ContractFinding]:
    """The doubtful terms of a valid contract, in a stable order."""
    terms, excluded = contract.terms, set(contract.terms.excluded)
    priced = set(terms.fees.in_network) | set(terms.fees.out_of_network or ())
    if count := len((set(terms.codes) | set(terms.auth_required)) - priced - excluded):
        text = f"{count} codes are named but have no fee, so never pay"
        yield ContractFinding("no-fee", "contract.fees", text)
    if count := len(priced & excluded):
        text = f"{count} excluded codes also have a fee"
        yield ContractFinding("priced-exclusion", "contract.excluded", text)
    if count := len(priced - set(terms.codes)):
        text = f"{count} priced codes have no category and get the plan's coinsurance, without copay"
        yield ContractFinding("no-category", "contract.codes", text)
    if count := len(set(terms.categories) - set(terms.codes.values())):
        yield ContractFinding("idle-category", "contract.categories", f"{count} categories have no code")
    if not terms.network:
        yield ContractFinding("empty-network", "contract.network", "no provider is in the network")
    deductible, oop = terms.deductible, terms.out_of_pocket
    if deductible and not oop:
        text = "a member's share of the costs has no limit"
        yield ContractFinding("no-oop", "contract.out_of_pocket", text)
    if deductible and oop and oop.individual_cents < deductible.individual_cents:
        text = "the out-of-pocket limit is met before the deductible is"
        yield ContractFinding("oop-below-deductible", "contract.out_of_pocket", text)
    if terms.timely_filing_days == 0:
        text = "only same-day claims are in time"
        yield ContractFinding("same-day-filing", "contract.timely_filing_days", text)
