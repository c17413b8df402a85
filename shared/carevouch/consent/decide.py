"""Does the patient's consent let this request see this resource?

The rules are those of FHIR R4 Consent and IHE PCF. Every match has three values: an unknown match stops a
permit and triggers a deny. A deny beats a permit. A permit of one consent beats "outside" of another, and
"outside" beats the tenant's default. A consent that no device of the patient signed never permits.

This module reads no clock and looks nothing up, so the same values always give the same decision.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from carevouch.consent.codes import BREAK_GLASS, TEST_DATA
from carevouch.consent.model import (
    ACTIVE,
    DENY,
    NOT_ABOUT_DATA,
    PERMIT,
    STATUSES,
    Consent,
    Criterion,
    Effect,
    Match,
    Provision,
)
from carevouch.consent.question import AccessRequest, Question, ResourceFacts
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.times import instant

# The standing of a clause or a consent. "permit" and "deny": it applies to the request and to these data.
# "outside": it applies to the request, but not to these data. "silent": it does not apply to the request.
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
# In this order: the first standing that occurs among the consents of a patient decides for the patient.
_PRECEDENCE: tuple[tuple[Standing, Effect, Rule], ...] = (
    ("deny", DENY, "consent-denies"),
    ("permit", PERMIT, "consent-permits"),
    ("outside", DENY, "outside-consent"),
)
_MATCH = {True: "true", False: "false", None: "unknown"}


class ClauseStep(NamedTuple):
    """One clause in the trace: its own effect, the element that settled it, and how that element matched.

    The effect is None where the clause had none. The element `provision` means that an inner clause decided.
    """

    clause: Provision
    effect: Effect | None
    element: str | None
    match: Match

    def json(self) -> JsonObject:
        """The step in a trace, with the bounds of a period that settled the clause."""
        clause = self.clause
        step: JsonObject = {"clause": clause.path, "type": clause.type, "effect": self.effect}
        if self.element is not None:
            step |= {"element": self.element, "match": _MATCH[self.match]}
        period = clause.period if self.element == "period" else None
        if self.element == "dataPeriod" and clause.data_period is not None:
            period = clause.data_period.interval
        if period is not None:
            low, high = (None if bound is None else instant(bound) for bound in period)
            step |= {"from": low, "before": high}
        return step


class ConsentStatement(NamedTuple):
    """The standing of one consent, with the clause that decided and the element that settled that clause."""

    consent: Consent
    standing: Standing
    clause: str | None
    because: str | None
    match: Match
    steps: tuple[ClauseStep, ...]

    def json(self) -> JsonObject:
        """The statement in a trace."""
        return {
            "consent": self.consent.reference,
            "version": self.consent.version,
            "patient": self.consent.patient,
            "says": self.standing,
            "signed": self.consent.signed,
            "clause": self.clause,
            "because": self.because,
            "clauses": [step.json() for step in self.steps],
        }


class Reason(NamedTuple):
    """The rule that decided. Where a consent decided, also its version, its clause and the element."""

    rule: Rule
    patient: str | None = None
    consent: str | None = None
    version: int | None = None
    clause: str | None = None
    element: str | None = None

    def json(self) -> JsonObject:
        """The members that are not None."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass(frozen=True, slots=True)
class Decision:
    """A `Permit` or a `Deny`, with its reasons and the statement of each consent."""

    request: AccessRequest
    resource: str
    default: Effect
    statements: tuple[ConsentStatement, ...]
    reasons: tuple[Reason, ...]

    permitted: ClassVar[bool]

    def explain(self) -> JsonObject:
        """The decision as JSON: answer, reasons, the request, and the trace of each consent."""
        request = self.request
        actors: Any = None if request.actors is None else sorted(request.actors)
        return {
            "decision": "permit" if self.permitted else "deny",
            "reasons": [reason.json() for reason in self.reasons],
            "resource": self.resource,
            "request": {
                "purpose": request.purpose,
                "action": request.action,
                "now": instant(request.now),
                "actors": actors,
                "btg_ok": request.btg_ok,
            },
            "default": self.default,
            "consents": [statement.json() for statement in self.statements],
        }


@dataclass(frozen=True, slots=True)
class Permit(Decision):
    """Access is allowed; every patient concerned has at least one reason."""

    permitted: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Deny(Decision):
    """Access is refused; each reason alone would have been enough."""

    permitted: ClassVar[bool] = False


def decide(
    consents: Iterable[Consent], request: AccessRequest, resource: ResourceFacts, default: Effect = DENY
) -> Decision:
    """Permit or deny `request` for `resource`, with reasons.

    `consents` holds all consents, of any status, of all patients whom the resource is about. Each applies to
    its own patient; a consent whose patient is unreadable applies to every patient. Every patient must
    permit. `default` is the tenant's policy. It decides where every consent is silent, and for a
    resource about no patient.
    """
    question = Question(request, resource)
    refusal = _refusal(question)
    if refusal is not None:
        return Deny(request, resource.reference, default, (), (Reason(refusal),))
    concerned = (*resource.subjects, None) if resource.subjects else ()
    statements = tuple(
        consent_says(consent, question) for consent in consents if consent.patient in concerned
    )
    answers = [_answer_for(patient, statements, default) for patient in resource.subjects]
    if not resource.subjects:
        answers = [(default, (Reason("no-patient"),))]
    refusals = tuple(reason for answer, reasons in answers if answer == DENY for reason in reasons)
    if refusals:
        return Deny(request, resource.reference, default, statements, refusals)
    permits = tuple(reason for _, reasons in answers for reason in reasons)
    return Permit(request, resource.reference, default, statements, permits)


