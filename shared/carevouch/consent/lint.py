"""Findings about a Consent before it is stored: its errors, and clauses that probably do not mean what they
say.

A finding tells what to mend and where. It never repeats what the consent says about a person. A consent
with an error must be refused, because every door would apply it as "no". A warning is for the author. Linting
changes no decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from carevouch.consent.codes import COVERS, RANK, comparable, is_known_purpose
from carevouch.consent.model import ACTIVE, DENY, PERMIT, Consent, Provision
from carevouch.consent.read import type_of
from carevouch.kernel.canonical import JsonObject

Severity = Literal["error", "warning"]
# Known actors: each reference with its members, which only a Group has.
Directory = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ConsentFinding:
    """A stable code, the clause, and a sentence that tells what to mend."""

    code: str
    where: str
    message: str
    severity: Severity = "warning"

    def json(self) -> JsonObject:
        """The finding as an answer or a report shows it."""
        return {
            "severity": self.severity, "code": self.code, "where": self.where, "message": self.message,
        }  # fmt: skip


def lint(consent: Consent, directory: Directory | None = None) -> tuple[ConsentFinding, ...]:
    """All findings: first about the Consent itself, then clause by clause.

    `directory` holds the actors that exist. Without it actors are not checked.
    """
    return (*_of_consent(consent), *_of_clause(consent.root, (), consent, directory))


def is_refused(findings: Sequence[ConsentFinding]) -> bool:
    """Whether the consent must not be stored."""
    return any(finding.severity == "error" for finding in findings)


def _of_consent(consent: Consent) -> Iterator[ConsentFinding]:
    if consent.fault == "modifierExtension":
        yield _modifier("Consent")
    elif consent.fault is not None:
        yield ConsentFinding(
            "unreadable",
            f"Consent.{consent.fault}",
            "This element is missing or does not have the form of FHIR R4; correct it.",
            "error",
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
        code, difference = (
            ("wider-than-policy", "permits where its policyRule opts out")
            if root.type == PERMIT
            else ("narrower-than-policy", "denies where its policyRule opts in")
        )
        message = f"The root {difference}; the type of the provision counts."
        yield ConsentFinding(code, "provision.type", message)


def _of_clause(
    clause: Provision, above: tuple[Provision, ...], consent: Consent, directory: Directory | None
) -> Iterator[ConsentFinding]:
    """The findings of a clause and of all clauses in it; `above` are the clauses around it, root first."""
    yield from _form(clause)
    yield from _actors(clause, directory)
    yield from _codes(clause)
    if clause.data is not None and consent.patient is not None:
        for _, reference in clause.data.pairs:
            if _is_about_another(reference, consent.patient):
                message = "It points to data of another patient."
                yield ConsentFinding("another-patient", f"{clause.path}.data", message)
    yield from _never(clause, above)
    apart = (_purposes_apart, _periods_apart, _actions_apart, _scopes_apart)
    for one, other in combinations(clause.provision, 2):
        if {one.type, other.type} == {PERMIT, DENY} and not any(differ(one, other) for differ in apart):
            yield ConsentFinding(
                "permit-and-deny",
                other.path,
                f"This and {one.path}, a permit and a deny, can both apply; where they do, the deny wins.",
            )
    for child in clause.provision:
        yield from _of_clause(child, (*above, clause), consent, directory)


def _modifier(where: str) -> ConsentFinding:
    return ConsentFinding(
        "modifier-extension",
        where,
        "A modifierExtension may turn the meaning around, and this server knows none; leave it out.",
        "error",
    )


def _form(clause: Provision) -> Iterator[ConsentFinding]:
    """Elements of the wrong form, and periods that end before they start."""
    if clause.fault == "modifierExtension":
        yield _modifier(clause.path)
    elif clause.fault == "type":
        yield ConsentFinding("untyped", clause.path, "A nested provision needs type permit or deny.", "error")
    elif clause.fault is not None:
        where = f"{clause.path}.{clause.fault}"
        yield ConsentFinding("unreadable", where, "This element does not have the form of FHIR R4.", "error")
    data_period = clause.data_period.interval if clause.data_period else None
    for element, interval in (("period", clause.period), ("dataPeriod", data_period)):
        if interval is not None and interval.is_empty():
            message = "The period ends before it starts."
            yield ConsentFinding("end-before-start", f"{clause.path}.{element}", message)


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
    """Codes of no known code system, and values that were not understood."""
    purposes = clause.purpose.codes if clause.purpose else ()
    labels = clause.label.codes if clause.label else ()
    for element, is_known in (
        ("purpose", all(is_known_purpose(code) for code in purposes)),
        ("securityLabel", all(code in RANK or code in COVERS for code in labels)),
    ):
        if not is_known:
            yield ConsentFinding(
                "unknown-code",
                f"{clause.path}.{element}",
                "A code here is in no code system known to us; it will match only itself.",
            )
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


def _is_about_another(reference: str, patient: str) -> bool:
    """Whether the reference points to another patient, as far as our own ids tell.

    The id of a document begins with the id of its patient.
    """
    if type_of(reference) == "Patient":
        return reference != patient
    head, dot, _ = reference.rpartition("/")[2].partition(".")
    return bool(dot) and len(head) == len(patient.rpartition("/")[2]) and f"Patient/{head}" != patient


def _never(clause: Provision, above: tuple[Provision, ...]) -> Iterator[ConsentFinding]:
    """Elements by which the clause can never match together with the clauses around it."""
    for element, differ in (
        ("purpose", _purposes_apart),
        ("period", _periods_apart),
        ("action", _actions_apart),
    ):
        if any(differ(clause, parent) for parent in above):
            message = f"Its {element} never occurs together with that of the clause around it."
            yield ConsentFinding("never-matches", f"{clause.path}.{element}", message)
    parent = above[-1] if above else None
    if parent is not None and parent.type != clause.type and _scopes_apart(clause, parent):
        message = "An exception acts only within its parent's data, and these never meet."
        yield ConsentFinding("never-matches", clause.path, message)


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
