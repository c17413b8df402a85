"""Claim/$submit: the worked example, its record, denials, duplicates and retries, through the door."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.claims.decision import replay
from carevouch.events.act import commit
from carevouch.fhir.validate import require_valid
from carevouch.kernel.canonical import parse_jcs
from carevouch.kernel.encoding import b64u
from carevouch.kernel.jsontext import parse
from tests.people import admit, enrol
from tests.service.claims.member import (
    ASK,
    SUBMIT,
    Member,
    contract_of,
    cover,
    hash_of,
    insure,
    line_amounts,
    new_api,
    post,
    register_contract,
    totals,
)
from tests.unit.claims.cases import token
from tests.unit.claims.resources import concept, fhir_coverage, item, usd
from tests.world import World


def test_the_worked_example_comes_out_of_the_door_to_the_cent(member: Member) -> None:
    told = member.submit(member.worked())
    assert told.status == 200, told.body
    assert line_amounts(told, 0) == {
        "submitted": "180.00", "eligible": "120.00", "CO-45": "60.00", "PR-3": "25.00", "benefit": "95.00"
    }  # fmt: skip
    assert line_amounts(told, 1) == {
        "submitted": "95.00", "eligible": "40.00", "CO-45": "55.00", "PR-1": "40.00", "benefit": "0.00"
    }  # fmt: skip
    assert line_amounts(told, 2) == {
        "submitted": "310.00", "eligible": "200.00", "CO-45": "110.00", "PR-1": "55.00", "benefit": "145.00"
    }  # fmt: skip
    assert line_amounts(told, 3) == {
        "submitted": "30.00", "eligible": "0.00", "PR-96": "30.00", "benefit": "0.00"
    }  # fmt: skip
    assert totals(told) == {
        "submitted": "615.00", "eligible": "360.00", "deductible": "95.00", "copay": "25.00",
        "coinsurance": "0.00", "contractual": "225.00", "patient": "150.00", "benefit": "240.00",
    }  # fmt: skip
    assert parse(told.body)["payment"]["amount"]["value"].text == "240.00"


def test_after_the_worked_example_55_of_the_deductible_and_none_of_the_out_of_pocket_limit_is_left(
    member: Member,
) -> None:
    member.submit(member.worked())
    told = parse(member.ask(member.request()).body)
    (plan,) = [
        one
        for one in told["insurance"][0]["item"]
        if one["category"]["coding"][0]["system"].endswith("ex-benefitcategory")
    ]
    found = {
        one["type"]["coding"][0]["code"]: (one["allowedMoney"]["value"].text, one["usedMoney"]["value"].text)
        for one in plan["benefit"]
    }
    assert found == {"deductible": ("150.00", "95.00"), "out-of-pocket": ("120.00", "120.00")}


def test_one_act_holds_claim_response_decision_and_accumulator(member: Member) -> None:
    told = member.submit(member.worked())
    stored = [member.stored(type_)[0] for type_ in ("Claim", "ClaimResponse", "Decision", "Accumulator")]
    assert {one.event.id for one in stored} == {told.headers["carevouch-event"]}
    assert stored[0].event.type == "claim.adjudicated"
    assert stored[0].event.contract == hash_of(member.contract)
    assert stored[0].event.count == 4


def test_the_answer_says_where_it_is_and_gives_a_receipt(member: Member) -> None:
    told = member.submit(member.worked())
    response = told.json()
    assert told.headers["location"].endswith(f"/fhir/ClaimResponse/{response['id']}/_history/1")
    assert told.headers["etag"] == 'W/"1"'
    assert len(told.headers["carevouch-receipt"].split(" ")) == 2
    assert response["request"]["reference"] == str(member.stored("Claim")[0].doc)
    assert response["extension"][2]["valueString"] == f"{member.stored('Decision')[0].doc}/_history/1"


def test_both_parties_stand_in_claim_and_response(member: Member) -> None:
    response = member.submit(member.worked()).json()
    claim = parse(member.stored("Claim")[0].body)
    assert response["insurer"]["reference"] == claim["insurer"]["reference"] == member.payer.reference
    assert response["requestor"]["reference"] == claim["provider"]["reference"] == member.clinic.reference
    assert response["meta"]["source"] == claim["meta"]["source"] == member.clinic.reference


def test_what_a_client_says_of_id_author_and_addresses_is_not_kept(member: Member) -> None:
    base = "https://carevouch.test/fhir"
    told = member.submit(
        member.worked(
            meta={"source": "Organization/other", "versionId": "9"},
            patient={"reference": f"{base}/{member.reference}"},
            insurer={"reference": f"{base}/{member.payer.reference}", "display": "Insurer"},
        )
    )
    claim = parse(member.stored("Claim")[0].body)
    assert told.status == 200, told.body
    assert claim["id"] != "c1"
    assert (claim["meta"]["source"], claim["meta"]["versionId"]) == (member.clinic.reference, "1")
    assert claim["patient"] == {"reference": member.reference}
    assert claim["insurer"] == {"reference": member.payer.reference, "display": "Insurer"}


@pytest.mark.parametrize("wrapper", ["Parameters", "Bundle", "both"])
def test_a_claim_is_taken_out_of_its_wrapper(member: Member, wrapper: str) -> None:
    coverage = {**fhir_coverage(), "id": "copy"}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:0b2f7a5e-52ac-4d21-9b3f-6b4f2e1c0d01", "resource": member.worked()},
            {"fullUrl": "urn:uuid:0b2f7a5e-52ac-4d21-9b3f-6b4f2e1c0d02", "resource": coverage},
        ],
    }
    inside = bundle if wrapper == "both" else member.worked()
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": inside}]}
    told = member.submit(bundle if wrapper == "Bundle" else parameters)
    assert told.status == 200, told.body
    assert totals(told)["benefit"] == "240.00"


def test_the_operation_may_be_escaped_in_the_address(member: Member) -> None:
    told = post(member.api, "/fhir/Claim/%24submit", member.worked(), member.clinic)
    assert told.status == 200, told.body


def test_a_claim_denied_in_full_is_answered_and_counts_nothing(member: Member) -> None:
    told = member.submit(member.claim(item(1, "CREAM", "30.00"), item(2, "UNKNOWN", "10.00")))
    assert told.status == 200
    assert told.json()["disposition"].startswith("Denied")
    assert "payment" not in told.json()
    assert line_amounts(told, 0)["PR-96"] == "30.00"
    assert line_amounts(told, 1)["PR-204"] == "10.00"
    assert member.stored("Accumulator") == []


def test_the_same_service_again_is_a_duplicate_and_paid_once(member: Member) -> None:
    assert totals(member.submit(member.worked()))["benefit"] == "240.00"
    again = member.submit(member.worked())
    assert again.status == 200
    assert totals(again)["benefit"] == "0.00"
    assert line_amounts(again, 0)["CO-18"] == "180.00"
    assert line_amounts(again, 3)["PR-96"] == "30.00"  # what was denied before was not answered before


def test_a_service_a_cent_dearer_is_another_service(member: Member) -> None:
    member.submit(member.claim(item(1, "VISIT", "180.00")))
    told = member.submit(member.claim(item(1, "VISIT", "180.01")))
    assert totals(told)["benefit"] == "95.00"


def test_another_payers_answer_is_no_duplicate(member: Member) -> None:
    other = admit(member.world, "other insurer", ["payer"])
    data = contract_of(other, member.clinic)
    assert register_contract(member.api, other, data).status == 201
    second = cover(member.api, other, member.patient)
    member.submit(member.worked())
    told = member.submit(
        member.worked(insurance=[{"sequence": 1, "focal": True, "coverage": {"reference": second}}])
    )
    assert totals(told)["benefit"] == "240.00"
    assert len(member.stored("Decision")) == 2


def test_a_retry_with_its_key_is_told_the_same_and_stores_nothing(member: Member) -> None:
    first = member.submit(member.worked(), idempotency_key="k-1")
    rows = dict(member.world.rows.rows)  # type: ignore[attr-defined]
    again = member.submit(member.worked(), idempotency_key="k-1")
    elsewhere = replace(member, api=new_api(member.world)).submit(member.worked(), idempotency_key="k-1")
    assert first.status == again.status == elsewhere.status == 200
    assert first.body == again.body == elsewhere.body
    assert first.headers["carevouch-event"] == again.headers["carevouch-event"]
    assert first.headers["location"] == again.headers["location"]
    assert member.world.rows.rows == rows  # type: ignore[attr-defined]


def test_a_key_used_for_another_claim_is_refused(member: Member) -> None:
    member.submit(member.worked(), idempotency_key="k-1")
    told = member.submit(member.claim(item(1, "VISIT", "180.00")), idempotency_key="k-1")
    assert told.status == 422
    assert len(member.stored("Claim")) == 1


def test_the_same_key_for_two_people_names_two_acts(world: World, member: Member) -> None:
    second = enrol(world, member.clinic)
    other = replace(member, patient=second, coverage=cover(member.api, member.payer, second))
    told = [one.submit(one.worked(), idempotency_key="k-1") for one in (member, other)]
    assert [answer.status for answer in told] == [200, 200]
    # An event id that stood for two acts would be one entry in the log, and the second act no event.
    assert len({answer.headers["carevouch-event"] for answer in told}) == 2


def test_the_same_key_for_two_kinds_of_request_names_two_acts(member: Member) -> None:
    told = [
        post(member.api, path, body, member.clinic, idempotency_key="k-1")
        for path, body in ((SUBMIT, member.worked()), (ASK, member.request()))
    ]
    assert [answer.status for answer in told] == [200, 200]
    assert len({answer.headers["carevouch-event"] for answer in told}) == 2


def test_without_a_key_a_retry_is_a_new_act_that_finds_duplicates(member: Member) -> None:
    first, again = member.submit(member.worked()), member.submit(member.worked())
    assert first.headers["carevouch-event"] != again.headers["carevouch-event"]
    assert len(member.stored("Claim")) == 2
    assert [one.version for one in member.decisions()] == [1, 2]


def test_the_recorded_decision_replays_from_what_is_stored(member: Member) -> None:
    member.submit(member.worked())
    member.submit(member.worked(total=None))
    shown = member.api.call("GET", f"/claims/contracts/{hash_of(member.contract)}", who=member.payer.who)
    assert hash_of(member.contract) == shown.json()["hash"]
    for stored in member.decisions():
        result = replay(stored.body, member.contract)
        assert result.contract == shown.json()["hash"]
    flipped = member.decisions()[0].body.replace(b'"paid_cents":9500', b'"paid_cents":9501')
    with pytest.raises(Exception, match="differs"):
        replay(flipped, member.contract)


def test_a_decision_names_its_inputs_as_their_openings_show_them(member: Member) -> None:
    member.submit(member.claim(item(1, "LAB", "95.00")))
    before = member.stored("Accumulator")[0]
    member.submit(member.claim(item(1, "XRAY", "310.00")))
    inputs = parse_jcs(member.decisions()[1].body, "the decision")["inputs"]
    contract = member.api.call("GET", f"/claims/contracts/{hash_of(member.contract)}", who=member.payer.who)
    for name, stored in {
        "accumulator": before,
        "coverage": member.find(member.coverage),
        "contract": member.find(contract.json()["document"]),
    }.items():
        revision = stored.revision
        assert inputs[name] == {
            "event": stored.event.id,
            "commit": b64u(commit(revision.nonce, revision.body)),
        }
    assert set(inputs) == {"accumulator", "coverage", "contract"}


def test_accumulators_carry_over_from_claim_to_claim(member: Member) -> None:
    lab = line_amounts(member.submit(member.claim(item(1, "LAB", "95.00"))), 0)
    xray = line_amounts(member.submit(member.claim(item(1, "XRAY", "310.00"))), 0)
    assert (lab["PR-1"], lab["benefit"]) == ("40.00", "0.00")
    # 110.00 of the deductible and 18.00 of coinsurance were due; 80.00 of the out-of-pocket limit was left.
    assert (xray["PR-1"], xray["benefit"]) == ("80.00", "120.00")
    assert member.stored("Accumulator")[0].version == 2


def test_members_of_a_family_use_up_one_deductible_and_amounts_are_all_it_holds(world: World) -> None:
    limit = {"individual_cents": 15000, "family_cents": 15000, "family_rule": "aggregate"}
    one = insure(world, deductible=limit, out_of_pocket=None)
    family = [
        {"type": concept("plan"), "value": "SILVER"},
        {"type": concept("family"), "value": "F-77"},
    ]
    people = [enrol(world, one.clinic) for _ in range(2)]
    covers = [cover(one.api, one.payer, person, **{"class": family}) for person in people]
    insured = [
        replace(one, patient=person, coverage=covered) for person, covered in zip(people, covers, strict=True)
    ]
    first = line_amounts(insured[0].submit(insured[0].claim(item(1, "XRAY", "310.00"))), 0)
    second = line_amounts(insured[1].submit(insured[1].claim(item(1, "XRAY", "310.00"))), 0)
    alone = line_amounts(one.submit(one.claim(item(1, "XRAY", "310.00"))), 0)
    assert (first["PR-1"], first["PR-2"]) == ("150.00", "10.00")
    assert "PR-1" not in second
    assert alone["PR-1"] == "150.00"
    (shared,) = world.reader.directory("Accumulator").latest("Accumulator")
    assert shared.version == 2
    assert parse_jcs(shared.body, "it") == {
        "v": 1,
        "used": {"version": 2, "deductible_cents": 15000, "oop_cents": 20000},
    }
    assert not any(person in str(shared.doc) for person in people)


@pytest.mark.parametrize(
    "changes",
    [
        {"item": [item(1, "VISIT", "180.00")]},
        {"item": [item(1, "CREAM", "30.00")]},
        {"item": [item(1, "NOWHERE", "0.01"), item(2, "LAB", "40.00")]},
        {"item": [item(1, "XRAY", "0.00")]},
        {"item": [item(1, "LAB", "95.00", servicedDate="2026-11-22"), item(7, "LAB", "95.00")]},
        {"item": [item(1, "LAB", "200.00", quantity={"value": 2}, unitPrice=usd("100.00"))]},
        {"insurance": "second"},
    ],
)
def test_every_kind_of_answer_is_valid_fhir(member: Member, changes: dict[str, Any]) -> None:
    if changes.get("insurance") == "second":
        first = {"sequence": 1, "focal": False, "coverage": {"display": "another plan"}}
        ours = {"sequence": 2, "focal": True, "coverage": {"reference": member.coverage}}
        changes = {"insurance": [first, ours], "item": [item(1, "LAB", "95.00")]}
    told = member.submit(member.claim(**changes))
    assert told.status == 200, told.body
    require_valid(parse(told.body), "ClaimResponse")
    require_valid(parse(member.stored("Claim")[0].body), "Claim")


def test_the_contract_of_the_day_of_service_decides(member: Member) -> None:
    changes = {"effective": {"start": "2027-01-01", "end": "2027-12-31"}, "coinsurance_bp": 0}
    fees = {"in_network": {token("LAB"): 1000}}
    data = contract_of(
        member.payer, member.clinic, **changes, fees=fees, deductible=None, categories={}, codes={}
    )
    assert register_contract(member.api, member.payer, data).status == 201
    member.world.clock.now = "2027-02-01T10:00:00.000Z"
    cover_all = cover(member.api, member.payer, member.patient, period={"start": "2026-01-01"})
    insurance = [{"sequence": 1, "focal": True, "coverage": {"reference": cover_all}}]
    old = member.submit(member.claim(item(1, "LAB", "95.00"), insurance=insurance))
    new = member.submit(member.claim(item(1, "LAB", "95.00", servicedDate="2027-01-01"), insurance=insurance))
    assert line_amounts(old, 0)["eligible"] == "40.00"
    assert line_amounts(new, 0)["eligible"] == "10.00"
    assert len(member.stored("Accumulator")) == 1  # nothing was owed under the new one


def test_a_hundred_items_fit_one_act_and_one_more_is_refused(member: Member) -> None:
    items = [item(at + 1, "LAB", f"{50 + at}.00") for at in range(100)]
    assert member.submit(member.claim(*items)).status == 200
    told = member.submit(member.claim(*items, item(101, "LAB", "10.00")))
    assert told.status == 400
    assert len(member.stored("Claim")) == 1
