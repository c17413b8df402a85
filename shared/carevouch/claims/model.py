"""The values that adjudication reads and returns, and the outcomes that reduce a line.

Amounts are integer cents of one currency. Units are thousandths: 1500 is one and a half. Dates are YYYY-MM-DD
and codes are text. This file must never know FHIR or a table, and no value is changed in place. The field
names of these classes are the members of stored decisions, so renaming one changes hashed bytes.

An outcome is a group, a CARC and a RARC by number, with a sentence of our own. X12 holds the copyright of its
descriptions, so they are not repeated here. CO: the provider writes it off. PR: the patient owes it. A number
marked (*) is from general knowledge: verify it at x12.org/codes before production use.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from carevouch.claims.contract import Range

Scalar = str | int | bool
Reads = Mapping[str, Scalar]
# Thousandths in one unit.
UNIT = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One billed service. `sequence` is its number in the claim; modifiers keep their order."""

    sequence: int
    system: str
    code: str
    billed_cents: int
    start: str
    end: str
    units_thousandths: int = UNIT
    modifiers: tuple[str, ...] = ()
    place: str | None = None

    @property
    def token(self) -> str:
        """The code as contracts write it: `system|code`."""
        return f"{self.system}|{self.code}"


@dataclass(frozen=True, slots=True)
class ClaimInput:
    """A claim as adjudication reads it.

    `frequency` is 1 for an original, 7 for a replacement, 8 for a void. `payer_order` is our place among the
    payers of the claim; 1 is the first.
    """

    patient: str
    provider: str
    lines: tuple[Line, ...]
    currency: str | None = None
    frequency: str = "1"
    payer_order: int = 1
    authorizations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authorization:
    """A prior authorisation by the payer: its codes, its dates, and its units in all."""

    number: str
    codes: tuple[str, ...]
    dates: Range
    units_thousandths: int


@dataclass(frozen=True, slots=True)
class CoverageInput:
    """The member's coverage. An open start or end is None; `order` 1 is the first payer."""

    status: str
    beneficiary: str
    payer: str
    plan: str | None = None
    start: str | None = None
    end: str | None = None
    order: int = 1
    authorizations: tuple[Authorization, ...] = ()

    def covers(self, start: str, end: str) -> bool:
        """Whether the coverage lasts from `start` to `end`, both included."""
        return (self.start or "") <= start and (not self.end or end <= self.end)


@dataclass(frozen=True, slots=True)
class Counter:
    """Use of a category in a period: dates of visits, and allowed cents.

    A period is written `plan-year`, `2026-03` or `2026-03-15`.
    """

    category: str
    period: str
    dates: tuple[str, ...] = ()
    amount_cents: int = 0


@dataclass(frozen=True, slots=True)
class AuthorizationUse:
    """The units of an authorisation that are already used."""

    number: str
    units_thousandths: int


@dataclass(frozen=True, slots=True)
class IndividualUse:
    """One member's use in a plan year. `version` counts the changes; 0 is before the first."""

    version: int = 0
    deductible_cents: int = 0
    oop_cents: int = 0
    counters: tuple[Counter, ...] = ()
    authorizations: tuple[AuthorizationUse, ...] = ()


@dataclass(frozen=True, slots=True)
class FamilyUse:
    """A family's use together. It holds amounts only, since several people may read them."""

    version: int = 0
    deductible_cents: int = 0
    oop_cents: int = 0


@dataclass(frozen=True, slots=True)
class Accumulators:
    """Use of one plan in one plan year. Without `family` the coverage is for one person."""

    plan: str
    period: Range
    individual: IndividualUse
    family: FamilyUse | None = None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Cents that are not paid, with the reason by number, the rule, and what the rule read."""

    group: str
    carc: str
    cents: int
    rule: str
    reads: Reads
    rarc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleStep:
    """One rule's run for one line: what it read, and its result."""

    line: int
    rule: str
    reads: Reads
    result: Reads


