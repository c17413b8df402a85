"""CoverageEligibilityRequest/$submit through the door: who may ask, and what the four purposes answer."""

from typing import Any

import pytest

from carevouch.kernel.jsontext import parse, render
from tests.api import Answer, Who
from tests.people import admit, bind_device, enrol, link
from tests.service.claims.member import ASK, Member, cover, insure, post
from tests.unit.claims.cases import SYSTEM, token
from tests.unit.claims.resources import concept, item
from tests.world import World


def insurance(told: Answer) -> list[dict[str, Any]]:
    assert told.status == 200, told.body
    found: list[dict[str, Any]] = parse(told.body).get("insurance", [])
    return found


def test_validation_says_in_force_only_on_days_of_the_coverage(member: Member) -> None:
    (inside,) = insurance(member.ask(member.request("validation")))
    (before,) = insurance(member.ask(member.request("validation", servicedDate="2025-12-31")))
    assert inside["inforce"] is True
    assert "item" not in inside
    assert before["inforce"] is False


def test_discovery_finds_what_the_request_does_not_name(member: Member) -> None:
    second = cover(member.api, member.payer, member.patient)
    for request in (member.request("discovery"), member.request("validation", insurance=None)):
        found = {one["coverage"]["reference"] for one in insurance(member.ask(request))}
        assert found == {member.coverage, second}
    (named,) = insurance(member.ask(member.request("validation")))
    assert named["coverage"]["reference"] == member.coverage


def test_benefits_show_what_a_claim_has_used(member: Member) -> None:
    def deductible_used() -> str:
        (one,) = insurance(member.ask(member.request("benefits")))
        benefits = [benefit for item in one["item"] for benefit in item.get("benefit", [])]
        found = [b for b in benefits if b["type"]["coding"][0]["code"] == "deductible"]
        return str(found[0]["usedMoney"]["value"])

    assert deductible_used() == "0.00"
    member.submit(member.claim(item(1, "LAB", "95.00")))
    assert deductible_used() == "40.00"


def test_auth_requirements_answer_for_the_services_asked_about(world: World) -> None:
    member = insure(world, auth_required=[token("XRAY")])
    items = [{"productOrService": concept(code)} for code in ("XRAY", "LAB", "CREAM")]
    (one,) = insurance(member.ask(member.request("auth-requirements", item=items)))
    told = {
        each["productOrService"]["coding"][0]["code"]: (each["authorizationRequired"], each["excluded"])
        for each in one["item"]
    }
    assert told == {"XRAY": (True, False), "LAB": (False, False), "CREAM": (False, True)}
    assert {each["productOrService"]["coding"][0]["system"] for each in one["item"]} == {SYSTEM}


def test_all_four_purposes_in_one_request_are_answered(member: Member) -> None:
    purposes = ("auth-requirements", "benefits", "discovery", "validation")
    told = member.ask(member.request(*purposes))
    assert parse(told.body)["purpose"] == list(purposes)
    assert told.status == 200


def test_a_day_without_a_contract_is_not_in_force(member: Member) -> None:
    open_ended = cover(member.api, member.payer, member.patient, period={"start": "2020-01-01"})
    request = member.request(servicedDate="2027-01-01", insurance=[{"coverage": {"reference": open_ended}}])
    (one,) = insurance(member.ask(request))
    assert one["inforce"] is False


def test_question_and_answer_are_one_act_with_both_parties_named(member: Member) -> None:
    told = member.ask(member.request(provider={"reference": member.clinic.reference}))
    (question,), (answer,) = (
        member.stored(type_) for type_ in ("CoverageEligibilityRequest", "CoverageEligibilityResponse")
    )
    assert question.event.id == answer.event.id == told.headers["carevouch-event"]
    assert answer.event.type == "eligibility.answered"
    said = parse(answer.body)
    assert said["request"]["reference"] == str(question.doc)
    assert said["insurer"]["reference"] == member.payer.reference
    assert said["requestor"]["reference"] == member.clinic.reference


