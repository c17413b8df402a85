"""Every command in the README runs: the curl story on a real local cloud, the verbs against the Makefile."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra import ministack
from infra.story.bundles import SAMPLE
from tests.e2e.story_run import Played
from tests.oracles import ROOT

DOCS = ROOT / "infra" / "docs"
README = (ROOT / "README.md").read_text("utf-8")
# The story in curl goes on where the README's ends, in the same shell.
TYPED = README + (DOCS / "story-in-curl.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TYPED, re.DOTALL | re.MULTILINE)
_VERB = re.compile(r"^`?make ([a-z]+)\b|`make ([a-z]+)\b", re.MULTILINE)
VERBS = sorted({"".join(found) for found in _VERB.findall(README + (DOCS / "aws.md").read_text("utf-8"))})


def test_the_figures_of_the_benchmarks_are_there() -> None:
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    figures = page.partition("<!-- bench:begin -->")[2].partition("<!-- bench:end -->")[0]
    for kind in ("identity", "records", "claim: submit", "a whole patient"):
        assert kind in figures, "paste build/bench.md, which `make bench` writes"


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
def test_the_story_in_curl_comes_true(played: Played, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the README's story is typed with curl, which this machine lacks")
    # The commands are typed in a checkout after `make run`; this folder looks like one to them. The last
    # patient plays the part of the first, so that what other tests look at stays as the story left it.
    for folder in (".venv", "infra", "services", "shared"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / ".carevouch").symlink_to(played.folder)
    typed = "\n".join(block for block in BLOCKS if "make run" not in block)
    told = subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            typed.replace("device-1", f"device-{len(played.report.patients)}"),
        ],
        cwd=tmp_path,
        env={**os.environ, "CAREVOUCH_STATE": str(played.folder)},
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
    assert (tmp_path / "build/curl/consent.tlog-proof").read_text().startswith("c2sp.org/tlog-proof@v1\n")


@pytest.mark.local_cloud
@pytest.mark.readme
def test_run_stop_run_and_clean_do_what_they_say_and_everything_is_there_after_the_restart(
    tmp_path: Path,
) -> None:
    checkout = tmp_path / "carevouch"
    _copy_of_the_checkout(checkout)
    data = tmp_path / "data"
    data.mkdir()
    for name in ("directory.json", "patient-2.json"):
        shutil.copy(SAMPLE / name, data)
    named = {"DATA": str(data), "PORT": str(ministack.free_port())}
    first = _make(checkout, "run", **named)
    again = _make(checkout, "stop"), _make(checkout, "run", **named)
    assert "Verify one yourself" in first
    # `run` itself reads every resource and verifies every proof again, and fails where one is missing.
    assert "proofs verified again" in again[1]
    found = re.search(r"patient 1: (\d+) resources, (\d+) of them from the story", again[1])
    assert found is not None
    assert int(found[1]) >= int(found[2]) > 0
    assert "the hospital registered the person" not in again[1]
    _make(checkout, "clean")
    assert not (checkout / ".carevouch").exists()


def _copy_of_the_checkout(folder: Path) -> None:
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(lambda name: (ROOT / name).exists(), listed.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    # Older than any set-up, or make would install this copy into the .venv that it shares with the checkout.
    for name in ("pyproject.toml", "requirements.lock"):
        os.utime(folder / name, (0, 0))
    # And as in a checkout that is worked in, the libraries of the functions' zips were installed before.
    (ROOT / "build").mkdir(exist_ok=True)
    for name in (".venv", "build"):
        (folder / name).symlink_to(ROOT / name)


def _make(checkout: Path, verb: str, **named: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "CAREVOUCH"))}
    done = subprocess.run(
        ["make", "--no-print-directory", verb],
        cwd=checkout,
        env=kept | named,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return done.stdout
