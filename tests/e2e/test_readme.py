"""Every command in the README runs: the curl story on a real local cloud, the verbs against the Makefile."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from infra.stack import Cloud
from infra.story.__main__ import tell_story
from infra.story.bundles import SAMPLE, read_folder
from tests.oracles import ROOT

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
VERBS = sorted(set(re.findall(r"\bmake ([a-z]+)\b", README)))


def test_the_readme_has_blocks_and_verbs_to_run() -> None:
    assert len(BLOCKS) >= 5
    assert {"run", "test", "demo", "stop", "clean", "deploy"} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_readme_is_in_the_makefile(verb: str) -> None:
    dry = ["make", "--dry-run", "--no-print-directory", verb]
    done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"`carevouch ([a-z]+)", README))))
def test_every_verb_of_the_command_teaches_itself(verb: str) -> None:
    command = [str(ROOT / ".venv/bin/carevouch"), verb, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "usage: carevouch" in done.stdout


@pytest.mark.local_cloud
@pytest.mark.readme
def test_the_story_in_curl_comes_true(cloud: Cloud, tmp_path: Path) -> None:
    state = tmp_path / ".carevouch"
    state.mkdir()
    tell_story(cloud, state, read_folder(SAMPLE)[:2])
    # The commands of the README are typed in a checkout; this folder looks like one to them.
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(block for block in BLOCKS if "make run" not in block)],
        cwd=tmp_path,
        env={**os.environ, "CAREVOUCH_STATE": str(cloud.folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert told.returncode == 0, told.stderr[-2000:]
    answers = told.stdout
    # Nothing before the grant, what was granted after it, and no more than that.
    assert '"total":0' in answers.partition('"resourceType":"Observation"')[2]
    assert answers.count('"resourceType":"Observation"') >= 3
    assert '"resourceType":"Condition"' not in answers
    assert "given by the patient's own device" in answers
    assert (tmp_path / "consent.tlog-proof").read_text().startswith("c2sp.org/tlog-proof@v1\n")
