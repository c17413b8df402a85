"""The one rule of reading (SECURITY.md): scope AND (self OR author OR named party OR directory OR consent).

Every door asks here before it shows a resource, its history, its place in the log or its opening. Each
revision is decided by itself. The answer names the rule that allowed the read, or all that was missing.
Without a rule that allows it, a read is refused.
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

# The action of changing a stored document (R4 Consent.provision.action).
CORRECT = "correct"
# The elements of R4's financial resources that name a party to a claim.
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
    """One revision to be read. The document's `author` and a claim's `parties` are references."""

    type: str
    subject: str | None
    author: str | None
    parties: frozenset[str]
    facts: ResourceFacts


@dataclass(frozen=True, slots=True)
class ReadAllowed:
    """The caller may read, by this rule. `reasons` come from the consents that decided."""

    rule: str
    reasons: tuple[JsonObject, ...] = ()
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadRefused:
    """The caller may not read, since no rule held. `reasons` say what the consents lacked."""

    because: str
    reasons: tuple[JsonObject, ...] = ()


def may_read(
    caller: Caller,
    request: AccessRequest,
    target: AccessTarget,
    consents: Iterable[Consent],
    letter: str = "r",
) -> ReadAllowed | ReadRefused:
    """Whether `caller` may see `target`; `consents` are all the consents of its subject.

    `letter` is the interaction in a SMART scope: `r` for a read, `s` for a search.
    """
    if not allows(caller.scopes, target.type, letter):
        return ReadRefused("scope")
    if target.subject is None:
        return ReadAllowed("directory") if target.type in DIRECTORY_TYPES else ReadRefused("nobody's")
    if caller.patient is not None:
        return (
            ReadAllowed("self") if caller.patient == target.subject else ReadRefused("not the person's own")
        )
    if target.type == "AuditEvent":
        # An AuditEvent names a reader of the person's documents. Only the person and auditors may see it,
        # and the reader may not.
        return ReadAllowed("auditor") if AUDITOR in caller.roles else ReadRefused("audit is the person's own")
    if target.author == caller.reference:
        return ReadAllowed("author")
    if caller.reference in target.parties:
        return ReadAllowed("party")
    return _by_consent(request, target, consents)


def may_correct(
    caller: Caller, request: AccessRequest, target: AccessTarget, consents: Iterable[Consent]
) -> ReadAllowed | ReadRefused:
    """Whether `caller` may write the next version of `target`.

    A consent to reading does not allow corrections. In R4 a clause without an action covers every action.
    For a write that is not enough: the permitting clause, or one around it, must name `correct`.
    """
    if not allows(caller.scopes, target.type, "u"):
        return ReadRefused("scope")
    if target.author == caller.reference:
        return ReadAllowed("author")
    all_consents = tuple(consents)
    decision = _by_consent(replace(request, action=CORRECT), target, all_consents)
    if isinstance(decision, ReadRefused):
        return decision
    names_correct = any(
        clause.action is not None and CORRECT in clause.action.codes
        for reason in decision.reasons
        for consent in all_consents
        if consent.reference == reason.get("consent")
        for clause in consent.root.walk()
        if f"{reason.get('clause')}.".startswith(f"{clause.path}.")
    )
    return decision if names_correct else ReadRefused("consent", decision.reasons)


def may_read_own(
    caller: Caller, type_: str, subject: str | None, content: JsonObject, letter: str = "r"
) -> ReadAllowed | ReadRefused:
    """Whether `caller` may see a document of our own types. Its `content` names the parties.

    Every admitted organisation sees a contract, as it sees the directory. A person sees each document that is
    about them. An organisation sees only its own acts and the decisions about its claims.
    """
    if not allows(caller.scopes, type_, letter):
        return ReadRefused("scope")
    if caller.patient is not None and caller.patient == subject:
        return ReadAllowed("self")
    if type_ in ("BenefitContract", "Plan"):
        return ReadAllowed("directory")
    parties: set[str] = set()
    if type_ in ("Admission", "Enrolment"):
        parties = {f"Organization/{content.get('organization')}"}
    elif type_ == "ConsentRequest" and content.get("status") in ("asked", "granted"):
        # A refusal is the person's secret. To the asker it must look like no answer.
        parties = {str(content.get("asker"))}
    elif type_ == "Decision":
        claim, coverage = content.get("claim") or {}, content.get("coverage") or {}
        parties = {str(claim.get("provider")), str(coverage.get("payer"))}
    if caller.patient is None and caller.reference in parties:
        return ReadAllowed("party")
    return ReadRefused("not the person's own")


def _by_consent(
    request: AccessRequest, target: AccessTarget, consents: Iterable[Consent]
) -> ReadAllowed | ReadRefused:
    decision = decide(consents, request, target.facts)
    reasons = tuple(reason.json() for reason in decision.reasons)
    if decision.permitted:
        used = tuple(
            f"{reason.consent}/_history/{reason.version}" for reason in decision.reasons if reason.consent
        )
        return ReadAllowed("consent", reasons, used)
    return ReadRefused("consent", reasons)


def parties_of(resource: JsonObject) -> frozenset[str]:
    """The references of the parties that a claim, a coverage or a consent names.

    A consent's parties are the actors of its root clause, if that permits. A denied actor is no party and
    must not learn of the consent. Inner clauses add nobody.
    """
    named: list[Any] = []
    if resource.get("resourceType") in PARTY_TYPES:
        for element in _PARTY_ELEMENTS:
            value = resource.get(element)
            named += value if isinstance(value, list) else [value]
    elif resource.get("resourceType") == "Consent":
        root = resource.get("provision")
        if isinstance(root, dict) and root.get("type", _default_effect(resource)) == "permit":
            actors = root.get("actor")
            listed = actors if isinstance(actors, list) else []
            named = [actor.get("reference") for actor in listed if isinstance(actor, dict)]
    references = [party.get("reference") for party in named if isinstance(party, dict)]
    return frozenset(text for text in references if isinstance(text, str) and text)


def is_unverified_record(consent: JsonObject, patient: JsonObject | None) -> bool:
    """Whether a Consent recorded by a provider counts for nothing, not even as a denial.

    `patient` is version 1 of the person's Patient. A recorded consent never permits. It denies only if the
    organisation that registered the person recorded it. Otherwise any organisation linked with the person
    could switch off the person's signed consents. If the registrar is unknown, it denies, which is safer.
    """
    registrar = author_of(patient) if patient is not None else None
    return registrar is not None and author_of(consent) != registrar


def _default_effect(consent: JsonObject) -> str | None:
    """The effect of a root clause without a type: that of policyRule, if it has one."""
    rule = consent.get("policyRule")
    codings = rule.get("coding") if isinstance(rule, dict) else None
    listed = codings if isinstance(codings, list) else []
    codes = {str(coding.get("code")) for coding in listed if isinstance(coding, dict)}
    return "permit" if codes & {"OPTIN", "OPTOUT"} == {"OPTIN"} else None
