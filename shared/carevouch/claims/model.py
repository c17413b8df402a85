"""The values that adjudication reads and returns.

Amounts are integer cents of one currency, units are thousandths (1500 is one and a half), dates are
YYYY-MM-DD, codes are text. Nothing here knows FHIR, X12 or a table; nothing is ever changed in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from carevouch.claims.contract import Range

Scalar = str | int | bool
Reads = Mapping[str, Scalar]
UNIT = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One billed service. `sequence` is the claim's own number for it; modifiers keep their order."""

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
        """`system|code`, as contracts write it."""
        return f"{self.system}|{self.code}"


@dataclass(frozen=True, slots=True)
class ClaimInput:
    """A claim as adjudication reads it.

    `frequency`: 1 original, 7 replacement, 8 void. `payer_order`: our place among the payers the claim names.
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
    """A prior authorisation that the payer gave: for which codes, dates, and how many units in all."""

    number: str
    codes: tuple[str, ...]
    dates: Range
    units_thousandths: int


@dataclass(frozen=True, slots=True)
class CoverageInput:
    """The member's coverage as read. An open start or end is None; `order` 1 is the first payer."""

    status: str
    beneficiary: str
    payer: str
    plan: str | None = None
    start: str | None = None
    end: str | None = None
    order: int = 1
    authorizations: tuple[Authorization, ...] = ()


@dataclass(frozen=True, slots=True)
class Counter:
    """Use of a category in a period (`plan-year`, `2026-03` or `2026-03-15`): visit dates, allowed cents."""

    category: str
    period: str
    dates: tuple[str, ...] = ()
    amount_cents: int = 0


@dataclass(frozen=True, slots=True)
class AuthorizationUse:
    """Units of an authorisation already used."""

    number: str
    units_thousandths: int


@dataclass(frozen=True, slots=True)
class IndividualUse:
    """What one member has used in a plan year; `version` counts changes, 0 is before the first."""

    version: int = 0
    deductible_cents: int = 0
    oop_cents: int = 0
    counters: tuple[Counter, ...] = ()
    authorizations: tuple[AuthorizationUse, ...] = ()


@dataclass(frozen=True, slots=True)
class FamilyUse:
    """What a family has used together: amounts only, since several people may read them."""

    version: int = 0
    deductible_cents: int = 0
    oop_cents: int = 0


@dataclass(frozen=True, slots=True)
class Accumulators:
    """Use of one plan in one plan year. No `family` means the coverage is for one person."""

    plan: str
    period: Range
    individual: IndividualUse
    family: FamilyUse | None = None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Why cents were not paid: group and CARC (and RARC) by number, the rule, and what the rule read."""

    group: str
    carc: str
    cents: int
    rule: str
    reads: Reads
    rarc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleStep:
    """One rule run for one line: what it read and what came out."""

    line: int
    rule: str
    reads: Reads
    result: Reads


@dataclass(frozen=True, slots=True)
class LineResult:
    """The answer for one line. billed = paid + the sum of the adjustments."""

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
    """Sums over the lines; the three groups and what is paid add up to what was billed."""

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
    """The decision: every line with its reasons, the accumulators before and after, and how it came about.

    `keys` are the duplicate keys of the lines that were not denied: what a later claim is compared with.
    `matched` are those of the given history that this claim met.
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
        """Whether every line was denied: nothing was shared, nothing was counted."""
        return all(line.denied for line in self.lines)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which a line is reduced or denied."""

    group: str
    carc: str
    words: str
    rarc: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """Group and CARC as people write them, CO-45."""
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

ALL = (
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
WORDS = {(outcome.group, outcome.carc): outcome.words for outcome in ALL}
