"""`carevouch decide` from the outside: files in, JSON and an exit status out."""

import json
from pathlib import Path
from typing import Any

import pytest

from carevouch.cli.app import main
from tests.oracles import shared_path
from tests.unit.consent.case_runs import OBSERVATION, OWN_CASES, consent

ABSENT: dict[str, Any] = {}


def carevouch(*words: str) -> int:
    return main(["decide", *words])


@pytest.fixture
def files(tmp_path: Path) -> Any:
    def write(consents: Any, request: Any = ABSENT, resource: Any = OBSERVATION) -> list[str]:
        words = []
        for name, value in (("consents", consents), ("request", request), ("resource", resource)):
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(value))
            words += [f"--{name}", str(path)]
        return words

    return write


def test_a_permitted_request_exits_0_and_says_by_which_clause(
    files: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carevouch(*files(consent({"type": "permit"}, meta={"versionId": "4"}))) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["decision"] == "permit"
    assert told["reasons"][0] == {
        "rule": "consent-permits",
        "patient": "Patient/1",
        "consent": "Consent/c",
        "version": 4,
        "clause": "provision",
    }


def test_a_denied_request_exits_1(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert carevouch(*files(consent({"type": "deny"})), "--default", "permit") == 1
    assert json.loads(capsys.readouterr().out)["decision"] == "deny"


def test_no_consent_follows_the_default(files: Any) -> None:
    assert carevouch(*files([])) == 1
    assert carevouch(*files([]), "--default", "permit") == 0


def test_a_bundle_is_searched_for_consents(files: Any) -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": OBSERVATION}, {"resource": consent({"type": "permit"})}],
    }
    assert carevouch(*files(bundle)) == 0


def test_lint_comes_with_the_decision(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert carevouch(*files(consent({}))) == 1
    assert json.loads(capsys.readouterr().out)["warnings"][0]["code"] == "untyped"


def test_a_consent_of_somebody_else_is_told(files: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert carevouch(*files(consent({"type": "permit"}, patient={"reference": "Patient/2"}))) == 1
    assert "another patient: 1" in capsys.readouterr().err


def test_an_absolute_reference_matches_under_the_given_base(files: Any) -> None:
    words = files(
        consent({"type": "permit"}), {"actors": ["https://x.test/fhir/Practitioner/1"]},
        {**OBSERVATION, "subject": {"reference": "https://x.test/fhir/Patient/1"}},
    )  # fmt: skip
    assert carevouch(*words) == 1
    assert carevouch(*words, "--base", "https://x.test/fhir") == 0


def test_a_date_is_read_in_the_given_zone(files: Any) -> None:
    words = files(
        consent({"type": "permit", "period": {"end": "2022-12-31"}}), {"now": "2023-01-01T03:00:00Z"}
    )
    assert carevouch(*words) == 1
    assert carevouch(*words, "--zone", "America/New_York") == 0


@pytest.mark.parametrize(
    ("consents", "request_", "resource", "said"),
    [
        ({"resourceType": "Patient"}, {}, OBSERVATION, "not a FHIR Consent"),
        ([consent(), 5], {}, OBSERVATION, "not a FHIR Consent"),
        (consent(), {"purposes": "TREAT"}, OBSERVATION, "the request"),
        (consent(), [], OBSERVATION, "the request"),
        (consent(), {}, {"id": "1"}, "resourceType"),
        (consent(), {}, [], "not a FHIR resource"),
    ],
)
def test_bad_input_exits_2_and_says_what_to_mend(
    files: Any, capsys: pytest.CaptureFixture[str], consents: Any, request_: Any, resource: Any, said: str
) -> None:
    assert carevouch(*files(consents, request_, resource)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


def test_missing_files_and_missing_options_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert carevouch() == 2
    assert carevouch("--cases", str(tmp_path / "absent.jsonl")) == 2
    assert carevouch("--cases", str(OWN_CASES), "--consents", "x") == 2
    assert "No such file" in capsys.readouterr().err


def test_an_unknown_zone_exits_2(files: Any) -> None:
    assert carevouch(*files(consent()), "--zone", "Mars/Olympus") == 2


def test_our_own_cases_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert carevouch("--cases", str(OWN_CASES), "--through-fhir") == 0
    assert json.loads(capsys.readouterr().out)["disagreements"] == []


def test_the_published_cases_agree() -> None:
    assert carevouch("--cases", str(shared_path("cases/consent-decisions.jsonl")), "--through-fhir") == 0


def test_every_disagreement_is_named_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in OWN_CASES.read_text().splitlines()]
    lines[2]["exp"] = "permit"
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    assert carevouch("--cases", str(path)) == 1
    told = capsys.readouterr()
    found = json.loads(told.out)["disagreements"]
    assert [(one["line"], one["expected"], one["decided"]) for one in found] == [(3, "permit", "deny")]
    assert f"line 3: {lines[2]['n']}: expected permit, decided deny" in told.err
    assert f"{len(lines) - 1} of {len(lines)} cases agree" in told.err


def test_a_case_file_with_a_mistake_exits_2_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"n":"a","consents":[],"rq":{},"rs":{},"exp":"deny"}\n{"n":"b"}')
    assert carevouch("--cases", str(path)) == 2
    assert "line 2: consents:" in capsys.readouterr().err


def test_an_empty_case_file_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text("\n")
    assert carevouch("--cases", str(path)) == 2


def test_help_teaches_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        carevouch("--help")
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in ("exit status", "--cases", "counts as signed", "btg_ok"):
        assert word in told
