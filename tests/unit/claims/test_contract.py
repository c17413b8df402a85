"""Contracts: strict reading, the hash, the payer's signature, overlapping ranges, advice."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.claims.contract import (
    CONTRACT_TYP,
    MAX_CONTRACT_BYTES,
    canonical_contract,
    contract_hash,
    contract_payload,
    overlaps,
    parse_contract,
    verify_contract,
)
from carevouch.claims.lint import lint
from carevouch.kernel.canonical import jcs
from carevouch.kernel.errors import IntegrityFault, Invalid, Malformed, TooLarge
from carevouch.kernel.jws import KeyInMemory, sign
from tests.unit.claims.cases import claim, contract, decide, line, terms, token

KEY = KeyInMemory(ec.derive_private_key(7, ec.SECP256R1()), deterministic=True)
DATA = jcs(terms())


def test_the_id_is_the_sha256_of_the_canonical_bytes() -> None:
    import hashlib

    assert parse_contract(DATA).hash == contract_hash(DATA) == hashlib.sha256(DATA).hexdigest()


def test_another_layout_of_the_same_json_has_the_same_canonical_bytes() -> None:
    assert canonical_contract(json.dumps(terms(), indent=4).encode()) == DATA


def test_bytes_that_are_not_canonical_are_refused() -> None:
    with pytest.raises(Malformed, match="RFC 8785"):
        parse_contract(json.dumps(terms()).encode())


def changed(**changes: Any) -> bytes:
    return jcs(terms(**changes))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(guards=[]), "guards are not supported yet"),
        (changed(deductable={}), "no field 'deductable'"),
        (changed(deductible={"individual_cent": 1}), r"contract.deductible has no field"),
        (changed(payer=None), "lacks payer"),
        (changed(v=2), "contract.v"),
        (changed(v=True), "contract.v"),
        (changed(rounding="half-even"), "contract.rounding must be one of: half-up"),
        (changed(cost_sharing="free"), "contract.cost_sharing"),
        (changed(coinsurance_bp=10001), "10000"),
        (changed(coinsurance_bp=-1), "between 0"),
        (changed(coinsurance_bp="2000"), "whole number"),
        (changed(coinsurance_bp=True), "whole number"),
        (changed(currency="usd"), "ISO 4217"),
        (changed(payer="insurer"), "Type/id"),
        (changed(network=["clinic"]), "Type/id"),
        (changed(network="Organization/clinic"), "list"),
        (changed(oop_cut_order=["copay", "deductible"]), "each once"),
        (changed(effective={"start": "2026-01-01", "end": "2025-12-31"}), "before its start"),
        (changed(effective={"start": "2026-02-30", "end": "2026-12-31"}), "exists"),
        (changed(effective={"start": "2026-W01-1", "end": "2026-12-31"}), "exists"),
        (changed(effective={"start": "2026-01-01", "end": "2027-01-02"}), "longer than"),
        (changed(plan_year={"start": "2026-02-01", "end": "2026-12-31"}), "inside"),
        (changed(deductible={"individual_cents": 2, "family_cents": 1}), "less than"),
        (changed(deductible={"individual_cents": 2, "family_rule": "aggregate"}), "no family_cents"),
        (changed(cost_sharing="copay_only"), "copay_only"),
        (changed(codes={token("LAB"): "nothing"}), "categories lacks"),
        (changed(excluded=["LAB"]), r"system\|code"),
        (changed(fees={"in_network": {"LAB": 1}}), r"system\|code"),
        (changed(categories={"visit": {"limits": [{"period": "plan-year"}]}}), "visits or amount_cents"),
        (changed(categories={"visit": {"copay_cents": None}}), "whole number"),
        (jcs([]), "canonical"),
    ],
)
def test_a_contract_against_a_rule_is_refused_naming_the_field(data: bytes, words: str) -> None:
    with pytest.raises((Invalid, Malformed), match=words):
        parse_contract(data)


def test_a_refusal_never_quotes_a_code() -> None:
    with pytest.raises(Invalid) as refused:
        parse_contract(changed(fees={"in_network": {token("SECRET-CODE"): "12"}}))
    assert "SECRET" not in refused.value.message


def test_a_contract_that_would_not_fit_a_row_is_refused() -> None:
    with pytest.raises(TooLarge, match=str(MAX_CONTRACT_BYTES)):
        parse_contract(b"{" + b" " * MAX_CONTRACT_BYTES)


def test_a_leap_year_of_366_days_is_one_plan_year() -> None:
    year = {"start": "2028-01-01", "end": "2028-12-31"}
    assert contract(effective=year).terms.effective.end == "2028-12-31"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-12-31", "2027-06-30", True),
        ("2027-01-01", "2027-06-30", False),
        ("2025-06-01", "2025-12-31", False),
        ("2025-06-01", "2026-01-01", True),
        ("2026-03-01", "2026-03-02", True),
    ],
)
def test_ranges_that_share_a_day_overlap(start: str, end: str, expected: bool) -> None:
    other = contract(effective={"start": start, "end": end})
    assert overlaps(contract(), other) is overlaps(other, contract()) is expected


def test_another_plan_or_payer_never_overlaps() -> None:
    assert not overlaps(contract(), contract(plan="GOLD"))
    assert not overlaps(contract(), contract(payer="Organization/other"))


def test_the_payers_signature_over_these_bytes_is_accepted() -> None:
    assert verify_contract(sign(contract_payload(DATA), CONTRACT_TYP, KEY), KEY.jwk, DATA) == contract_hash(
        DATA
    )


def test_a_signature_over_a_contract_one_cent_dearer_is_refused() -> None:
    signature = sign(contract_payload(changed(deductible={"individual_cents": 15001})), CONTRACT_TYP, KEY)
    with pytest.raises(IntegrityFault, match="another contract"):
        verify_contract(signature, KEY.jwk, DATA)


def test_a_signature_of_another_kind_or_key_or_form_is_refused() -> None:
    other = KeyInMemory(ec.derive_private_key(8, ec.SECP256R1()))
    good = sign(contract_payload(DATA), CONTRACT_TYP, KEY)
    for signature, jwk in (
        (sign(contract_payload(DATA), "carevouch-event+jws", KEY), KEY.jwk),
        (good, other.jwk),
        (good[:-2] + ("AA" if not good.endswith("AA") else "BB"), KEY.jwk),
        ("nothing", KEY.jwk),
    ):
        with pytest.raises(IntegrityFault):
            verify_contract(signature, jwk, DATA)


def test_a_sensible_contract_has_only_expected_findings() -> None:
    assert [finding.code for finding in lint(contract())] == ["no-category", "oop-below-deductible"]


def test_lint_names_fields_that_cannot_reach_each_other() -> None:
    doubtful = contract(
        network=[],
        excluded=[token("LAB")],
        auth_required=[token("NEVER")],
        categories={"visit": {}, "idle": {}},
        out_of_pocket=None,
        timely_filing_days=0,
    )
    codes = {finding.code for finding in lint(doubtful)}
    wanted = {"no-fee", "priced-exclusion", "idle-category", "empty-network", "no-oop", "same-day-filing"}
    assert wanted <= codes


# The one choice of order


@pytest.mark.parametrize(
    ("order", "shares"),
    [
        # 120.00 allowed, copay 25.00, deductible 50.00, 20 %
        ("copay_then_deductible", {"PR-3": 2500, "PR-1": 5000, "PR-2": 900}),
        ("deductible_then_copay", {"PR-1": 5000, "PR-3": 2500, "PR-2": 900}),
    ],
)
def test_the_order_of_sharing_when_both_fit(order: str, shares: dict[str, int]) -> None:
    assert _ordered(order, 12000) == shares


@pytest.mark.parametrize(
    ("order", "shares"),
    [
        # 60.00 allowed: the second share gets what the first leaves
        ("copay_then_deductible", {"PR-3": 2500, "PR-1": 3500}),
        ("deductible_then_copay", {"PR-1": 5000, "PR-3": 1000}),
    ],
)
def test_the_order_of_sharing_decides_when_they_do_not_both_fit(order: str, shares: dict[str, int]) -> None:
    assert _ordered(order, 6000) == shares


def test_copay_only_owes_nothing_but_the_copay() -> None:
    plan = contract(
        cost_sharing="copay_only",
        deductible=None,
        coinsurance_bp=0,
        categories={"visit": {"copay_cents": 2500}},
    )
    result = decide(claim(line(1, "VISIT", 12000), line(2, "LAB", 4000), line(3, "VISIT", 1000)), plan)
    assert [item.copay_cents for item in result.lines] == [2500, 0, 1000]


@pytest.mark.parametrize(
    ("order", "shares"),
    [
        (["coinsurance", "copay", "deductible"], {"PR-1": 4000}),
        (["deductible", "coinsurance", "copay"], {"PR-3": 2500, "PR-2": 900, "PR-1": 600}),
        (["copay", "deductible", "coinsurance"], {"PR-1": 3100, "PR-2": 900}),
    ],
)
def test_the_out_of_pocket_limit_cuts_in_the_contracts_order(
    order: list[str], shares: dict[str, int]
) -> None:
    # 84.00 owed as above, 40.00 left of the limit
    assert _ordered("copay_then_deductible", 12000, oop_cut_order=order, out_of_pocket=4000) == shares


def _ordered(order: str, allowed: int, out_of_pocket: int = 10**9, **changes: Any) -> dict[str, int]:
    plan = contract(
        cost_sharing=order,
        deductible={"individual_cents": 5000},
        out_of_pocket={"individual_cents": out_of_pocket},
        categories={"visit": {"copay_cents": 2500}},
        **changes,
    )
    [answered] = decide(claim(line(1, "VISIT", allowed)), plan).lines
    return {f"{item.group}-{item.carc}": item.cents for item in answered.adjustments}


def test_fees_are_for_units_and_a_part_of_a_unit_rounds_half_up() -> None:
    visit = line(1, "LAB", 100000)
    assert decide(claim(visit)).lines[0].allowed_cents == 4000
    assert decide(claim(replace(visit, units_thousandths=3000))).lines[0].allowed_cents == 12000
    odd = contract(fees={"in_network": {token("LAB"): 33}}, codes={}, categories={}, excluded=[])
    assert decide(claim(replace(visit, units_thousandths=1500)), odd).lines[0].allowed_cents == 50
