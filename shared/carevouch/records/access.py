"""The one rule of reading (SECURITY.md): scope AND (self OR author OR named party OR directory OR consent).

Every door that shows a resource, its history, its place in the log or its opening asks here, for each
revision by itself. The answer is never a bare bool: it names the rule that allowed, or everything that was
missing. Absence refuses.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from carevouch.consent.decide import decide
from carevouch.consent.model import Consent
from carevouch.consent.question import AccessRequest, ResourceFacts
from carevouch.events.catalogue import DIRECTORY_TYPES
from carevouch.identity.caller import AUDITOR, Caller, allows
from carevouch.kernel.canonical import JsonObject
from carevouch.records.resource import author_of

# Of the actions that a consent may cover (R4 Consent.provision.action), that of changing what is stored.
CORRECT = "correct"
# Who is a party to a claim, by the element that names them (R4 financial resources).
_PARTY_ELEMENTS = ("insurer", "provider", "requestor", "payor", "enterer")
PARTY_TYPES = frozenset(
    {
        "Claim",
        "ClaimResponse",
        "Coverage",
        "CoverageEligibilityRequest",
        "CoverageEligibilityResponse",
        "ExplanationOfBenefit",
    }
)


@dataclass(frozen=True, slots=True)
class AccessTarget:
    """What is to be read: one revision. `author` is the document's, `parties` a claim's, by reference."""

    type: str
    subject: str | None
    author: str | None
    parties: frozenset[str]
    facts: ResourceFacts


@dataclass(frozen=True, slots=True)
class ReadAllowed:
    """Yes, by this rule; `reasons` are those of the consents, where they decided."""

    rule: str
    reasons: tuple[JsonObject, ...] = ()
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadRefused:
    """No, because none of the rules held; `reasons` say what the consents lacked."""

    because: str
    reasons: tuple[JsonObject, ...] = ()


def may_read(
    caller: Caller, asked: AccessRequest, target: AccessTarget, consents: Iterable[Consent], letter: str = "r"
) -> ReadAllowed | ReadRefused:
    """Whether `caller` may see `target`; `consents` are all of its subject's."""
    if not allows(caller.scopes, target.type, letter):
        return ReadRefused("scope")
    if target.subject is None:
        return ReadAllowed("directory") if target.type in DIRECTORY_TYPES else ReadRefused("nobody's")
    if caller.patient is not None:
        return (
            ReadAllowed("self") if caller.patient == target.subject else ReadRefused("not the person's own")
        )
    if target.type == "AuditEvent":
        # Who looked at a person is for the person and for auditors; being the one who looked gives no right
        # to it.
        return ReadAllowed("auditor") if AUDITOR in caller.roles else ReadRefused("audit is the person's own")
    if target.author == caller.reference:
        return ReadAllowed("author")
    if caller.reference in target.parties:
        return ReadAllowed("party")
    return _by_consent(asked, target, consents)


def may_correct(
    caller: Caller, asked: AccessRequest, target: AccessTarget, consents: Iterable[Consent]
) -> ReadAllowed | ReadRefused:
    """Whether `caller` may write the next version of `target`; its `author` is the document's.

    A consent to be read is none to be corrected. R4 reads an absent action as all of them; for writing that
    is too much to assume: the permitting clause, or one around it, must name `correct`.
    """
    if not allows(caller.scopes, target.type, "u"):
        return ReadRefused("scope")
    if target.author == caller.reference:
        return ReadAllowed("author")
    known = tuple(consents)
    decision = _by_consent(replace(asked, action=CORRECT), target, known)
    if isinstance(decision, ReadAllowed) and not any(_names_correct(known, why) for why in decision.reasons):
        return ReadRefused("consent", decision.reasons)
    return decision


def _names_correct(consents: Iterable[Consent], reason: JsonObject) -> bool:
    decided = str(reason.get("clause"))
    return any(
        clause.action is not None and CORRECT in clause.action.codes
        for consent in consents
        if consent.reference == reason.get("consent")
        for clause in consent.root.walk()
        if decided == clause.path or decided.startswith(f"{clause.path}.")
    )


