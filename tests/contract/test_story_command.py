"""The messages of `make run` if it cannot do what was asked, or leaves a cloud behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import Cloud
from infra.story import report as reports
from infra.story.__main__ import left_running, refuse_other_data
from infra.story.bundles import SAMPLE
from infra.story.client import Answer, Surprise
from infra.story.report import StoryReport
from tests.contract.template import ROOT

CLOUD = Cloud("http://cloud.test/v1", "http://cloud.test", {}, {})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A state whose story was about the sample."""
    path = tmp_path / "story.json"
    reports.keep(StoryReport(CLOUD.base_url, "vkey", tmp_path / "genesis", (), 1.0, 1), path, SAMPLE)
    return path


def test_other_data_on_a_kept_state_is_refused_before_anything_starts(kept: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "infra.story", "run"],
        cwd=ROOT,
        env=os.environ | {"CAREVOUCH_STATE": str(tmp_path), "DATA": str(other)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"DATA={other} was not played" in done.stderr
    assert "make clean" in done.stderr
    assert not (tmp_path / "running.json").exists()


def test_the_same_data_or_none_goes_on_with_the_kept_story(kept: Path) -> None:
    before = reports.remembered(kept)
    assert json.loads(kept.read_text())["data"] == str(SAMPLE)
    refuse_other_data(None, before)
    refuse_other_data(os.path.relpath(SAMPLE), before)
    refuse_other_data("anything", None)


def test_a_story_that_fails_ends_with_what_is_left_running() -> None:
    with pytest.raises(Surprise) as told, left_running(CLOUD):
        raise Surprise("the insurer saw too much")
    first, last = str(told.value).splitlines()
    assert first == "the insurer saw too much"
    assert CLOUD.base_url in last
    assert "make stop" in last


def test_a_story_that_is_interrupted_says_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), left_running(CLOUD):
        raise KeyboardInterrupt
    assert "make stop" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {
                "resourceType": "OperationOutcome",
                "issue": [{"code": "x", "diagnostics": "mend it", "expression": ["Bundle.type"]}],
            },
            "Bundle.type: mend it",
        ),
        ({"resourceType": "OperationOutcome", "issue": [{"code": "throttled"}]}, "throttled"),
        ({"detail": "send a token"}, "send a token"),
        ([], "[]"),
    ],
)
def test_a_refusal_is_told_in_its_own_words_not_as_json(body: object, said: str) -> None:
    assert Answer(400, {}, json.dumps(body).encode()).said() == said


def test_an_answer_that_is_no_json_is_told_by_its_beginning() -> None:
    assert Answer(502, {}, b"<html>bad gateway").said() == "<html>bad gateway"
