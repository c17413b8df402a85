"""The elements of a provision (FHIR R4 Consent.provision), each as a question with three answers.

True: it matches. False: it does not. None: it cannot be told, because a fact is unknown or because the
consent names something we do not understand (`doubts` says where). Values within an element are or'ed.
What None means is not decided here: `known` says it, a permit needs certainty and a deny does not.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from carevouch.consent.codes import COVERS, RANK
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
        """Whether the element matches for a clause of this effect."""


def known(match: Match, effect: Effect) -> bool:
    """Whether a clause of `effect` acts on `match`: unknown stops a permit and triggers a deny."""
    return match if match is not None else effect == DENY


@dataclass(frozen=True, slots=True)
class Actors:
    """provision.actor: the caller is one of these recipients."""

    element: ClassVar[str] = "actor"
    references: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Unknown where the caller could not be resolved, or an actor is named in a role we do not know."""
        actors = question.request.actors
        if actors is None:
            return None
        return True if not self.references.isdisjoint(actors) else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Purposes:
    """provision.purpose: the request's purpose is one of these, or a kind of one."""

    element: ClassVar[str] = "purpose"
    codes: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Is-a in the v3-ActReason tree, upwards from the request only."""
        return True if not self.codes.isdisjoint(question.purposes) else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Actions:
    """provision.action."""

    element: ClassVar[str] = "action"
    codes: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """The requested action is named."""
        return True if question.request.action in self.codes else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Labels:
    """provision.securityLabel: confidentiality by rank, sensitivity by what it covers.

    `ranks`: lowest and highest rank named, or None; `covered`: all sensitivity codes the named ones cover.
    """

    element: ClassVar[str] = "securityLabel"
    codes: frozenset[str]
    ranks: tuple[int, int] | None
    covered: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """A permit reaches at or below its highest label, a deny at or above its lowest."""
        resource = question.resource
        confidentiality = resource.confidentiality
        unknown = bool(self.doubts)
        if self.covered:
            if not self.covered.isdisjoint(resource.sensitivities):
                return True
            # Without any label nobody has looked; a label of either kind says that somebody did.
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
    """provision.class: the resource's type."""

    element: ClassVar[str] = "class"
    types: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """The type is named."""
        return True if question.resource.type in self.types else _otherwise(self.doubts)


@dataclass(frozen=True, slots=True)
class Codes:
    """provision.code: a code (`system|code`) that is found in the instance."""

    element: ClassVar[str] = "code"
    codes: frozenset[str]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Unknown where the instance says in words only what it is about."""
        if not self.codes.isdisjoint(question.resource.codes):
            return True
        return None if self.doubts or "codes" in question.resource.unresolved else False


@dataclass(frozen=True, slots=True)
class DataPeriod:
    """provision.dataPeriod: when the data are from."""

    element: ClassVar[str] = "dataPeriod"
    interval: Interval

    def match(self, question: Question, effect: Effect) -> Match:
        """A permit needs the data wholly inside, a deny any overlap; undated data are unknown."""
        date = question.resource.date
        if date is None:
            return None
        return self.interval.contains(date) if effect == PERMIT else self.interval.overlaps(date)


@dataclass(frozen=True, slots=True)
class Data:
    """provision.data: (meaning, reference) pairs."""

    element: ClassVar[str] = "data"
    pairs: tuple[tuple[str, str], ...]
    doubts: Doubts = ()

    def match(self, question: Question, effect: Effect) -> Match:
        """Any pair; a fact that is there but says nothing definite leaves it open."""
        answer: Match = _otherwise(self.doubts)
        for meaning, reference in self.pairs:
            one = _MEANINGS[meaning](question, reference)
            if one:
                return True
            if one is None:
                answer = None
        return answer


def _otherwise(doubts: Doubts) -> Match:
    return None if doubts else False


def _instance(question: Question, reference: str) -> Match:
    return question.resource.reference == reference


def _dependents(question: Question, reference: str) -> Match:
    # The instance, and what refers to it.
    resource = question.resource
    if resource.reference == reference or reference in resource.related:
        return True
    return None if "related" in resource.unresolved else False


def _related(question: Question, reference: str) -> Match:
    # R4 words it as "and instances it refers to"; IHE PCF and everybody who writes `related Encounter/x`
    # mean the data that belong to the encounter, which refer to it. Both count.
    return True if reference in question.resource.dependents else _dependents(question, reference)


def _authored_by(question: Question, reference: str) -> Match:
    if reference in question.resource.authors:
        return True
    return None if "authors" in question.resource.unresolved else False


_MEANINGS = {
    "instance": _instance,
    "related": _related,
    "dependents": _dependents,
    "authoredby": _authored_by,
}
MEANINGS = frozenset(_MEANINGS)


def labels_of(codes: frozenset[str], doubts: Doubts = ()) -> Labels:
    """The securityLabel criterion of these label tokens."""
    ranks = [RANK[code] for code in codes if code in RANK]
    covered = (COVERS.get(code, frozenset((code,))) for code in codes if code not in RANK)
    return Labels(
        codes, (min(ranks), max(ranks)) if ranks else None, frozenset[str]().union(*covered), doubts
    )
