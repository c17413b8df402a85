"""What is wrong or suspicious in a consent that somebody is about to store, before it decides anything.

A finding says what to mend and where, never what the consent says about whom. Warnings are for the
author; an error means that the consent must be refused, because it could only ever be applied as "no".
Linting changes no decision.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from carevouch.consent.codes import comparable, is_known_label, is_known_purpose
from carevouch.consent.criteria import DENY, PERMIT
from carevouch.consent.model import ACTIVE, Consent, Provision
from carevouch.consent.question import Directory
from carevouch.consent.read import type_of
from carevouch.kernel.canonical import JsonObject

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class ConsentFinding:
    """One finding: a stable code, the clause, a sentence that says what to mend."""

    code: str
    where: str
    message: str
    severity: Severity = "warning"

    def json(self) -> JsonObject:
        """For an answer or a report."""
        return {
            "severity": self.severity, "code": self.code, "where": self.where, "message": self.message,
        }  # fmt: skip


def lint(consent: Consent, directory: Directory | None = None) -> tuple[ConsentFinding, ...]:
    """All findings, the Consent's own first, then clause by clause.

    `directory`: the actors that exist, reference -> members (a Group's; empty otherwise). Without it
    actors are not checked.
    """
    findings = list(_of_consent(consent))
    findings += _of_clause(consent.root, (), consent, directory)
    return tuple(findings)


def is_refused(findings: Sequence[ConsentFinding]) -> bool:
    """Whether the consent must not be stored."""
    return any(finding.severity == "error" for finding in findings)


def _of_consent(consent: Consent) -> Iterator[ConsentFinding]:
    if consent.fault == "modifierExtension":
        yield _modifier("Consent")
    elif consent.fault is not None:
        yield ConsentFinding(
            "unreadable", f"Consent.{consent.fault}", "This element cannot be understood.", "error"
        )
    if consent.status != ACTIVE:
        yield ConsentFinding("not-active", "Consent.status", "Only an active consent has any effect.")
    root = consent.root
    if root.type is None and root.fault is None:
        yield ConsentFinding(
            "untyped",
            "provision",
            "Neither provision.type nor an OPTIN or OPTOUT policyRule says whether this permits or denies, "
            "so it will deny everything.",
        )
    if consent.policy_rule is not None and root.type not in (consent.policy_rule, None):
        code, what = (
            ("wider-than-policy", "permits where its policyRule opts out")
            if root.type == PERMIT
            else ("narrower-than-policy", "denies where its policyRule opts in")
        )
        yield ConsentFinding(code, "provision.type", f"The root {what}; the type of the provision counts.")


def _of_clause(
    clause: Provision, above: tuple[Provision, ...], consent: Consent, directory: Directory | None
) -> Iterator[ConsentFinding]:
    yield from _fault(clause)
    yield from _times(clause)
    yield from _actors(clause, directory)
    yield from _codes(clause)
    yield from _doubts(clause)
    yield from _data(clause, consent.patient)
    yield from _never(clause, above)
    for one, other in combinations(clause.provision, 2):
        yield from _overlap(one, other)
    for child in clause.provision:
        yield from _of_clause(child, (*above, clause), consent, directory)


def _modifier(where: str) -> ConsentFinding:
    return ConsentFinding(
        "modifier-extension",
        where,
        "A modifierExtension may turn the meaning around, and none is known here; leave it out.",
        "error",
    )


def _fault(clause: Provision) -> Iterator[ConsentFinding]:
    if clause.fault == "modifierExtension":
        yield _modifier(clause.path)
    elif clause.fault == "type":
        yield ConsentFinding("untyped", clause.path, "A nested provision needs type permit or deny.", "error")
    elif clause.fault is not None:
        where = f"{clause.path}.{clause.fault}"
        yield ConsentFinding("unreadable", where, "This element does not have the form of FHIR R4.", "error")


def _times(clause: Provision) -> Iterator[ConsentFinding]:
    for element, interval in (
        ("period", clause.period),
        ("dataPeriod", clause.data_period.interval if clause.data_period else None),
    ):
        if interval is not None and interval.is_empty():
            yield ConsentFinding("end-before-start", f"{clause.path}.{element}", "It ends before it starts.")


def _actors(clause: Provision, directory: Directory | None) -> Iterator[ConsentFinding]:
    if clause.actor is None or directory is None:
        return
    for reference in sorted(clause.actor.references):
        where = f"{clause.path}.actor"
        if reference not in directory:
            yield ConsentFinding(
                "unknown-actor", where, f"No {type_of(reference) or 'actor'} of that reference is known."
            )
        elif type_of(reference) == "Group" and not directory[reference]:
            yield ConsentFinding("empty-group", where, "The Group has no members, so nobody is meant.")


def _codes(clause: Provision) -> Iterator[ConsentFinding]:
    named = (
        ("purpose", clause.purpose.codes if clause.purpose else frozenset[str](), is_known_purpose),
        ("securityLabel", clause.label.codes if clause.label else frozenset[str](), is_known_label),
    )
    for element, codes, is_known in named:
        if not all(is_known(code) for code in codes):
            yield ConsentFinding(
                "unknown-code",
                f"{clause.path}.{element}",
                "A code here is in no code system known to us; it will match only itself.",
            )


def _doubts(clause: Provision) -> Iterator[ConsentFinding]:
    effect = "deny all that this clause could mean" if clause.type == DENY else "never permit by itself"
    for criterion in (
        clause.actor,
        clause.purpose,
        clause.action,
        clause.label,
        clause.class_,
        clause.code,
        clause.data,
    ):
        for doubt in criterion.doubts if criterion is not None else ():
            yield ConsentFinding(
                "not-understood", f"{clause.path}.{doubt}", f"This is not understood and will {effect}."
            )


def _data(clause: Provision, patient: str | None) -> Iterator[ConsentFinding]:
    if clause.data is None or patient is None:
        return
    for _, reference in clause.data.pairs:
        if _is_about_another(reference, patient):
            yield ConsentFinding(
                "another-patient", f"{clause.path}.data", "It points to data of another patient."
            )


def _is_about_another(reference: str, patient: str) -> bool:
    """Judged by our own ids: a document's id starts with its patient's."""
    if type_of(reference) == "Patient":
        return reference != patient
    head, dot, _ = reference.rpartition("/")[2].partition(".")
    return bool(dot) and len(head) == len(patient.rpartition("/")[2]) and f"Patient/{head}" != patient


def _never(clause: Provision, above: tuple[Provision, ...]) -> Iterator[ConsentFinding]:
    for element, is_apart in (
        ("purpose", _purposes_apart),
        ("period", _periods_apart),
        ("action", _actions_apart),
    ):
        if any(is_apart(clause, parent) for parent in above):
            message = f"Its {element} never occurs together with that of the clause around it."
            yield ConsentFinding("never-matches", f"{clause.path}.{element}", message)
    parent = above[-1] if above else None
    if parent is not None and parent.type != clause.type and _scopes_apart(clause, parent):
        message = "An exception acts only within its parent's data, and these never meet."
        yield ConsentFinding("never-matches", clause.path, message)


def _overlap(one: Provision, other: Provision) -> Iterator[ConsentFinding]:
    if one.type == other.type or one.type is None or other.type is None:
        return
    apart = (_purposes_apart, _periods_apart, _actions_apart, _scopes_apart)
    if not any(is_apart(one, other) for is_apart in apart):
        yield ConsentFinding(
            "permit-and-deny",
            other.path,
            f"A permit and a deny beside each other ({one.path}) can meet; where they do, the deny wins.",
        )


def _purposes_apart(one: Provision, other: Provision) -> bool:
    if one.purpose is None or other.purpose is None or one.purpose.doubts or other.purpose.doubts:
        return False
    pairs = ((mine, yours) for mine in one.purpose.codes for yours in other.purpose.codes)
    return not any(comparable(mine, yours) for mine, yours in pairs)


def _periods_apart(one: Provision, other: Provision) -> bool:
    return one.period is not None and other.period is not None and not one.period.overlaps(other.period)


def _actions_apart(one: Provision, other: Provision) -> bool:
    if one.action is None or other.action is None or one.action.doubts or other.action.doubts:
        return False
    return one.action.codes.isdisjoint(other.action.codes)


def _scopes_apart(one: Provision, other: Provision) -> bool:
    mine, yours = one.class_, other.class_
    if mine and yours and not mine.doubts and not yours.doubts and mine.types.isdisjoint(yours.types):
        return True
    first, second = one.data_period, other.data_period
    return bool(first and second and not first.interval.overlaps(second.interval))
