"""Claims that are refused: by whom, about whom, and for what; none leaves anything half-written."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from carevouch.kernel.ids import Doc, directory, part
from carevouch.kernel.jsontext import Number, parse, render
from carevouch.store.documents import ActPlan, Draft, StoredAnswer
from tests.api import Who
from tests.people import act, admit, bind_device, enrol, link, readmit, record
from tests.service.claims.member import ASK, SUBMIT, Member, contract_of, cover, post, register_contract
from tests.service.claims.test_coverage import revisions
from tests.unit.claims.resources import concept, item, usd
from tests.world import World


def test_absent_erased_and_not_linked_are_told_alike_and_audited(world: World, member: Member) -> None:
    stranger = admit(world, "stranger", ["provider"])
    gone = enrol(world, member.clinic)
    world.key_rows.entomb(f"P#{gone}", world.clock(), ())
    mine = {"provider": {"reference": stranger.reference}}
    told = [
        member.submit(member.worked(**mine), stranger),
        member.submit(member.worked(patient={"reference": f"Patient/{gone}"})),
        member.submit(member.worked(patient={"reference": "Patient/" + "a" * 26})),
        member.submit(member.worked(patient={"reference": "Patient/none-of-ours"})),
    ]
    assert {one.status for one in told} == {404}
    assert len({one.body for one in told}) == 1
    (audit,) = world.reader.month_of_audit(member.patient, "2026-11").latest("AuditEvent")
    assert parse(audit.body)["agent"][0]["who"]["reference"] == stranger.reference
    assert len(world.reader.month_of_audit(None, "2026-11").latest("AuditEvent")) == 3


def test_a_stored_claim_is_its_own_audit(world: World, member: Member) -> None:
    member.submit(member.worked())
    assert world.reader.month_of_audit(member.patient, "2026-11").latest("AuditEvent") == []


def test_a_refusal_that_cannot_be_audited_is_not_told(world: World, member: Member) -> None:
    stranger = admit(world, "stranger", ["provider"])
    member.submit(member.claim(item(1, "LAB", "1.00")))
    world.rows.faults.plan = {world.rows.faults.writes + at: "dropped" for at in range(1, 9)}  # type: ignore[attr-defined]
    told = member.submit(member.worked(provider={"reference": stranger.reference}), stranger)
    assert told.status == 503


def test_only_providers_with_the_scope_submit(world: World, member: Member) -> None:
    device = bind_device(world, member.clinic, member.patient)
    claim = render(member.worked())
    assert member.submit(member.worked(), member.payer).status == 403
    assert member.api.call("POST", SUBMIT, claim, device.who).status == 403
    assert (
        member.api.call("POST", SUBMIT, claim, Who(member.clinic.id, scope="system/Claim.rs")).status == 403
    )
    assert member.api.call("POST", SUBMIT, claim).status == 401
    assert member.stored("Claim") == []


def test_nobody_submits_in_another_providers_name(world: World, member: Member) -> None:
    second = admit(world, "second", ["provider"])
    link(world, second, member.patient)
    assert member.submit(member.worked(), second).status == 422
    mine = member.worked(provider={"reference": second.reference})
    told = member.submit(mine, second)
    assert told.status == 200  # outside the network, as the contract says
    assert "payment" not in told.json()


def test_a_claim_names_the_payer_of_its_coverage_or_none(world: World, member: Member) -> None:
    other = admit(world, "other", ["payer"])
    assert member.submit(member.worked(insurer={"reference": other.reference})).status == 422
    assert member.submit(member.worked(insurer={"reference": member.payer.reference})).status == 200


def test_another_persons_coverage_is_as_unknown_as_none(world: World, member: Member) -> None:
    neighbour = enrol(world, member.clinic)
    theirs = cover(member.api, member.payer, neighbour)
    bodies = set()
    for reference in (theirs, f"Coverage/{member.patient}.{'a' * 26}", "Coverage/x", member.reference, "#x"):
        insurance = [{"sequence": 1, "focal": True, "coverage": {"reference": reference}}]
        told = member.submit(member.worked(insurance=insurance))
        assert told.status in (422, 400), reference
        if told.status == 422:
            bodies.add(told.body)
    assert len(bodies) == 1
    assert member.stored("Claim") == []


def test_a_day_without_a_contract_is_said_so(member: Member) -> None:
    told = member.submit(member.claim(item(1, "LAB", "95.00", servicedDate="2025-12-31")))
    assert told.status == 422
    assert "contract" in told.json()["issue"][0]["diagnostics"]


def test_items_of_two_contracts_are_to_be_sent_apart(member: Member) -> None:
    year = {"start": "2026-11-01", "end": "2027-10-31"}
    terms = contract_of(member.payer, member.clinic, plan="GOLD", effective=year)
    assert register_contract(member.api, member.payer, terms).status == 201
    gold = [{"type": concept("plan"), "value": "GOLD"}]
    covered = cover(
        member.api, member.payer, member.patient, **{"class": gold, "period": {"start": "2026-01-01"}}
    )
    insurance = [{"sequence": 1, "focal": True, "coverage": {"reference": covered}}]
    items = [
        item(1, "LAB", "95.00", servicedDate="2026-11-01"),
        item(2, "LAB", "95.00", servicedDate="2026-10-31"),
    ]
    assert member.submit(member.claim(*items, insurance=insurance)).status == 422


def test_a_role_of_the_directory_may_stand_for_its_organisation(world: World, member: Member) -> None:
    role = {
        "resourceType": "PractitionerRole",
        "organization": {"reference": member.clinic.reference},
        "id": "r",
    }
    ours = in_directory(world, member, role)
    theirs = in_directory(world, member, {**role, "organization": {"reference": member.payer.reference}})
    assert member.submit(member.worked(provider={"reference": ours})).status == 200
    assert member.submit(member.worked(provider={"reference": theirs})).status == 422
    assert member.submit(member.worked(provider={"reference": "PractitionerRole/x"})).status == 422


def in_directory(world: World, member: Member, resource: dict[str, Any]) -> str:
    doc = Doc(resource["resourceType"], directory(part(os.urandom(16))))
    draft = Draft(doc, render({**resource, "id": doc.id}))
    act(
        world,
        "records",
        member.clinic.id,
        doc,
        lambda _: ActPlan("records.stored", (draft,), StoredAnswer(201)),
    )
    return str(doc)


@pytest.mark.parametrize("id_", ["$validate", "c1", "$", "$submit2", "%24submi"])
def test_the_one_operation_is_submit(member: Member, id_: str) -> None:
    for type_ in ("Claim", "CoverageEligibilityRequest"):
        told = post(member.api, f"/fhir/{type_}/{id_}", member.worked(), member.clinic)
        assert told.status == 404
        assert "$submit" in told.json()["issue"][0]["diagnostics"]


Changed = Callable[[Member], Any]
BAD: dict[str, tuple[int, Changed]] = {
    "nothing": (400, lambda _: b""),
    "half a document": (400, lambda _: b'{"resourceType":"Claim"'),
    "a list": (400, lambda _: b"[]"),
    "no text": (400, lambda _: b"\xff\xfe"),
    "a number twice": (400, lambda _: b'{"resourceType":"Claim","resourceType":"Claim"}'),
    "another type": (400, lambda m: {"resourceType": "Patient"}),
    "no type": (400, lambda m: {**m.worked(), "resourceType": None}),
    "a Bundle without a claim": (400, lambda _: {"resourceType": "Bundle", "type": "collection"}),
    "two claims": (
        400,
        lambda m: {
            "resourceType": "Parameters",
            "parameter": [{"name": "resource", "resource": m.worked()}] * 2,
        },
    ),
    "an unknown element": (400, lambda m: m.worked(surprise=1)),
    "an impossible date": (400, lambda m: m.claim(item(1, "LAB", "1.00", servicedDate="2026-02-30"))),
    "a date to come": (400, lambda m: m.claim(item(1, "LAB", "1.00", servicedDate="2026-12-24"))),
    "no date": (400, lambda m: m.claim(item(1, "LAB", "1.00", servicedDate=None))),
    "a fraction of a cent": (400, lambda m: m.claim(item(1, "LAB", "1.005"))),
    "an absurd amount": (400, lambda m: m.claim(item(1, "LAB", "1e30"))),
    "a negative amount": (400, lambda m: m.claim(item(1, "LAB", "-1.00"))),
    "no amount": (400, lambda m: m.claim(item(1, "LAB", "1.00", net=None))),
    "a wrong total": (400, lambda m: m.worked(total=usd("615.01"))),
    "another currency": (422, lambda m: m.claim(item(1, "LAB", "1.00", net={"value": 1, "currency": "EUR"}))),
    "no items": (400, lambda m: m.claim(item=None)),
    "101 items": (400, lambda m: m.claim(*[item(at + 1, "LAB", "1.00") for at in range(101)])),
    "a sequence twice": (400, lambda m: m.claim(item(1, "LAB", "1.00"), item(1, "LAB", "2.00"))),
    "no quantity": (400, lambda m: m.claim(item(1, "LAB", "1.00", quantity={"value": 0}))),
    "no insurance": (400, lambda m: m.worked(insurance=None)),
    "no focal insurance": (
        400,
        lambda m: m.worked(
            insurance=[{"sequence": 1, "focal": False, "coverage": {"reference": m.coverage}}]
        ),
    ),
    "a coverage without reference": (
        400,
        lambda m: m.worked(insurance=[{"sequence": 1, "focal": True, "coverage": {"display": "plan"}}]),
    ),
    "a coverage of nobody": (
        422,
        lambda m: m.worked(
            insurance=[{"sequence": 1, "focal": True, "coverage": {"reference": "Coverage/x"}}]
        ),
    ),
    "a preauthorization": (422, lambda m: m.worked(use="preauthorization")),
    "a draft": (400, lambda m: m.worked(status="draft")),
    "a replacement": (
        422,
        lambda m: m.worked(related=[{"relationship": concept("prior"), "claim": {"display": "x"}}]),
    ),
    "a person of no server": (400, lambda m: m.worked(patient={"display": "somebody"})),
    "a group": (400, lambda m: m.worked(patient={"reference": "Group/1"})),
    "a quantity that is text": (400, lambda m: m.claim(item(1, "LAB", "1.00", quantity={"value": "1"}))),
    "three megabytes of code": (400, lambda m: m.claim(item(1, "x" * 3_000_000, "1.00"))),
    "three megabytes of text": (
        400,
        lambda m: m.worked(text={"status": "generated", "div": "x" * 3_000_000}),
    ),
    "half a megabyte of text": (
        413,
        lambda m: m.worked(supportingInfo=[note("x" * 500_000)]),
    ),
    "five megabytes": (413, lambda m: m.worked(supportingInfo=[note("x" * 5_000_000)])),
    "deep": (400, lambda _: b"[" * 5000),
}


def note(text: str) -> dict[str, Any]:
    return {"sequence": 1, "category": concept("info"), "valueString": text}


@pytest.mark.parametrize("name", BAD)
def test_bad_claims_are_told_what_to_mend_and_leave_nothing(member: Member, name: str) -> None:
    status, changed = BAD[name]
    rows = revisions(member)
    told = member.submit(changed(member))
    assert told.status == status, told.body[:500]
    assert told.json()["resourceType"] == "OperationOutcome"
    assert told.json()["issue"][0]["diagnostics"]
    assert revisions(member) == rows


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b"])
def test_a_bad_idempotency_key_is_refused(member: Member, key: str) -> None:
    assert member.submit(member.worked(), idempotency_key=key).status == 400


def test_a_suspended_provider_submits_nothing(world: World, member: Member) -> None:
    readmit(world, member.clinic, status="suspended")
    assert member.submit(member.worked()).status == 403


def test_a_claim_after_the_erasure_of_the_person_is_refused_and_stores_nothing(
    world: World, member: Member
) -> None:
    rows = revisions(member)
    world.key_rows.close(f"P#{member.patient}")
    assert member.submit(member.worked()).status == 404
    assert revisions(member) == rows


def test_no_answer_and_no_log_line_repeats_what_a_claim_said(
    member: Member, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "secret-code-4711"
    member.submit(member.claim(item(1, secret, "1.00", net={"value": Number("1.005"), "currency": "USD"})))
    member.submit(member.claim(item(1, secret, "1.00"), surprise=secret))
    member.submit(member.claim(item(1, secret, "1.00"), provider={"reference": f"Organization/{secret}"}))
    record(member.world, member.clinic, member.patient, {"resourceType": "Basic", "code": concept(secret)})
    told = [
        member.submit(member.claim(item(1, secret, "1.00", servicedDate=secret))),
        member.submit(member.claim(item(1, "LAB", "1.00"), patient={"reference": f"Patient/{secret}"})),
    ]
    for answer in told:
        assert secret not in answer.body.decode()
    out = capsys.readouterr()
    assert secret not in out.out + out.err
    assert member.patient not in out.out + out.err


@pytest.mark.parametrize("who", ["role", "scope"])
@pytest.mark.parametrize("what", ["claim", "eligibility", "coverage"])
def test_a_refusal_for_role_or_scope_is_audited_once_with_the_person(
    world: World, member: Member, what: str, who: str
) -> None:
    coverage = member.find(member.coverage)
    sent: dict[str, tuple[str, Any]] = {
        "claim": (SUBMIT, member.worked()),
        "eligibility": (ASK, member.request()),
        "coverage": ("/fhir/Coverage", parse(coverage.body)),
    }
    fitting = member.payer if what == "coverage" else member.clinic
    callers = {
        "role": admit(world, "auditor", ["auditor"]).who,
        "scope": Who(fitting.id, scope="system/Observation.cruds"),
    }
    path, body = sent[what]
    assert member.api.call("POST", path, render(body), callers[who]).status == 403
    (audit,) = world.reader.month_of_audit(member.patient, "2026-11").latest("AuditEvent")
    assert parse(audit.body)["outcomeDesc"] == "forbidden"