def test_the_payer_and_the_persons_device_may_ask_too(member: Member) -> None:
    device = bind_device(member.world, member.clinic, member.patient)
    assert member.ask(member.request(), member.payer).status == 200
    told = member.api.call("POST", ASK, render(member.request()), device.who)
    assert told.status == 200
    assert "requestor" not in told.json()


def test_a_retry_with_its_key_is_told_the_same(member: Member) -> None:
    first = post(member.api, ASK, member.request(), member.clinic, idempotency_key="k")
    member.submit(member.worked())
    again = post(member.api, ASK, member.request(), member.clinic, idempotency_key="k")
    assert first.body == again.body
    assert len(member.stored("CoverageEligibilityResponse")) == 1


def test_whoever_has_no_link_is_told_what_a_stranger_is_told(world: World, member: Member) -> None:
    stranger, other_payer = admit(world, "stranger", ["provider"]), admit(world, "other", ["payer"])
    elsewhere = bind_device(world, member.clinic, enrol(world, member.clinic))
    absent = member.request(patient={"reference": "Patient/" + "a" * 26})
    told = [
        member.ask(member.request(), stranger),
        member.ask(member.request(), other_payer),
        member.ask(member.request(insurer={"reference": other_payer.reference}), other_payer),
        member.ask(absent),
        member.ask(absent, member.payer),
        member.api.call("POST", ASK, render(member.request()), elsewhere.who),
    ]
    assert {one.status for one in told} == {404}
    assert len({one.body for one in told}) == 1
    audits = world.reader.month_of_audit(member.patient, "2026-11").latest("AuditEvent")
    assert [parse(audit.body)["outcome"] for audit in audits] == ["4"] * 4
    assert len(world.reader.month_of_audit(None, "2026-11").latest("AuditEvent")) == 2
    assert member.stored("CoverageEligibilityRequest") == []


def test_an_enrolment_is_what_lets_a_second_provider_ask(world: World, member: Member) -> None:
    second = admit(world, "second", ["provider"])
    assert member.ask(member.request(), second).status == 404
    link(world, second, member.patient)
    assert member.ask(member.request(), second).status == 200


def test_an_organisation_that_is_neither_provider_nor_payer_may_not_ask(world: World, member: Member) -> None:
    assert member.ask(member.request(), admit(world, "app", ["app"])).status == 403
    narrow = Who(member.clinic.id, scope="system/Claim.cruds")
    assert member.api.call("POST", ASK, render(member.request()), narrow).status == 403


def test_a_provider_asks_in_its_own_name(world: World, member: Member) -> None:
    other = admit(world, "other", ["provider"])
    assert member.ask(member.request(provider={"reference": other.reference})).status == 422


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"purpose": []}, 400),
        ({"purpose": ["guess"]}, 400),
        ({"status": "draft"}, 400),
        ({"created": "2026-13-01"}, 400),
        ({"servicedDate": "2026-02-30"}, 400),
        ({"servicedDate": "2026"}, 400),
        ({"insurer": None}, 400),
        ({"insurer": {"display": "somebody"}}, 400),
        ({"patient": {"reference": "Group/1"}}, 400),
        ({"item": [{}]}, 400),
        ({"item": [{"productOrService": concept("LAB")}] * 101}, 400),
        ({"surprise": 1}, 400),
        ({"resourceType": "Observation"}, 400),
        ({"insurance": [{"coverage": {"reference": "Coverage/none"}}]}, 422),
        ({"insurance": [{"coverage": {"display": "none"}}]}, 400),
        ({"insurer": {"reference": "Organization/other"}}, 422),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_requests_are_told_what_to_mend_and_leave_nothing(
    member: Member, changes: dict[str, Any], status: int
) -> None:
    told = member.ask(member.request(**changes))
    assert told.status == status, told.body
    assert member.stored("CoverageEligibilityRequest") == []
