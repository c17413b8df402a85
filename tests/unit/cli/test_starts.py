"""The command loads what a verb needs and nothing else, seen in `sys.modules` of a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from carevouch.cli.frame import OK
from carevouch.cli.verbs import VERBS
from tests.unit.cli.log.test_verify import VKEY, Folder, observation_opening

# What prints at its end the names of all modules that were loaded.
_CODE = """
import sys
from carevouch.cli.app import main
try:
    status = main(sys.argv[1:])
except SystemExit as left:
    status = left.code
print(status, *sys.modules, file=sys.stderr)
"""
LIBRARIES = {"cryptography", "cbor2", "rfc8785", "jsonschema_rs", "amazon", "boto3", "botocore", "chalice"}
# Modules of the standard library that a help never needs, and that cost it milliseconds.
SLOW = {"dataclasses", "typing", "pathlib", "urllib", "inspect", "shutil", "json", "http", "ssl", "socket"}
ACTIONS = ("qldb verify", "witness serve", "witness key", "witness check", "witness audit")


def loaded(*words: str) -> tuple[int, set[str]]:
    """The exit status of the command, and the modules that its process loaded."""
    done = subprocess.run([sys.executable, "-c", _CODE, *words], capture_output=True, text=True, check=True)
    status, *names = done.stderr.splitlines()[-1].split()
    return int(status), set(names)


@pytest.mark.parametrize(
    "words",
    [["--version"], ["--help"], *([*path.split(), "--help"] for path in (*VERBS, *ACTIONS))],
    ids=" ".join,
)
def test_help_and_version_load_no_library(words: list[str]) -> None:
    status, names = loaded(*words)
    assert status == OK
    tops = {name.partition(".")[0] for name in names}
    assert tops & LIBRARIES == set()
    assert tops & SLOW == set()
    assert [name for name in names if name.startswith("carevouch.") and ".cli" not in name] == []


def test_verifying_a_proof_loads_no_client_and_no_domain_that_it_does_not_need(tmp_path: Path) -> None:
    folder = Folder(tmp_path, observation_opening())
    proof, opening = str(folder.path / "0.tlog-proof"), str(folder.path / "0.opening.json")
    genesis = str(folder.path / "genesis")
    status, names = loaded("verify", proof, "--opening", opening, "--genesis", genesis, "--key", VKEY)
    assert status == OK
    tops = {name.partition(".")[0] for name in names}
    assert (
        tops & {"http", "ssl", "socket", "jsonschema_rs", "boto3", "botocore", "chalice", "amazon"} == set()
    )
    assert tops >= {"cryptography", "rfc8785"}
    assert not any(name.startswith(("concurrent.futures", "urllib.request")) for name in names)
    rooms = {name.split(".")[1] for name in names if name.startswith("carevouch.")}
    assert rooms & {"fhir", "store", "door", "records", "claims", "remote", "sealing", "witness"} == set()
