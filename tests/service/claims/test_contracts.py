"""Contracts through the door: who may register which, what stands in the way, and how they are found."""

import threading
from typing import Any

import pytest

from carevouch.claims.contract import CONTRACT_TYP, contract_payload, verify_contract
from carevouch.kernel.canonical import jcs, parse_jcs
from carevouch.kernel.encoding import b64u
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import sign
from tests.api import Api, Who
from tests.people import Organization, admit, readmit
from tests.service.claims.member import contract_doc_of, contract_of, hash_of, new_api, register_contract
from tests.unit.claims.cases import terms
from tests.world import World, new_key


@pytest.fixture
def api(world: World) -> Api:
    return new_api(world)


@pytest.fixture
def payer(world: World) -> Organization:
    return admit(world, "insurer", ["payer"])


@pytest.fixture
def clinic(world: World) -> Organization:
    return admit(world, "clinic", ["provider"])


def half(payer: Organization, clinic: Organization, start: str, end: str, **changes: Any) -> bytes:
    effective = {"start": start, "end": end}
    year = {"start": "2026-01-01", "end": "2026-12-31"}
    return contract_of(payer, clinic, effective=effective, plan_year=year, **changes)


def test_a_contract_is_registered_under_the_hash_of_its_canonical_bytes(
    world: World, api: Api, payer: Organization, clinic: Organization
) -> None:
    data = contract_of(payer, clinic)
    told = register_contract(api, payer, data)
    assert told.status == 201
    assert told.json()["hash"] == hash_of(data)
    assert told.headers["location"] == f"https://carevouch.test/claims/contracts/{hash_of(data)}"
    stored = world.reader.find(contract_doc_of(told))
    assert stored is not None
    assert (stored.event.type, stored.event.contract) == ("contract.registered", hash_of(data))
    assert jcs(parse_jcs(stored.body, "it")["contract"]) == data


def test_base64url_and_any_layout_register_the_same_contract(
    api: Api, payer: Organization, clinic: Organization
) -> None:
    data = contract_of(payer, clinic)
    first = register_contract(api, payer, data, contract=b64u(data))
    shuffled = dict(reversed(list(parse_jcs(data, "it").items())))
    second = register_contract(api, payer, data, contract=shuffled)
    assert (first.status, second.status) == (201, 200)
    assert first.json()["document"] == second.json()["document"]


def test_registering_again_changes_nothing_and_tells_the_same_receipt(
    world: World, api: Api, payer: Organization, clinic: Organization
) -> None:
    data = contract_of(payer, clinic)
    first = register_contract(api, payer, data)
    rows = dict(world.rows.rows)  # type: ignore[attr-defined]
    again = register_contract(new_api(world), payer, data)
    assert again.status == 200
    assert again.json() == first.json()
    assert world.rows.rows == rows  # type: ignore[attr-defined]


def test_a_contract_is_found_by_hash_and_by_document_and_shows_its_signature(
    world: World, api: Api, payer: Organization, clinic: Organization
) -> None:
    data = contract_of(payer, clinic)
    told = register_contract(api, payer, data).json()
    by_hash = api.call("GET", f"/claims/contracts/{told['hash']}", who=clinic.who)
    by_id = api.call("GET", f"/claims/contracts/{told['document'].split('/')[1]}", who=clinic.who)
    assert by_hash.status == by_id.status == 200
    assert by_hash.json() == by_id.json()
    assert jcs(by_hash.json()["contract"]) == data
    assert verify_contract(by_hash.json()["signature"], payer.key.jwk, data) == told["hash"]


@pytest.mark.parametrize(
    "id_",
    [
        "0" * 64,
        "d." + "a" * 26,
        "a" * 26 + "." + "a" * 26,
        "x",
        "0" * 63,
        "d.",
        "é",
        "$submit",
        "d." + "A" * 26,
    ],
)
def test_an_unknown_contract_is_not_found(api: Api, payer: Organization, id_: str) -> None:
    assert api.call("GET", f"/claims/contracts/{id_}", who=payer.who).status == 404


def test_reading_a_contract_needs_its_scope_and_an_admission(
    world: World, api: Api, payer: Organization, clinic: Organization
) -> None:
    path = f"/claims/contracts/{register_contract(api, payer, contract_of(payer, clinic)).json()['hash']}"
    assert api.call("GET", path, who=Who(clinic.id, scope="system/Claim.cruds")).status == 403
    assert api.call("GET", path).status == 401
    assert api.call("GET", path, who=Who("d." + "a" * 26)).status == 401
    readmit(world, clinic, status="suspended")
    assert api.call("GET", path, who=clinic.who).status == 403


def test_what_looks_doubtful_comes_back_as_warnings(
    api: Api, payer: Organization, clinic: Organization
) -> None:
    told = register_contract(api, payer, contract_of(payer, clinic, timely_filing_days=0)).json()
    assert "same-day-filing" in {warning["code"] for warning in told["warnings"]}


def test_only_the_payer_it_names_registers_a_contract(
    world: World, api: Api, payer: Organization, clinic: Organization
) -> None:
    other = admit(world, "other", ["payer"])
    assert register_contract(api, other, contract_of(payer, clinic)).status == 403
    named_clinic = contract_of(clinic, clinic)
    assert register_contract(api, clinic, named_clinic).status == 403


