"""Real claims (Synthea) through the door, once somebody has put a price on the encounter."""

import gzip
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from carevouch.claims.decision import replay
from carevouch.kernel.jsontext import Number, parse
from tests.oracles import shared_path
from tests.people import admit, enrol
from tests.service.claims.member import (
    Member,
    contract_of,
    cover,
    new_api,
    register_contract,
    totals,
)
from tests.unit.claims.resources import usd
from tests.world import World, memory_world

# What Synthea adds to Claim.total for the encounter item, which states no amount (the data's README).
ENCOUNTER = "129.16"
FEE_CENTS = 10_000


def claims() -> list[dict[str, Any]]:
    """Every 15th claim of the four patients: about ten, from all their lives."""
    found: list[dict[str, Any]] = []
    for file in sorted(shared_path("data/synthea").glob("*_*.json.gz")):
        entries = parse(gzip.decompress(file.read_bytes()))["entry"]
        found += [one["resource"] for one in entries if one["resource"]["resourceType"] == "Claim"]
    return found[::15]


def codes(asked: dict[str, Any]) -> Iterator[str]:
    for item in asked["item"]:
        coding = item["productOrService"]["coding"][0]
        yield f"{coding['system']}|{coding['code']}"


def insured_for(world: World, asked: dict[str, Any]) -> Member:
    """A member of a plan that holds in the year of the claim and pays 100.00 for each of its codes."""
    year = asked["billablePeriod"]["start"][:4]
    payer, clinic = admit(world, "insurer", ["payer"]), admit(world, "clinic", ["provider"])
    api = new_api(world)
    data = contract_of(
        payer,
        clinic,
        effective={"start": f"{year}-01-01", "end": f"{year}-12-31"},
        fees={"in_network": dict.fromkeys(codes(asked), FEE_CENTS)},
        timely_filing_days=100_000,
        categories={},
        codes={},
        excluded=[],
        deductible=None,
        out_of_pocket=None,
    )
    assert register_contract(api, payer, data).status == 201
    patient = enrol(world, clinic)
    covered = cover(api, payer, patient, period={"start": f"{year}-01-01"})
    return Member(world, api, payer, clinic, patient, covered, data)


def ours(asked: dict[str, Any], member: Member) -> dict[str, Any]:
    """The claim with our people in it, a price on the encounter (first item) and none on findings."""
    first, *others = asked["item"]
    priced = [{**first, "net": usd(ENCOUNTER)}, *({"net": usd("0.00"), **item} for item in others)]
    insurance = [{"sequence": 1, "focal": True, "coverage": {"reference": member.coverage}}]
    return {
        **asked,
        "patient": {"reference": member.reference},
        "provider": {"reference": member.clinic.reference},
        "insurance": insurance,
        "item": priced,
        "total": usd(stated(asked)),
    }


def stated(asked: dict[str, Any]) -> str:
    """The total that the claim states, without the noise of a binary float that some carry."""
    return str(asked["total"]["value"].quantize(Decimal("0.01")))


def cents(text: str) -> int:
    return int(Number(text) * 100)


@pytest.mark.parametrize("at", range(10))
def test_a_real_claim_with_a_priced_encounter_is_answered_and_replays(at: int) -> None:
    asked = claims()[at]
    member = insured_for(memory_world(), asked)
    told = member.submit(ours(asked, member))
    assert told.status == 200, told.body
    sums = totals(told)
    assert sums["submitted"] == stated(asked)
    shares = sum(cents(sums[name]) for name in ("benefit", "contractual", "patient"))
    assert shares == cents(sums["submitted"])
    (decision,) = member.decisions()
    assert replay(decision.body, member.contract).totals.paid_cents == cents(sums["benefit"])


def test_a_real_claim_as_it_comes_is_told_which_item_lacks_its_amount() -> None:
    asked = next(one for one in claims() if any("net" not in item for item in one["item"]))
    member = insured_for(memory_world(), asked)
    unpriced = {**ours(asked, member), "item": asked["item"]}
    told = member.submit(unpriced)
    assert told.status == 400
    assert "Claim.item" in told.json()["issue"][0]["diagnostics"]
    assert member.stored("Claim") == []
