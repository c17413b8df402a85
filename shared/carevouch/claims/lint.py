"""What a contract's author probably did not mean. Findings are advice; the contract still adjudicates.

It never judges a price or a promise, only fields that contradict or cannot reach each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from carevouch.claims.contract import Contract, Terms


@dataclass(frozen=True, slots=True)
class ContractFinding:
    """One remark: a stable code, the field, and a sentence."""

    code: str
    where: str
    message: str


def lint(contract: Contract) -> tuple[ContractFinding, ...]:
    """Everything doubtful about a valid contract, in a stable order."""
    return tuple(_codes(contract.terms)) + tuple(_limits(contract.terms))


def _codes(terms: Terms) -> Iterator[ContractFinding]:
    priced = set(terms.fees.in_network) | set(terms.fees.out_of_network or ())
    unpriced = len((set(terms.codes) | set(terms.auth_required)) - priced - set(terms.excluded))
    if unpriced:
        yield ContractFinding(
            "no-fee", "contract.fees", f"{unpriced} codes are named but have no fee, so never pay"
        )
    if both := len(priced & set(terms.excluded)):
        yield ContractFinding(
            "priced-exclusion", "contract.excluded", f"{both} excluded codes also have a fee"
        )
    if loose := len(priced - set(terms.codes)):
        text = f"{loose} priced codes have no category and get the plan's coinsurance, without copay"
        yield ContractFinding("no-category", "contract.codes", text)
    if idle := len(set(terms.categories) - set(terms.codes.values())):
        yield ContractFinding("idle-category", "contract.categories", f"{idle} categories have no code")
    if not terms.network:
        yield ContractFinding("empty-network", "contract.network", "no provider is in the network")


def _limits(terms: Terms) -> Iterator[ContractFinding]:
    if terms.deductible and terms.out_of_pocket is None:
        yield ContractFinding(
            "no-oop", "contract.out_of_pocket", "a member's share of the costs has no limit"
        )
    own = (terms.out_of_pocket, terms.deductible)
    if own[0] and own[1] and own[0].individual_cents < own[1].individual_cents:
        text = "the out-of-pocket limit is met before the deductible is"
        yield ContractFinding("oop-below-deductible", "contract.out_of_pocket", text)
    if terms.timely_filing_days == 0:
        yield ContractFinding(
            "same-day-filing", "contract.timely_filing_days", "only same-day claims are in time"
        )