def test_a_signature_by_a_strange_key_or_over_other_terms_is_refused(
    api: Api, payer: Organization, clinic: Organization
) -> None:
    data, other = contract_of(payer, clinic), contract_of(payer, clinic, coinsurance_bp=1999)
    signed = {
        "strange key": sign(contract_payload(data), CONTRACT_TYP, new_key()),
        "other terms": sign(contract_payload(other), CONTRACT_TYP, payer.key),
        "other type": sign(contract_payload(data), "carevouch-event+jws", payer.key),
    }
    for name, signature in signed.items():
        told = register_contract(api, payer, data, signature=signature)
        assert told.status == 403, name
    assert register_contract(api, payer, data, signature="a.b.c").status == 400


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2026-07-01", "2026-12-31", 201),
        ("2026-06-30", "2026-12-31", 409),
        ("2026-01-01", "2026-02-28", 201),
        ("2026-01-01", "2026-03-01", 409),
        ("2026-04-01", "2026-04-01", 409),
        ("2026-01-01", "2026-12-31", 409),
    ],
)
def test_ranges_of_one_plan_never_overlap_by_a_day(
    api: Api, payer: Organization, clinic: Organization, start: str, end: str, status: int
) -> None:
    assert register_contract(api, payer, half(payer, clinic, "2026-03-01", "2026-06-30")).status == 201
    later = half(payer, clinic, start, end, coinsurance_bp=1000)
    assert register_contract(api, payer, later).status == status


def test_other_plans_and_other_payers_may_promise_the_same_days(
    world: World, api: Api, payer: Organization, clinic: Organization
) -> None:
    other = admit(world, "other", ["payer"])
    for whose, plan in ((payer, "SILVER"), (payer, "GOLD"), (other, "SILVER")):
        assert register_contract(api, whose, contract_of(whose, clinic, plan=plan)).status == 201


def test_of_rivals_for_the_same_days_one_wins_and_rivals_for_others_all_do(
    world: World, payer: Organization, clinic: Organization
) -> None:
    months = [(f"2026-{at:02d}-01", f"2026-{at:02d}-28") for at in range(1, 5)]
    rivals = [half(payer, clinic, *month, coinsurance_bp=bp) for month in months for bp in (1000, 2000)]
    statuses: dict[int, int] = {}

    def run(at: int) -> None:
        statuses[at] = register_contract(new_api(world), payer, rivals[at]).status

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(rivals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pairs = [sorted((statuses[at], statuses[at + 1])) for at in range(0, len(rivals), 2)]
    assert pairs == [[201, 409]] * 4
    (plan,) = world.reader.directory("Plan").latest("Plan")
    assert len(parse_jcs(plan.body, "it")["contracts"]) == plan.version == 4


def test_the_same_contract_sent_twice_at_once_is_stored_once(
    world: World, payer: Organization, clinic: Organization
) -> None:
    data, found = contract_of(payer, clinic), []

    def run() -> None:
        found.append(register_contract(new_api(world), payer, data))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told.status for told in found) == [200] * 5 + [201]
    assert len({told.json()["receipt"]["event"] for told in found}) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        render({"contract": {}, "signature": "a.b.c"}),
        render({"contract": 7, "signature": "a.b.c"}),
        render({"contract": "!", "signature": "a.b.c"}),
        render({"contract": b64u(b"{ }"), "signature": "a.b.c"}),
        render({"contract": terms(), "signature": None}),
        b'{"contract":{"v":1.5},"signature":"a.b.c"}',
        render({"contract": terms(guards=["true"]), "signature": "a.b.c"}),
        render({"contract": terms(surprise=1), "signature": "a.b.c"}),
        render({"contract": terms(effective={"start": "2026-02-30", "end": "2026-12-31"}), "signature": "a"}),
        render({"contract": terms(plan="x" * 3_000_000), "signature": "a.b.c"}),
        render({"contract": terms(), "signature": "x" * 3_000_000}),
    ],
    ids=lambda body: str(len(body)),
)
def test_bad_contracts_are_told_what_to_mend_and_leave_nothing(
    world: World, api: Api, payer: Organization, body: bytes
) -> None:
    rows = dict(world.rows.rows)  # type: ignore[attr-defined]
    told = api.call("POST", "/claims/contracts", body, payer.who)
    assert told.status in (400, 403, 413), told.body
    assert told.json()["detail"]
    assert world.rows.rows == rows  # type: ignore[attr-defined]


def test_a_contract_near_the_limit_is_stored_and_read(
    api: Api, payer: Organization, clinic: Organization
) -> None:
    fees = {f"https://example.org/codes|{at:06d}": at for at in range(8_000)}
    data = contract_of(payer, clinic, fees={"in_network": fees}, codes={}, categories={}, excluded=[])
    assert 300_000 < len(data) <= 350_000
    told = register_contract(api, payer, data)
    assert told.status == 201, told.body
    shown = api.call("GET", f"/claims/contracts/{hash_of(data)}", who=clinic.who)
    assert jcs(shown.json()["contract"]) == data
