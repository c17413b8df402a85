"""Scope AND (self OR author OR named party OR directory OR consent): each alone, and none."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.consent.facts import facts_of
from carevouch.consent.question import AccessRequest
from carevouch.consent.read import read_consent
from carevouch.door.access import purpose_of
from carevouch.identity.caller import Caller, parse_scopes
from carevouch.kernel.errors import Forbidden
from carevouch.records.access import (
    AccessTarget,
    ReadAllowed,
    ReadRefused,
    is_unverified_record,
    may_read,
    parties_of,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PERSON, OTHER = "a" * 26, "b" * 26
BASE = "https://carevouch.test/fhir"


def organization(id_: str = "d.x", roles: tuple[str, ...] = ("payer",), scope: str = "system/*.rs") -> Caller:
    return Caller("organization", id_, parse_scopes(scope), "jti", roles)


def device(patient: str, scope: str = "patient/*.rs") -> Caller:
    return Caller("device", patient, parse_scopes(scope), "jti", (), "device-1")


def target(type_: str = "Observation", subject: str | None = PERSON, **more: Any) -> AccessTarget:
    resource = {
        "resourceType": type_,
        "id": f"{subject}.x",
        "code": {"coding": [{"system": "s", "code": "c"}]},
    }
    facts = facts_of(resource, base=BASE, zone=UTC, subject=f"Patient/{subject}" if subject else None)
    whole: dict[str, Any] = {"author": None, "parties": frozenset(), **more}
    return AccessTarget(type_, subject, whole["author"], whole["parties"], facts)


def question(caller: Caller, purpose: str = "HPAYMT") -> AccessRequest:
    return AccessRequest(purpose, frozenset({caller.reference}), NOW)


def decision(caller: Caller, of: AccessTarget, consents: Any = (), letter: str = "r") -> str:
    answer = may_read(caller, question(caller), of, consents, letter)
    return answer.rule if isinstance(answer, ReadAllowed) else f"refused: {answer.because}"


def consent(signed: bool = True, type_: str = "permit") -> Any:
    provision: dict[str, Any] = {
        "type": type_,
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}],
    }
    resource = {
        "resourceType": "Consent",
        "status": "active",
        "patient": {"reference": f"Patient/{PERSON}"},
        "provision": provision,
    }
    return read_consent(resource, base=BASE, zone=UTC, signed=signed, reference="Consent/c", version=2)


def test_the_person_sees_their_own_and_nobody_elses() -> None:
    assert decision(device(PERSON), target()) == "self"
    assert decision(device(PERSON), target(subject=OTHER)).startswith("refused")
    assert decision(device(PERSON), target("AuditEvent")) == "self"


def test_the_directory_is_for_every_caller_with_the_scope() -> None:
    for caller in (device(PERSON), organization()):
        assert decision(caller, target("Practitioner", None)) == "directory"
        assert decision(caller, target("Observation", None)) == "refused: nobody's"
    assert decision(organization(scope="system/Patient.rs"), target("Practitioner", None)) == "refused: scope"


def test_the_author_and_a_named_party_see_without_a_consent() -> None:
    caller = organization()
    assert decision(caller, target(author=caller.reference)) == "author"
    assert decision(caller, target("Claim", parties=frozenset({caller.reference}))) == "party"
    assert decision(caller, target(author="Organization/d.y")) == "refused: consent"


def test_audit_is_the_persons_and_the_auditors() -> None:
    payer = organization()
    assert decision(payer, target("AuditEvent", author=payer.reference)).startswith("refused")
    assert decision(organization(roles=("auditor",)), target("AuditEvent")) == "auditor"


def test_a_consent_allows_what_it_names_and_is_named_in_the_answer() -> None:
    caller = organization()
    answer = may_read(caller, question(caller), target(), [consent()])
    assert isinstance(answer, ReadAllowed)
    assert (answer.rule, answer.consents) == ("consent", ("Consent/c/_history/2",))
    assert answer.reasons
    assert isinstance(may_read(caller, question(caller), target("Condition"), [consent()]), ReadRefused)


def test_without_a_signature_or_with_a_refusal_beside_it_nothing_is_allowed() -> None:
    caller = organization()
    assert decision(caller, target(), [consent(signed=False)]) == "refused: consent"
    assert decision(caller, target(), [consent(), consent(type_="deny")]) == "refused: consent"


@pytest.mark.parametrize("scope", ["", "system/*.cud", "system/Condition.rs", "patient/*", "nonsense"])
def test_no_rule_helps_without_the_scope(scope: str) -> None:
    caller = organization(scope=scope)
    mine = target(author=caller.reference, parties=frozenset({caller.reference}))
    assert decision(caller, mine, [consent()]) == "refused: scope"


@given(
    letters=st.sets(st.sampled_from("cruds")),
    letter=st.sampled_from("rs"),
    author=st.booleans(),
    party=st.booleans(),
    consented=st.booleans(),
)
def test_yes_needs_the_scope_and_at_least_one_rule(
    letters: set[str], letter: str, author: bool, party: bool, consented: bool
) -> None:
    scope = "system/*." + "".join(one for one in "cruds" if one in letters)
    caller = organization(scope=scope)
    of = target(
        author=caller.reference if author else None,
        parties=frozenset({caller.reference}) if party else frozenset(),
    )
    answer = may_read(caller, question(caller), of, [consent()] if consented else [], letter)
    assert isinstance(answer, ReadAllowed) == (letter in letters and (author or party or consented))


def test_the_parties_of_a_claim_and_of_a_consent_are_read_from_their_elements() -> None:
    claim = {
        "resourceType": "Claim",
        "insurer": {"reference": "Organization/d.i"},
        "provider": {"reference": "Organization/d.p"},
        "payor": [{"reference": "Organization/d.q"}, {"display": "x"}],
    }
    assert parties_of(claim) == {"Organization/d.i", "Organization/d.p", "Organization/d.q"}
    assert parties_of({**claim, "resourceType": "Observation"}) == frozenset()


def test_a_permitted_actor_is_a_party_of_the_consent_and_a_denied_one_is_not() -> None:
    def parties(provision: Any, rule: str | None = None) -> frozenset[str]:
        policy = {"policyRule": {"coding": [{"code": rule}]}} if rule else {}
        return parties_of({"resourceType": "Consent", "provision": provision, **policy})

    actor = [{"reference": {"reference": "Organization/d.z"}}]
    other = [{"reference": {"reference": "Organization/d.y"}}]
    named = frozenset({"Organization/d.z"})
    assert parties({"type": "permit", "actor": actor}) == named
    assert parties({"type": "permit", "actor": actor}, "OPTOUT") == named
    assert parties({"actor": actor}, "OPTIN") == named
    assert (
        parties({"type": "permit", "actor": actor, "provision": [{"type": "deny", "actor": other}]}) == named
    )
    nobody: frozenset[str] = frozenset()
    assert parties({"type": "deny", "actor": actor}) == nobody
    assert parties({"type": "deny", "actor": actor}, "OPTIN") == nobody
    assert parties({"type": "deny", "provision": [{"type": "permit", "actor": actor}]}) == nobody
    assert parties({"actor": actor}, "OPTOUT") == parties({"actor": actor}) == nobody
    oddities: list[Any] = [7, None, [], {"type": "permit", "actor": 7}, {"type": "permit", "actor": [7, {}]}]
    assert {parties(odd) for odd in oddities} == {nobody}
    both = {"coding": [{"code": "OPTIN"}, {"code": "OPTOUT"}]}
    assert (
        parties_of({"resourceType": "Consent", "provision": {"actor": actor}, "policyRule": both}) == nobody
    )


def test_a_recorded_consent_counts_from_whoever_registered_the_person_alone() -> None:
    def by(author: str | None) -> dict[str, Any]:
        return {"resourceType": "Consent", "meta": {"source": author} if author else {}}

    assert not is_unverified_record(by("Organization/d.a"), by("Organization/d.a"))
    assert is_unverified_record(by("Organization/d.b"), by("Organization/d.a"))
    assert is_unverified_record(by(None), by("Organization/d.a"))
    assert not is_unverified_record(by("Organization/d.b"), by(None))
    assert not is_unverified_record(by("Organization/d.b"), None)


def test_a_purpose_is_the_roles_own() -> None:
    assert purpose_of(organization(), None) == "HPAYMT"
    assert purpose_of(organization(roles=("sponsor",)), None) == "CLINTRCH"
    assert purpose_of(device(PERSON), "TREAT") == "PATRQT"
    for declared in ("TREAT", "BTG", "nonsense", ""):
        with pytest.raises(Forbidden):
            purpose_of(organization(), declared)
