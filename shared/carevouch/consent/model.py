"""A Consent as the rules see it: status, standing, and a tree of clauses (FHIR R4 Consent.provision).

Built by `read.py` from FHIR and by `shorthand.py` from case files, never by hand in a door. What could not be
understood is kept as a `fault` of the clause it stands in: a clause with a fault is never applied in part.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from carevouch.consent.criteria import (
    PERMIT,
    Actions,
    Actors,
    Classes,
    Codes,
    Criterion,
    Data,
    DataPeriod,
    Effect,
    Labels,
    Purposes,
)
from carevouch.consent.question import Interval

"""Known actors: reference -> members (empty for whatever is not a Group); used by lint only."""


ACTIVE = "active"
STATUSES = frozenset(("draft", "proposed", ACTIVE, "rejected", "inactive", "entered-in-error"))
# Consent.scope of an agreement to be treated, or an advance directive: about care, not about data. A
# refusal of resuscitation must not hide the record.
NOT_ABOUT_DATA = frozenset(("treatment", "adr"))


@dataclass(frozen=True, slots=True)
class Provision:
    """One clause. An absent element (None) is no constraint.

    `path`: where it stands, like `provision.provision[1]`. `type`: permit or deny; for the root it may
    come from policyRule, and None means that nobody said. `fault`: the element that was not understood,
    or None. `gate` (who, why, which action) and `scope` (which data) are the elements that are present,
    cheapest first.
    """

    path: str
    type: Effect | None
    period: Interval | None = None
    actor: Actors | None = None
    purpose: Purposes | None = None
    action: Actions | None = None
    label: Labels | None = None
    class_: Classes | None = None
    code: Codes | None = None
    data_period: DataPeriod | None = None
    data: Data | None = None
    provision: tuple["Provision", ...] = ()
    fault: str | None = None
    gate: tuple[Criterion, ...] = field(init=False, repr=False, compare=False)
    scope: tuple[Criterion, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gate", _present(self.purpose, self.action, self.actor))
        object.__setattr__(
            self, "scope", _present(self.class_, self.label, self.data_period, self.data, self.code)
        )

    def walk(self) -> Iterator["Provision"]:
        """This clause and every clause below it, parents first."""
        yield self
        for child in self.provision:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Consent:
    """One revision of one Consent.

    `reference` is `Consent/id`; `patient` a comparable reference, None where unreadable; `status` None
    where unreadable. `signed`: a device that was bound to the patient at the time signed exactly this
    content; without it the consent never permits. `fault`: what of the Consent itself was not understood.
    """

    reference: str
    version: int | None
    patient: str | None
    status: str | None
    root: Provision
    signed: bool
    scope: str | None = None
    policy_rule: Effect | None = None
    fault: str | None = None


def may_permit(consent: Consent) -> bool:
    """Whether this content could ever let anybody read anything, and so needs the patient's signature.

    True for what could not be read, too: nobody can say that it permits nothing.
    """
    if consent.fault is not None:
        return True
    if consent.status != ACTIVE or consent.scope in NOT_ABOUT_DATA:
        return False
    return any(clause.type == PERMIT or clause.fault is not None for clause in consent.root.walk())


def _present(*criteria: Criterion | None) -> tuple[Criterion, ...]:
    return tuple(criterion for criterion in criteria if criterion is not None)


"""What one consent says: yes; no; "nothing but other data" (a permit that does not reach this); nothing."""
