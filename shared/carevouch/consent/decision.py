"""A consent decision: permit or deny, by which consent, version and clause, and how each clause fared.

The trace is collected as small tuples while deciding and turned into JSON only when somebody asks. It names
elements, ids of ours and instants; it never holds a name, a clinical code or a value of the resource.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from carevouch.consent.criteria import Effect, Match
from carevouch.consent.model import AccessRequest, Consent, Provision
from carevouch.consent.periods import Interval
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.times import instant

Standing = Literal["permit", "deny", "outside", "silent"]
"""What one consent says: yes; no; "nothing but other data" (a permit that does not reach this); nothing."""

Rule = Literal[
    "consent-permits",
    "consent-denies",
    "outside-consent",
    "tenant-default",
    "no-patient",
    "break-glass-not-entitled",
    "purpose-tag-conflict",
    "subject-unresolved",
]

_MATCH = {True: "true", False: "false", None: "unknown"}


class ClauseStep(NamedTuple):
    """How one clause fared: its own effect (None: none), the element that settled it, and how that matched.

    The element `provision` means that the clauses inside it decided.
    """

    clause: Provision
    effect: Effect | None
    element: str | None
    match: Match


class ConsentStatement(NamedTuple):
    """What one consent says; `clause` is the one that decided, `because` what settled it there."""

    consent: Consent
    standing: Standing
    clause: str | None
    because: str | None
    match: Match
    steps: tuple[ClauseStep, ...]


class Reason(NamedTuple):
    """Why: a rule and, where a consent decided, which one, which version, which clause and which element."""

    rule: Rule
    patient: str | None = None
    consent: str | None = None
    version: int | None = None
    clause: str | None = None
    element: str | None = None

    def json(self) -> JsonObject:
        """The parts that are known."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Decided(ABC):
    request: AccessRequest
    resource: str
    default: Effect
    statements: tuple[ConsentStatement, ...]

    permitted: ClassVar[bool]

    @property
    @abstractmethod
    def reasons(self) -> tuple[Reason, ...]:
        """Why."""

    def explain(self) -> JsonObject:
        """The decision as JSON: answer, reasons, what was asked, what each consent said, clause by clause."""
        return {
            "decision": "permit" if self.permitted else "deny",
            "reasons": [reason.json() for reason in self.reasons],
            "resource": self.resource,
            "request": _request(self.request),
            "default": self.default,
            "consents": [_statement(statement) for statement in self.statements],
        }


@dataclass(frozen=True, slots=True)
class Permit(_Decided):
    """Yes; `by` has one reason per patient concerned."""

    by: tuple[Reason, ...]
    permitted: ClassVar[bool] = True

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why."""
        return self.by


@dataclass(frozen=True, slots=True)
class Deny(_Decided):
    """No; `because` names everything that alone would have been enough."""

    because: tuple[Reason, ...]
    permitted: ClassVar[bool] = False

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why."""
        return self.because


Decision = Permit | Deny


def _request(request: AccessRequest) -> JsonObject:
    return {
        "purpose": request.purpose,
        "action": request.action,
        "now": instant(request.now),
        "actors": sorted(request.actors) if request.actors is not None else None,
        "btg_ok": request.btg_ok,
    }


def _statement(statement: ConsentStatement) -> JsonObject:
    consent = statement.consent
    return {
        "consent": consent.reference,
        "version": consent.version,
        "patient": consent.patient,
        "says": statement.standing,
        "signed": consent.signed,
        "clause": statement.clause,
        "because": statement.because,
        "clauses": [_step(step) for step in statement.steps],
    }


def _step(step: ClauseStep) -> JsonObject:
    told: dict[str, Any] = {"clause": step.clause.path, "type": step.clause.type, "effect": step.effect}
    if step.element is not None:
        told |= {"element": step.element, "match": _MATCH[step.match]}
    interval = _interval(step)
    if interval is not None:
        told |= {"from": _bound(interval.low), "before": _bound(interval.high)}
    return told


def _interval(step: ClauseStep) -> Interval | None:
    if step.element == "period":
        return step.clause.period
    if step.element == "dataPeriod" and step.clause.data_period is not None:
        return step.clause.data_period.interval
    return None


def _bound(bound: Any) -> str | None:
    return None if bound is None else instant(bound)