@dataclass(frozen=True, slots=True)
class LineResult:
    """The answer for one line. Billed is paid plus the sum of the adjustments."""

    sequence: int
    billed_cents: int
    allowed_cents: int
    copay_cents: int
    deductible_cents: int
    coinsurance_cents: int
    paid_cents: int
    denied: bool
    adjustments: tuple[Adjustment, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the lines. Billed is paid plus contractual, patient and other."""

    billed_cents: int
    allowed_cents: int
    copay_cents: int
    deductible_cents: int
    coinsurance_cents: int
    paid_cents: int
    contractual_cents: int
    patient_cents: int
    other_cents: int


@dataclass(frozen=True, slots=True)
class Adjudication:
    """The decision: every line with its reasons, the accumulators before and after, and the trace.

    `keys` are the duplicate keys of the lines that were not denied; later claims are compared with them.
    `matched` are the keys of the history that this claim repeats.
    """

    contract: str
    at: str
    currency: str
    network: str
    lines: tuple[LineResult, ...]
    totals: Totals
    before: Accumulators
    after: Accumulators
    keys: tuple[str, ...]
    matched: tuple[str, ...]
    trace: tuple[RuleStep, ...]

    @property
    def denied(self) -> bool:
        """Whether every line was denied, so that no accumulator changed."""
        return all(line.denied for line in self.lines)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One reason for which a line is reduced or denied."""

    group: str
    carc: str
    words: str
    rarc: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """Group and CARC as people write them, for instance CO-45."""
        return f"{self.group}-{self.carc}"


DEDUCTIBLE = Outcome("PR", "1", "Counted towards the deductible; the member owes it.")
COINSURANCE = Outcome("PR", "2", "The member's percentage of the allowed amount.")
COPAY = Outcome("PR", "3", "The member's fixed amount for this kind of service.")
OVER_FEE = Outcome("CO", "45", "Above the contracted fee; the provider writes it off.")
OVER_FEE_OUTSIDE = Outcome("PR", "45", "Above the plan's fee, by a provider outside the network.")
DUPLICATE = Outcome("CO", "18", "The same service was already submitted; nothing more is due for it.")
NOT_INSURED = Outcome("PR", "31", "The patient is not the member of an active coverage.")
OTHER_PAYER = Outcome("CO", "22", "Another payer comes first; send the claim there.")
BEFORE_COVERAGE = Outcome("PR", "26", "The service was given before the coverage began.")  # (*)
AFTER_COVERAGE = Outcome("PR", "27", "The service was given after the coverage ended.")  # (*)
TOO_LATE = Outcome("CO", "29", "The claim came after the plan's filing limit.")
OUT_OF_NETWORK = Outcome("PR", "242", "The plan has no benefit outside its network.")  # (*)
NO_AUTHORIZATION = Outcome("CO", "197", "The service needs an authorisation; none is named.")  # (*)
BAD_AUTHORIZATION = Outcome("CO", "15", "The authorisation named does not cover this service and date.")
AUTHORIZATION_USED = Outcome("CO", "198", "The authorised units are used up.")  # (*)
EXCLUDED = Outcome("PR", "96", "The plan excludes this service.")
NOT_IN_PLAN = Outcome("PR", "204", "The plan does not list this service.")  # (*)
BENEFIT_USED = Outcome("PR", "119", "The plan's limit for this kind of service is reached.")  # (*)

OUTCOMES = (
    DEDUCTIBLE,
    COINSURANCE,
    COPAY,
    OVER_FEE,
    OVER_FEE_OUTSIDE,
    DUPLICATE,
    NOT_INSURED,
    OTHER_PAYER,
    BEFORE_COVERAGE,
    AFTER_COVERAGE,
    TOO_LATE,
    OUT_OF_NETWORK,
    NO_AUTHORIZATION,
    BAD_AUTHORIZATION,
    AUTHORIZATION_USED,
    EXCLUDED,
    NOT_IN_PLAN,
    BENEFIT_USED,
)
OUTCOME_TEXTS = {(outcome.group, outcome.carc): outcome.words for outcome in OUTCOMES}
