"""The command: FHIR files in, JSON out, 0 / 1 / 2."""

from pathlib import Path
from typing import Any

import pytest

from carevouch.claims.decision import replay
from carevouch.cli.app import main
from carevouch.kernel.canonical import jcs
from carevouch.kernel.jsontext import Number, parse, render
from tests.unit.claims.cases import terms
from tests.unit.claims.resources import fhir_claim, fhir_coverage, item, worked_claim

AT = "2026-04-01T10:00:00.000Z"


def call(*words: str) -> int:
    return main(["adjudicate", *words])


def files(folder: Path, **contents: Any) -> list[str]:
    whole = {"contract": terms(), "claim": worked_claim(), "coverage": fhir_coverage(), **contents}
    words = ["--at", AT]
    for name, value in whole.items():
        path = folder / f"{name}.json"
        path.write_bytes(value if isinstance(value, bytes) else render(value))
        words += [f"--{name}", str(path)]
    return words


def test_the_worked_example_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*files(tmp_path)) == 0
    out, err = capsys.readouterr()
    answer = parse(out.encode())
    assert answer["claimResponse"]["payment"]["amount"]["value"] == Number("240.00")
    assert answer["accumulators"]["individual"]["oop_cents"] == 12000
    assert "billed 615.00 = paid 240.00 + contractual 225.00 + patient 150.00 + other 0.00" in err


def test_the_decision_it_prints_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(*files(tmp_path), "--quiet")
    out, err = capsys.readouterr()
    result = replay(jcs(parse(out.encode())["decision"]), jcs(terms()))
    assert (result.totals.paid_cents, err) == (24000, "")


def test_the_same_files_and_instant_give_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(*files(tmp_path))
    first = capsys.readouterr().out
    call(*files(tmp_path))
    assert capsys.readouterr().out == first


def test_its_accumulators_feed_the_next_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(*files(tmp_path))
    used = parse(capsys.readouterr().out.encode())["accumulators"]
    assert call(*files(tmp_path, claim=fhir_claim(item(1, "LAB", "40.00")), accumulators=used)) == 0
    [line] = parse(capsys.readouterr().out.encode())["decision"]["lines"]
    assert line["paid_cents"] == 4000  # nothing left of the out-of-pocket limit: the plan pays all


def test_below_the_deductible_is_still_an_answer(tmp_path: Path) -> None:
    assert call(*files(tmp_path, claim=fhir_claim(item(1, "LAB", "40.00")))) == 0


def test_a_claim_denied_entirely_exits_1(tmp_path: Path) -> None:
    assert call(*files(tmp_path, claim=fhir_claim(item(1, "CREAM", "40.00")))) == 1


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({"claim": b"{"}, "the claim is not JSON"),
        ({"claim": {}}, "a Claim resource is needed"),
        ({"coverage": worked_claim()}, "a Coverage resource is needed"),
        ({"contract": {**terms(), "guards": []}}, "guards are not supported yet"),
        ({"contract": b"\xff"}, "not UTF-8"),
        ({"accumulators": {}}, "accumulators lacks"),
        ({"claim": fhir_claim(item(1, "LAB", "40.00", net=None))}, "states no amount"),
    ],
)
def test_bad_input_exits_2_with_a_sentence_and_no_output(
    contents: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*files(tmp_path, **contents)) == 2
    out, err = capsys.readouterr()
    assert (out, words in err) == ("", True)


def test_a_missing_file_or_an_odd_instant_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*files(tmp_path), "--accumulators", str(tmp_path / "none.json")) == 2
    assert "No such file" in capsys.readouterr().err
    assert call(*files(tmp_path), "--at", "yesterday") == 2


def test_without_an_instant_the_clock_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = files(tmp_path)
    assert call(*words[2:]) in (0, 1)
    assert parse(capsys.readouterr().out.encode())["decision"]["at"] != AT


def test_the_help_teaches_the_contract_and_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call("--help")
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("exit status", "oop_cut_order", "claimResponse", "example"))
