"""Documents of our own types: a person sees theirs, an organisation those that name it."""

import pytest

from carevouch.identity.caller import DEVICE, ORGANIZATION, Caller, parse_scopes
from carevouch.records.access import ReadAllowed, ReadRefused, may_read_own

PATIENT, OTHER = "a" * 26, "b" * 26
ALL = parse_scopes("system/*.rs")
ASKER = Caller(ORGANIZATION, "d.asker", ALL, "jti", ("payer",))
STRANGER = Caller(ORGANIZATION, "d.other", ALL, "jti", ("payer",))
PERSON = Caller(DEVICE, PATIENT, parse_scopes("patient/*.rs"), "jti", (), "device")
DECISION = {
    "claim": {"provider": "Organization/d.asker"},
    "coverage": {"payer": "Organization/d.payer"},
}


@pytest.mark.parametrize("type_", ["ConsentRequest", "Decision", "BoundDevice", "Accumulator", "Enrolment"])
def test_a_person_sees_what_lies_with_them_and_with_nobody_else(type_: str) -> None:
    assert may_read_own(PERSON, type_, PATIENT, {}) == ReadAllowed("self")
    assert isinstance(may_read_own(PERSON, type_, OTHER, {}), ReadRefused)


@pytest.mark.parametrize(("status", "is_visible"), [("asked", True), ("granted", True), ("refused", False)])
def test_an_asker_cannot_tell_a_refusal_from_silence(status: str, is_visible: bool) -> None:
    content = {"asker": "Organization/d.asker", "status": status}
    assert isinstance(may_read_own(ASKER, "ConsentRequest", PATIENT, content), ReadAllowed) is is_visible
    assert isinstance(may_read_own(STRANGER, "ConsentRequest", PATIENT, content), ReadRefused)


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        ("Admission", {"organization": "d.asker"}),
        ("Enrolment", {"organization": "d.asker"}),
        ("Decision", DECISION),
    ],
)
def test_an_organisation_sees_what_names_it_and_a_stranger_does_not(
    type_: str, content: dict[str, object]
) -> None:
    assert may_read_own(ASKER, type_, PATIENT, content) == ReadAllowed("party")
    assert isinstance(may_read_own(STRANGER, type_, PATIENT, content), ReadRefused)
    assert isinstance(may_read_own(ASKER, type_, PATIENT, {}), ReadRefused)


@pytest.mark.parametrize("type_", ["BoundDevice", "Accumulator", "Erasure"])
def test_a_document_without_another_party_is_the_persons_alone(type_: str) -> None:
    assert isinstance(may_read_own(ASKER, type_, PATIENT, {"organization": "d.asker"}), ReadRefused)


def test_a_contract_is_for_every_admitted_organisation_with_the_scope() -> None:
    assert may_read_own(STRANGER, "BenefitContract", None, {}) == ReadAllowed("directory")
    unscoped = Caller(ORGANIZATION, "d.other", parse_scopes("system/Claim.rs"), "jti", ("payer",))
    assert may_read_own(unscoped, "BenefitContract", None, {}) == ReadRefused("scope")
