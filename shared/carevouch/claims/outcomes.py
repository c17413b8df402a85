"""The reasons for which cents are not paid: group, CARC and RARC numbers, and our own sentence for each.

Numbers only: the descriptions that X12 publishes are copyrighted and are not repeated here. Groups: CO
the provider writes off, PR the patient owes. A number marked (*) is from general knowledge and to be
verified at x12.org/codes before production use; the others are in common published use.
"""

from dataclasses import dataclass


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
