"""Figures that others published, recomputed: the worked example, and lines of files and guides."""

from typing import Any

import pytest

from carevouch.claims.accumulate import remaining_limits
from carevouch.kernel.money import round_half_up
from tests.unit.claims.cases import claim, contract, decide, line, one_code, reasons, used


def test_the_worked_example_is_reproduced_to_the_cent() -> None:
    submission = claim(
        line(1, "VISIT", 18000), line(2, "LAB", 9500), line(3, "XRAY", 31000), line(4, "CREAM", 3000)
    )
    result = decide(submission)
    assert [item.paid_cents for item in result.lines] == [9500, 0, 14500, 0]
    assert [item.allowed_cents for item in result.lines] == [12000, 4000, 20000, 0]
    assert reasons(result, 0) == {"CO-45": 6000, "PR-3": 2500}
    assert reasons(result, 1) == {"CO-45": 5500, "PR-1": 4000}
    assert reasons(result, 2) == {"CO-45": 11000, "PR-1": 5500}
    assert reasons(result, 3) == {"PR-96": 3000}
    totals = result.totals
    assert (totals.billed_cents, totals.paid_cents) == (61500, 24000)
    assert (totals.contractual_cents, totals.patient_cents) == (22500, 15000)


def test_the_worked_example_leaves_55_of_deductible_and_nothing_of_out_of_pocket() -> None:
    submission = claim(
        line(1, "VISIT", 18000), line(2, "LAB", 9500), line(3, "XRAY", 31000), line(4, "CREAM", 3000)
    )
    result = decide(submission)
    after = remaining_limits(contract(), result.after)
    assert (after.deductible, after.oop) == (5500, 0)
    assert result.after.individual.version == result.before.individual.version + 1


def test_the_worked_example_shows_the_cut_of_the_out_of_pocket_limit() -> None:
    submission = claim(line(1, "VISIT", 18000), line(2, "LAB", 9500), line(3, "XRAY", 31000))
    result = decide(submission)
    capped = [step for step in result.trace if step.rule == "12-out-of-pocket"]
    assert len(capped) == 1
    assert capped[0].reads == {"oop.left": 5500, "copay": 0, "deductible": 11000, "coinsurance": 1800}
    assert capped[0].result == {"copay": 0, "deductible": 5500, "coinsurance": 0}


@pytest.mark.parametrize(
    ("name", "billed", "allowed", "deductible", "bp", "expected"),
    [
        ("UnitedHealthcare B4154, half up", 32850, 14418, 11000, 1500, (18432, 11000, 513, 2905)),
        ("LinuxForHealth SVC 66543", 58500, 50000, 15000, 2000, (8500, 15000, 7000, 28000)),
        ("SBC Peg, 1,800 deductible", 1270000, 1270000, 180000, 2000, (0, 180000, 218000, 872000)),
        ("SBC Peg, 2,900 deductible", 1280000, 1280000, 290000, 2000, (0, 290000, 198000, 792000)),
        ("HDHP David", 1200000, 1200000, 520000, 2000, (0, 520000, 136000, 544000)),
    ],
)
def test_published_lines_come_out_as_published(
    name: str, billed: int, allowed: int, deductible: int, bp: int, expected: tuple[int, int, int, int]
) -> None:
    result = decide(claim(line(1, "ALL", billed)), one_code(allowed, deductible, bp))
    amounts = reasons(result)
    written_off = amounts.get("CO-45", 0)  # the 2010 file says CO-42, which CO-45 has replaced
    assert (written_off, amounts["PR-1"], amounts["PR-2"], result.totals.paid_cents) == expected, name


def test_hdhp_david_owes_6560_and_the_plan_5440() -> None:
    result = decide(claim(line(1, "ALL", 1200000)), one_code(1200000, 520000, 2000))
    assert (result.totals.patient_cents, result.totals.paid_cents) == (656000, 544000)


@pytest.mark.parametrize(("limit", "owed"), [(656000, 656000), (655999, 655999), (600000, 600000)])
def test_an_out_of_pocket_limit_stops_hdhp_david_at_the_limit(limit: int, owed: int) -> None:
    plan = one_code(1200000, 520000, 2000, out_of_pocket={"individual_cents": limit})
    assert decide(claim(line(1, "ALL", 1200000)), plan).totals.patient_cents == owed


@pytest.mark.parametrize(
    ("parts", "total"),
    [
        ((43, 944, 357, 385, 341, 364, 113, 248, 5), 2800),
        ((37, 593, 557, 293, 216, 30, 199), 1925),
    ],
    ids=["CMS simple fracture 2019", "CMS simple fracture 2016"],
)
def test_the_cms_simple_fracture_guides_add_up_line_by_line(parts: tuple[int, ...], total: int) -> None:
    plan = one_code(94400, 0, 0)
    lines = (line(at + 1, "ALL", dollars * 100) for at, dollars in enumerate(parts))
    result = decide(claim(*lines), plan)
    assert (result.totals.allowed_cents, result.totals.paid_cents) == (total * 100, total * 100)


@pytest.mark.parametrize(("allowed", "owed"), [(3333, 667), (2, 0), (3, 1), (12345, 2469)])
def test_twenty_percent_rounds_half_up(allowed: int, owed: int) -> None:
    assert round_half_up(allowed * 2000, 10000) == owed
    assert reasons(decide(claim(line(1, "ALL", allowed)), one_code(allowed, 0, 2000))).get("PR-2", 0) == owed


def embedded(individual: int, family: int) -> dict[str, Any]:
    return {"individual_cents": individual, "family_cents": family, "family_rule": "embedded"}


def test_an_embedded_deductible_stops_at_the_members_own_limit() -> None:
    plan = one_code(500000, embedded(100000, 200000), 0)
    result = decide(claim(line(1, "ALL", 500000)), plan, before=used(plan, (0, 0), (0, 0)))
    assert reasons(result) == {"PR-1": 100000}


def test_an_embedded_deductible_stops_when_the_family_has_met_its_own() -> None:
    plan = one_code(500000, embedded(100000, 200000), 0)
    result = decide(claim(line(1, "ALL", 500000)), plan, before=used(plan, (0, 0), (170000, 170000)))
    assert reasons(result) == {"PR-1": 30000}
    assert result.after.family is not None
    assert result.after.family.deductible_cents == 200000


def test_an_aggregate_family_deductible_of_5000_pays_nothing_while_4000_are_incurred() -> None:
    shared = {"individual_cents": 250000, "family_cents": 500000, "family_rule": "aggregate"}
    plan = one_code(100000, shared, 0)
    result = decide(
        claim(line(1, "ALL", 100000)), plan, before=used(plan, (250000, 250000), (400000, 400000))
    )
    assert (result.totals.paid_cents, reasons(result)) == (0, {"PR-1": 100000})


def test_an_aggregate_family_deductible_pays_from_the_next_cent() -> None:
    shared = {"individual_cents": 250000, "family_cents": 500000, "family_rule": "aggregate"}
    plan = one_code(100001, shared, 0)
    result = decide(claim(line(1, "ALL", 100001)), plan, before=used(plan, (0, 0), (400000, 400000)))
    assert result.totals.paid_cents == 1