def consent_says(consent: Consent, question: Question) -> ConsentStatement:
    """The statement of one consent about the question, with a step for each clause that was evaluated."""
    if consent.status not in STATUSES:
        return ConsentStatement(consent, DENY, None, "status", None, ())
    if consent.status != ACTIVE:
        return ConsentStatement(consent, "silent", None, "status", False, ())
    if consent.scope in NOT_ABOUT_DATA:
        return ConsentStatement(consent, "silent", None, "scope", False, ())
    fault = consent.fault or (None if consent.patient else "patient")
    if fault is not None:
        return ConsentStatement(consent, DENY, None, fault, None, ())
    steps: list[ClauseStep] = []
    standing = _standing(consent.root, question, steps)
    if standing == PERMIT and not consent.signed:
        # An attacker who can write a row must not thereby be able to grant access.
        return ConsentStatement(consent, "silent", None, "signature", False, tuple(steps))
    if standing == "outside" and consent.root.type != PERMIT:
        # "Only these data may be seen" refuses all others; "these data may not be seen" is silent about them.
        standing = "silent"
    deciding = next((step for step in steps if step.effect == standing), steps[-1])
    return ConsentStatement(
        consent, standing, deciding.clause.path, deciding.element, deciding.match, tuple(steps)
    )


def _refusal(question: Question) -> Rule | None:
    """The rule that refuses the request whatever the consents say, or None."""
    request, resource = question.request, question.resource
    if request.purpose == BREAK_GLASS and not request.btg_ok:
        return "break-glass-not-entitled"
    if "subjects" in resource.unresolved:
        return "subject-unresolved"
    tags = resource.purposes
    if tags and tags != {TEST_DATA} and question.purposes.isdisjoint(tags):
        return "purpose-tag-conflict"
    return None


def _answer_for(
    patient: str, statements: tuple[ConsentStatement, ...], default: Effect
) -> tuple[Effect, tuple[Reason, ...]]:
    """The answer of one patient's consents together, with its reasons."""
    own = [statement for statement in statements if statement.consent.patient in (patient, None)]
    for standing, answer, rule in _PRECEDENCE:
        reasons = tuple(
            Reason(rule, patient, found.consent.reference, found.consent.version, found.clause, found.because)
            for found in own
            if found.standing == standing
        )
        if reasons:
            return answer, reasons
    return default, (Reason("tenant-default", patient),)


class _GroupMatch(NamedTuple):
    """Whether a group of elements lets the question through, and the element to name in the trace."""

    passes: bool
    element: str | None
    match: Match


def _standing(clause: Provision, question: Question, steps: list[ClauseStep]) -> Standing:
    """The standing of a clause and of all clauses in it; adds their steps to `steps`, its own step last."""
    if clause.fault is not None:
        # The clause was not understood and may be a refusal, so it denies.
        steps.append(ClauseStep(clause, DENY, clause.fault, None))
        return DENY
    effect = clause.type or DENY
    if clause.period is not None and not clause.period.holds(question.request.now):
        gate = _GroupMatch(False, "period", False)
    else:
        gate = _all_match(clause.gate, effect, question)
    if not gate.passes:
        steps.append(ClauseStep(clause, None, gate.element, gate.match))
        return "silent"
    if clause.type is None:
        steps.append(ClauseStep(clause, DENY, "type", None))
        return DENY
    scope = _all_match(clause.scope, effect, question)
    inner = set()
    for child in clause.provision:
        # An exception acts only within its parent's data; a clause of the same type adds data of its own.
        if child.type == effect or scope.passes or child.fault is not None:
            inner.add(_standing(child, question, steps))
    decided: Effect | None = DENY if DENY in inner else PERMIT if PERMIT in inner else None
    if decided is not None:
        steps.append(ClauseStep(clause, None, "provision", True))
        return decided
    group = scope if scope.element else gate
    steps.append(ClauseStep(clause, effect if scope.passes else None, group.element, group.match))
    return effect if scope.passes else "outside"


def _all_match(criteria: tuple[Criterion, ...], effect: Effect, question: Question) -> _GroupMatch:
    """Whether all criteria match: an unknown match stops a permit and lets a deny act."""
    group = _GroupMatch(True, None, None)
    for criterion in criteria:
        match = criterion.match(question, effect)
        if match is True:
            continue
        group = _GroupMatch(match is None and effect == DENY, criterion.element, match)
        if not group.passes:
            break
    return group