def may_read_own(
    caller: Caller, type_: str, subject: str | None, content: JsonObject, letter: str = "r"
) -> ReadAllowed | ReadRefused:
    """Whether `caller` may see a document of our own types, whose `content` names whom it concerns.

    A contract is for every admitted organisation, like the directory. Of what lies with a person the person
    sees all, an organisation only what it did itself or what was decided about its claim.
    """
    if not allows(caller.scopes, type_, letter):
        return ReadRefused("scope")
    if caller.patient is not None and caller.patient == subject:
        return ReadAllowed("self")
    if type_ in ("BenefitContract", "Plan"):
        return ReadAllowed("directory")
    if caller.patient is None and caller.reference in _concerned(type_, content):
        return ReadAllowed("party")
    return ReadRefused("not the person's own")


def _concerned(type_: str, content: JsonObject) -> frozenset[str]:
    if type_ in ("Admission", "Enrolment"):
        return frozenset({f"Organization/{content.get('organization')}"})
    if type_ == "ConsentRequest" and content.get("status") in ("asked", "granted"):
        # A refused request is the person's secret: its asker must not be able to tell it from silence.
        return frozenset({str(content.get("asker"))})
    if type_ == "Decision":
        claim, coverage = content.get("claim") or {}, content.get("coverage") or {}
        return frozenset({str(claim.get("provider")), str(coverage.get("payer"))})
    return frozenset()


def _by_consent(
    asked: AccessRequest, target: AccessTarget, consents: Iterable[Consent]
) -> ReadAllowed | ReadRefused:
    decision = decide(consents, asked, target.facts)
    reasons = tuple(reason.json() for reason in decision.reasons)
    if decision.permitted:
        used = tuple(
            f"{reason.consent}/_history/{reason.version}" for reason in decision.reasons if reason.consent
        )
        return ReadAllowed("consent", reasons, used)
    return ReadRefused("consent", reasons)


def parties_of(resource: JsonObject) -> frozenset[str]:
    """The references of those a claim, a coverage or a consent names as taking part.

    A consent's are those it permits something. Whom a person denies must not learn of it, and is none.
    """
    if resource.get("resourceType") == "Consent":
        return frozenset(filter(None, map(_reference, _permitted_actors(resource))))
    if resource.get("resourceType") not in PARTY_TYPES:
        return frozenset()
    values = (resource.get(element) for element in _PARTY_ELEMENTS)
    flat = (item for value in values for item in (value if isinstance(value, list) else [value]))
    return frozenset(filter(None, map(_reference, flat)))


def is_hearsay(consent: JsonObject, patient: JsonObject | None) -> bool:
    """Whether a Consent that a provider recorded is only history; `patient` is version 1 of whom it is about.

    It never permits. It denies if the organisation that registered the person recorded it; another's would
    let anybody who is linked with them switch off what the person signed. Where nobody registered them,
    denying is the safe side.
    """
    registrar = author_of(patient) if patient is not None else None
    return registrar is not None and author_of(consent) != registrar


def _permitted_actors(consent: JsonObject) -> list[Any]:
    """The actors of the root clause, if that permits; those of inner clauses add nobody."""
    root = consent.get("provision")
    if not isinstance(root, dict) or root.get("type", _default_effect(consent)) != "permit":
        return []
    actors = root.get("actor")
    listed = actors if isinstance(actors, list) else []
    return [actor.get("reference") for actor in listed if isinstance(actor, dict)]


def _default_effect(consent: JsonObject) -> str | None:
    """What a root clause without a type does: policyRule says it, if it says one thing."""
    rule = consent.get("policyRule")
    codings = rule.get("coding") if isinstance(rule, dict) else None
    listed = codings if isinstance(codings, list) else []
    codes = {str(coding.get("code")) for coding in listed if isinstance(coding, dict)}
    return "permit" if codes & {"OPTIN", "OPTOUT"} == {"OPTIN"} else None


def _reference(value: Any) -> str | None:
    reference = value.get("reference") if isinstance(value, dict) else None
    return reference if isinstance(reference, str) else None
