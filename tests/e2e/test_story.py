"""The story comes true: as one command that leaves nothing behind, and on a cloud that is asked about it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.story.bundles import SAMPLE
from infra.story.scenes import OWN
from tests.e2e.story_run import Played
from tests.oracles import ROOT

pytestmark = pytest.mark.local_cloud


@pytest.mark.deep
def test_one_command_plays_it_and_leaves_nothing_but_its_proofs(tmp_path: Path) -> None:
    tmp, files, data = tmp_path / "tmp", tmp_path / "files", tmp_path / "data"
    tmp.mkdir()
    data.mkdir()
    # The other patient of the sample is played where `make run` is tried.
    for name in ("directory.json", "patient-1.json"):
        shutil.copy(SAMPLE / name, data)
    words = ["demo", "--data", str(data), "--files", str(files)]
    done = subprocess.run(
        [sys.executable, "-m", "infra.story", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp.iterdir()) == []
    assert _left_running(tmp) == []
    # The report ends with the command that verifies one of its files: it holds, typed as it stands.
    command = next(line for line in done.stdout.splitlines() if "carevouch verify" in line)
    verified = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, cwd="/")
    assert verified.returncode == 0, verified.stderr
    assert "verified" in verified.stdout


def test_no_resource_is_lost_between_the_bundle_and_everything(played: Played) -> None:
    sent = [records.counts() for records in played.bundles if records.patient]
    assert [told.sent for told in played.report.patients] == sent
    for told in played.report.patients:
        everything = {type_: told.sent.get(type_, 0) + OWN.get(type_, 0) for type_ in {*told.sent, *OWN}}
        assert told.shown == everything


def test_a_claim_is_balanced_to_the_cent(played: Played) -> None:
    for told in played.report.patients:
        cents = {code: int(amount.replace(".", "")) for code, amount in told.claim.items()}
        assert cents["submitted"] == cents["benefit"] + cents["patient"] + cents["contractual"] > 0


def test_what_was_refused_is_told(played: Played) -> None:
    refusals = played.report.patients[0].refusals
    assert [
        any(word in line for line in refusals)
        for word in ("before consent", "next-page", "token from before")
    ] == [True, True, True]


def _left_running(folder: Path) -> list[str]:
    """Processes that know the folder; the functions' own end a moment after the cloud that started them."""
    for _ in range(200):
        found = _processes_of(folder)
        if not found:
            break
        time.sleep(0.1)
    return found


def _processes_of(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in text:
            found.append(entry.name)
    return found
