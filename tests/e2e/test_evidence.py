"""The story's files prove each act offline, and every flipped byte of them is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.cli.frame import BAD_INPUT, NEGATIVE, OK
from infra.story.evidence import Evidence, verify, verify_command
from tests.byte_flips import flipped, places
from tests.e2e.story_run import Played

pytestmark = pytest.mark.local_cloud
# Bytes flipped in a process of its own each: beginning, middle and end.
TYPED = (0, 0.5, 1)
MOST_FLIPS = 100


def test_every_act_has_files_that_verify(played: Played) -> None:
    acts = {evidence.act for evidence in played.report.evidence}
    assert acts >= {"registration", "device bound", "consent granted", "consent revoked"}
    assert acts >= {"records arrived", "claim adjudicated", "access audited"}
    verify(played.report.evidence, played.report.vkey, played.report.genesis)


def test_the_files_of_two_people_are_not_interchangeable(played: Played) -> None:
    first, second = (told.evidence[0] for told in played.report.patients[:2])
    mixed = Evidence(first.act, first.holder, first.opening, second.proof)
    command = verify_command([mixed], played.report.vkey, played.report.genesis)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert done.returncode == 1
    assert "refused" in done.stderr


@pytest.mark.parametrize(
    ("act", "which"),
    [
        ("registration", "proof"),
        ("registration", "genesis"),
        ("registration", "opening"),
        ("consent granted", "opening"),
    ],
)
def test_any_flipped_byte_is_refused_with_what_does_not_match(
    act: str, which: str, played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(played, act, tmp_path)
    assert files.verify() == OK
    whole = files.read(which)
    capsys.readouterr()
    # Some bytes of each word: in a soak tests/unit/cli/log/test_verify.py turns every byte of such files.
    for at in places(whole, MOST_FLIPS):
        files.write(which, flipped(whole, at))
        assert files.verify() in (NEGATIVE, BAD_INPUT), f"byte {at} of the {which}"
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("carevouch verify: ")
        assert len(said.err.split()) > 4, said.err


@pytest.mark.parametrize("which", ["proof", "opening", "genesis"])
def test_the_installed_command_refuses_a_flipped_byte(which: str, played: Played, tmp_path: Path) -> None:
    files = Files(played, "claim adjudicated", tmp_path)
    whole = files.read(which)
    for share in TYPED:
        files.write(which, flipped(whole, int(share * (len(whole) - 1))))
        command = [sys.executable, "-m", "carevouch.cli.app", *files.words()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (NEGATIVE, BAD_INPUT)
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("carevouch verify: ")


class Files:
    """A copy of the files of one act, to be spoilt."""

    def __init__(self, played: Played, act: str, folder: Path) -> None:
        (evidence,) = [item for item in played.report.patients[0].evidence if item.act == act]
        sources = {"proof": evidence.proof, "opening": evidence.opening, "genesis": played.report.genesis}
        self._paths = {name: folder / source.name for name, source in sources.items()}
        self._vkey = played.report.vkey
        for name, source in sources.items():
            self._paths[name].write_bytes(source.read_bytes())

    def read(self, which: str) -> bytes:
        return self._paths[which].read_bytes()

    def write(self, which: str, data: bytes) -> None:
        self._paths[which].write_bytes(data)

    def words(self) -> list[str]:
        proof, opening, genesis = (str(self._paths[name]) for name in ("proof", "opening", "genesis"))
        return ["verify", proof, "--key", self._vkey, "--genesis", genesis, "--opening", opening]

    def verify(self) -> int:
        return main(self.words())
