"""May this request see this resource? The rules of FHIR R4 Consent and IHE PCF, decided and explained.

Three-valued throughout: what is unknown stops a permit and triggers a deny. A deny beats a permit, a
permit of one consent beats "outside" of another, "outside" beats the tenant's default. A consent that no
device of the patient signed never permits. No clock, no look-ups: the same values always give the same
decision.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from carevouch.consent.codes import BREAK_GLASS, TEST_DATA
from carevouch.consent.criteria import DENY, PERMIT, Criterion, Effect, Match, known
from carevouch.consent.model import ACTIVE, NOT_ABOUT_DATA, STATUSES, Consent, Provision
from carevouch.consent.question import AccessRequest, Interval, Question, ResourceFacts
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.times import instant

Standing = Literal["permit", "deny", "outside", "silent"]


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


_RULES: dict[Standing, Rule] = {
    "permit": "consent-permits",
    "deny": "consent-denies",
    "outside": "outside-consent",
}


# What the consents of one patient come to together; the first standing that any of them takes decides.
_PRECEDENCE: tuple[tuple[Standing, Effect], ...] = (("deny", DENY), ("permit", PERMIT), ("outside", DENY))


Answer = tuple[Effect, tuple[Reason, ...]]


def decide(
    consents: Iterable[Consent], request: AccessRequest, resource: ResourceFacts, default: Effect = DENY
) -> Decision:
    """Permit or deny `request` for `resource`, with reasons.

    `consents`: all consents of all patients the resource is about, in any status; each is applied to its
    own patient only, one whose patient is unreadable to every patient. Every patient must permit. A
    resource about nobody follows `default`, the tenant's policy where no consent speaks.
    """
    question = Question(request, resource)
    refusal = _refused_outright(question)
    if refusal is not None:
        return Deny(request, resource.reference, default, (), (Reason(refusal),))
    if not resource.subjects:
        return _decided(question, default, (), [(default, (Reason("no-patient"),))])
    concerned = (*resource.subjects, None)
    statements = tuple(
        consent_says(consent, question) for consent in consents if consent.patient in concerned
    )
    answers = [_for_patient(patient, statements, default) for patient in resource.subjects]
    return _decided(question, default, statements, answers)


def consent_says(consent: Consent, question: Question) -> ConsentStatement:
    """What one consent says to the question, clause by clause."""
    unread = _settled_unread(consent)
    if unread is not None:
        return unread
    root = consent.root
    effect = root.type or DENY
    reach = _reach(root, effect, question)
    if not reach.passes:
        return _found(consent, "silent", [ClauseStep(root, None, reach.element, reach.match)])
    if root.type is None:
        return _found(consent, DENY, [ClauseStep(root, DENY, "type", None)])
    steps: list[ClauseStep] = []
    return _standing(consent, _within(root, effect, reach, question, steps), steps)


def _refused_outright(question: Question) -> Rule | None:
    request, resource = question.request, question.resource
    if request.purpose == BREAK_GLASS and not request.btg_ok:
        return "break-glass-not-entitled"
    if "subjects" in resource.unresolved:
        return "subject-unresolved"
    tags = resource.purposes
    if tags and tags != {TEST_DATA} and question.purposes.isdisjoint(tags):
        return "purpose-tag-conflict"
    return None


def _settled_unread(consent: Consent) -> ConsentStatement | None:
    """The statement of a consent whose clauses are not even looked at, or None."""
    if consent.status not in STATUSES:
        return ConsentStatement(consent, DENY, None, "status", None, ())
    if consent.status != ACTIVE:
        return ConsentStatement(consent, "silent", None, "status", False, ())
    if consent.scope in NOT_ABOUT_DATA:
        return ConsentStatement(consent, "silent", None, "scope", False, ())
    fault = consent.fault or (None if consent.patient else "patient")
    if fault is not None:
        return ConsentStatement(consent, DENY, None, fault, None, ())
    if consent.root.fault is not None:
        return _found(consent, DENY, [ClauseStep(consent.root, DENY, consent.root.fault, None)])
    return None


def _standing(consent: Consent, effect: Effect | None, steps: list[ClauseStep]) -> ConsentStatement:
    if effect == PERMIT and not consent.signed:
        # Whoever can write a row must not thereby be able to grant access.
        return ConsentStatement(consent, "silent", None, "signature", False, tuple(steps))
    if effect is not None:
        return _found(consent, effect, steps)
    # Nothing reached the data. "Only this may be seen" then refuses the rest; "only this may not" says
    # nothing.
    return _found(consent, "outside" if consent.root.type == PERMIT else "silent", steps)


class _Reach(NamedTuple):
    """Whether a group of elements lets the question through, and the element worth telling about."""

    passes: bool
    element: str | None
    match: Match


_NOT_IN_FORCE = _Reach(False, "period", False)


_FREELY = _Reach(True, None, None)


def _evaluate(
    clause: Provision, effect: Effect, question: Question, steps: list[ClauseStep]
) -> Effect | None:
    if clause.fault is not None:
        # Not understood, perhaps a refusal: it refuses whoever it reaches.
        steps.append(ClauseStep(clause, DENY, clause.fault, None))
        return DENY
    reach = _reach(clause, effect, question)
    if not reach.passes:
        steps.append(ClauseStep(clause, None, reach.element, reach.match))
        return None
    return _within(clause, effect, reach, question, steps)


def _within(
    clause: Provision, effect: Effect, reach: _Reach, question: Question, steps: list[ClauseStep]
) -> Effect | None:
    """The effect of a clause that is in force for this requester; its step follows those of its children."""
    scope = _all(clause.scope, effect, question)
    inner = _exceptions(clause, effect, scope.passes, question, steps) if clause.provision else None
    if inner is not None:
        steps.append(ClauseStep(clause, None, "provision", True))
        return inner
    own = effect if scope.passes else None
    told = scope if scope.element else reach
    steps.append(ClauseStep(clause, own, told.element, told.match))
    return own


def _exceptions(
    clause: Provision, effect: Effect, inside: bool, question: Question, steps: list[ClauseStep]
) -> Effect | None:
    results = set()
    for child in clause.provision:
        # An exception only bites inside its parent's scope; a clause of the same type adds scope of its own.
        if child.type != effect and not inside and child.fault is None:
            continue
        results.add(_evaluate(child, child.type or DENY, question, steps))
    if DENY in results:
        return DENY
    return PERMIT if PERMIT in results else None


def _reach(clause: Provision, effect: Effect, question: Question) -> _Reach:
    """Whether the clause is in force now, and for this requester."""
    if clause.period is not None and not clause.period.holds(question.request.now):
        return _NOT_IN_FORCE
    return _all(clause.gate, effect, question)


def _all(criteria: tuple[Criterion, ...], effect: Effect, question: Question) -> _Reach:
    """Whether all are known to match for `effect`."""
    passed = _FREELY
    for criterion in criteria:
        match = criterion.match(question, effect)
        if match is True:
            continue
        reach = _Reach(known(match, effect), criterion.element, match)
        if not reach.passes:
            return reach
        passed = reach
    return passed


def _found(consent: Consent, standing: Standing, steps: list[ClauseStep]) -> ConsentStatement:
    """The statement, with the step that decided: the first of that effect, or else the root's."""
    deciding = next((step for step in steps if step.effect == standing), steps[-1])
    return ConsentStatement(
        consent, standing, deciding.clause.path, deciding.element, deciding.match, tuple(steps)
    )


def _for_patient(patient: str, statements: tuple[ConsentStatement, ...], default: Effect) -> Answer:
    own = [found for found in statements if found.consent.patient in (patient, None)]
    for standing, answer in _PRECEDENCE:
        reasons = tuple(_reason(patient, found) for found in own if found.standing == standing)
        if reasons:
            return answer, reasons
    return default, (Reason("tenant-default", patient),)


def _reason(patient: str, found: ConsentStatement) -> Reason:
    consent = found.consent
    rule = _RULES[found.standing]
    return Reason(rule, patient, consent.reference, consent.version, found.clause, found.because)


def _decided(
    question: Question, default: Effect, statements: tuple[ConsentStatement, ...], answers: list[Answer]
) -> Decision:
    request, reference = question.request, question.resource.reference
    refusals = tuple(reason for answer, reasons in answers if answer == DENY for reason in reasons)
    if refusals:
        return Deny(request, reference, default, statements, refusals)
    by = tuple(reason for _, reasons in answers for reason in reasons)
    return Permit(request, reference, default, statements, by)
