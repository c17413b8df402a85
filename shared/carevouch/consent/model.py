"""A Consent as the rules see it: its status, and a tree of clauses with their criteria (Consent.provision).

`read.py` builds it from FHIR R4 and `shorthand.py` from case files. An element that was not understood is
the `fault` of its clause. A clause with a fault is never applied in part.

A match is True, False or None. It is None (unknown) where a fact is missing, or where a criterion has doubts.
A doubt is a value in the consent that we do not understand. Several values of one element are alternatives.
`decide.py` settles the effect of an unknown match.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from carevouch.consent.codes import COVERS, RANK, covers
from carevouch.consent.question import Interval, Question

Effect = Literal["permit", "deny"]
Match = bool | None
PERMIT: Effect = "permit"
DENY: Effect = "deny"
Doubts = tuple[str, ...]


class Criterion(Protocol):
    """One element of a provision."""

    element: ClassVar[str]

    def match(self, question: Question, effect: Effect) -> Match:
        """Whether the element matches the question, for a clause of this effect."""


@dataclass(frozen=True, slots=True)
class Actors:
    """provision.actor: the recipients of the data."""

    element: ClassVar[str] = "actor"
    references: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Whether the caller is one of the recipients; unknown if the caller could not be resolved."""
        actors = question.request.actors
        if actors is None:
            return None
        return True if not self.references.isdisjoint(actors) else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Purposes:
    """provision.purpose: the purposes of use."""

    element: ClassVar[str] = "purpose"
    codes: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Whether the requested purpose is one of these, or a narrower one (v3-ActReason)."""
        return True if not self.codes.isdisjoint(question.purposes) else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Actions:
    """provision.action: the actions on the data."""

    element: ClassVar[str] = "action"
    codes: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Whether the requested action is one of these."""
        return True if question.request.action in self.codes else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Labels:
    """provision.securityLabel: confidentiality by its rank, sensitivity by the codes that it covers.

    `ranks` are the lowest and the highest rank in the clause, or None. `covered` are all sensitivity codes
    that the codes of the clause cover.
    """

    element: ClassVar[str] = "securityLabel"
    codes: frozenset[str]
    ranks: tuple[int, int] | None
    covered: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """A permit matches data at or below its highest label, a deny data at or above its lowest."""
        resource = question.resource
        confidentiality = resource.confidentiality
        unknown = bool(self.doubts)
        if self.covered:
            if not self.covered.isdisjoint(resource.sensitivities):
                return True
            # Data without any label were never classified. A label of either kind shows that they were.
            unknown |= confidentiality is None and COVERS.keys().isdisjoint(resource.sensitivities)
        if self.ranks is not None:
            rank = RANK.get(confidentiality) if confidentiality is not None else None
            if rank is None:
                return None
            if rank <= self.ranks[1] if effect == PERMIT else rank >= self.ranks[0]:
                return True
        return None if unknown else False


@dataclass(frozen=True, slots=True)
class Classes:
    """provision.class: the resource types."""

    element: ClassVar[str] = "class"
    types: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Whether the resource has one of these types."""
        return True if question.resource.type in self.types else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Codes:
    """provision.code: the codes, as `system|code`, of which the resource has one."""

    element: ClassVar[str] = "code"
    codes: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Whether the resource has one of the codes; unknown if it is described in words only."""
        if not self.codes.isdisjoint(question.resource.codes):
            return True
        return None if self.doubts or "codes" in question.resource.unresolved else False


@dataclass(frozen=True, slots=True)
class DataPeriod:
    """provision.dataPeriod: the clinical time of the data."""

    element: ClassVar[str] = "dataPeriod"
    interval: Interval

    def match(self, question: Question, effect: Effect) -> Match:
        """A permit needs the data wholly inside, a deny any overlap. Undated data are an unknown match."""
        date = question.resource.date
        if date is None:
            return None
        return self.interval.contains(date) if effect == PERMIT else self.interval.overlaps(date)


MEANINGS = frozenset(("instance", "related", "dependents", "authoredby"))


@dataclass(frozen=True, slots=True)
class Data:
    """provision.data: pairs of a meaning (out of `MEANINGS`) and a reference."""

    element: ClassVar[str] = "data"
    pairs: tuple[tuple[str, str], ...]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Whether any pair matches; unknown if none does and some reference of the resource is indefinite."""
        resource = question.resource
        is_unknown = bool(self.doubts)
        for meaning, reference in self.pairs:
            if meaning == "authoredby":
                is_named = reference in resource.authors
                is_unknown |= "authors" in resource.unresolved
            else:
                is_named = reference == resource.reference
            if meaning in ("dependents", "related"):
                is_named |= reference in resource.related
                is_unknown |= "related" in resource.unresolved
            if meaning == "related":
                # R4 says "and instances it refers to". IHE PCF and most authors of `related Encounter/x` mean
                # the data of the encounter, which refer to it. Both count.
                is_named |= reference in resource.dependents
            if is_named:
                return True
        return None if is_unknown else False


def _otherwise(doubts: Doubts) -> Match:
    """The match where no understood value of an element matches."""
    return None if doubts else False


def labels_of(codes: frozenset[str], doubts: Doubts = ()) -> Labels:
    """The securityLabel criterion for these label tokens."""
    ranks = [RANK[code] for code in codes if code in RANK]
    covered = (covers(code) for code in codes if code not in RANK)
    return Labels(
        codes, (min(ranks), max(ranks)) if ranks else None, frozenset[str]().union(*covered), doubts
    )


ACTIVE = "active"
STATUSES = frozenset(("draft", "proposed", ACTIVE, "rejected", "inactive", "entered-in-error"))
# A Consent of these scopes (a treatment, an advance directive) is about care, not about data: a refusal of
# resuscitation must not hide the record.
NOT_ABOUT_DATA = frozenset(("treatment", "adr"))


@dataclass(frozen=True, slots=True)
class Provision:
    """One clause. An element that is None is absent and puts no constraint.

    `path` is the clause's place, like `provision.provision[1]`. `type` of the root may come from policyRule;
    it is None if the consent states neither. `fault` is the element that was not understood, or None. `gate`
    (who, why, which action) and `scope` (which data) hold the elements that are present, cheapest first.
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
        """This clause and every clause inside it, parents first."""
        yield self
        for child in self.provision:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Consent:
    """One revision of one Consent.

    `reference` is `Consent/id`, and `patient` a comparable reference. `patient` and `status` are None where
    they are unreadable. `signed`: a device that was bound to the patient at the time signed exactly this
    content. Without it the consent never permits. `fault` is the element of the Consent that was not
    understood.
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

    The answer is True also for a consent that could not be understood, because it may permit something.
    """
    if consent.fault is not None:
        return True
    if consent.status != ACTIVE or consent.scope in NOT_ABOUT_DATA:
        return False
    return any(clause.type == PERMIT or clause.fault is not None for clause in consent.root.walk())


def _present(*criteria: Criterion | None) -> tuple[Criterion, ...]:
    return tuple(criterion for criterion in criteria if criterion is not None)
