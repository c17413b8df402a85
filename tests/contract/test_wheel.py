"""The wheel: the verifier with three requirements, and nothing else at the top of site-packages.

It is built from a copy of the tree, so that nothing lands in the tree itself, and installed into an
environment of its own. A machine on which uv cannot build or install offline skips these tests and says so.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from email.parser import Parser
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch import __version__
from carevouch.events.genesis import genesis_text
from carevouch.kernel.jws import KeyInMemory, private_jwk
from tests.unit.cli.log.test_verify import HOUSE, VKEY, Folder, observation_opening

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
# The files that the build reads.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "shared")
# The top-level names of the three requirements, and of those that they require.
REQUIREMENTS = {"cryptography", "cbor2", "rfc8785", "cffi", "_cffi_backend", "pycparser"}


def uv(*words: object, cwd: Path) -> str:
    """The output of uv; the test is skipped if uv has no network."""
    command = [str(UV), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode and any(
        word in done.stderr for word in ("dns error", "network", "connect", "offline")
    ):
        pytest.skip(f"uv cannot {words[0]} here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not UV.exists():
        pytest.skip("there is no uv beside this Python")
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            shutil.copy(source, tree / name)
    uv("build", "--wheel", "--quiet", "--out-dir", folder / "dist", tree, cwd=folder)
    (built,) = (folder / "dist").glob("*.whl")
    return built


def test_the_wheel_requires_three_libraries_and_has_one_name_at_the_top(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        message = Parser().parsestr(archive.read(metadata).decode())
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"carevouch"}
    assert message["Version"] == __version__
    bare = [line for line in message.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.partition(">")[0] for line in bare) == ["cbor2", "cryptography", "rfc8785"]
    assert {"cli", "cloud", "qldb"} <= set(message.get_all("Provides-Extra", []))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment with the wheel and its three requirements alone."""
    folder = tmp_path_factory.mktemp("bare")
    python = folder / "venv" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    uv("pip", "install", "--quiet", "--python", python, wheel, cwd=folder)
    return python.with_name("carevouch")


def test_it_verifies_a_proof_beside_other_peoples_packages_of_our_folders_names(
    bare: Path, tmp_path: Path
) -> None:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run([bare.with_name("python"), "-c", code], tmp_path).stdout.strip())
    tops = {path.name.partition(".")[0] for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert tops - REQUIREMENTS - {"_virtualenv", "__pycache__"} == {"carevouch"}
    for name in ("shared", "services"):
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(
            "raise ImportError('this is the package of somebody else')\n"
        )
    done = verified(tmp_path, [bare])
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def test_a_verb_whose_library_is_missing_names_the_extra(bare: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    note = genesis_text(replace(HOUSE.genesis, operator=KeyInMemory(key).jwk)) + "\n"
    for name, text in (
        ("key", json.dumps(private_jwk(key))),
        ("genesis", note),
        ("org", '{"resourceType": "Organization"}'),
    ):
        (tmp_path / name).write_text(text)
    done = run([bare, "admit", "--key", "key", "--genesis", "genesis", "--organization", "org"], tmp_path)
    missing = "the library jsonschema_rs is missing: pip install 'carevouch[cli]'"
    assert (done.returncode, done.stderr) == (2, f"carevouch admit: {missing}\n")
    done = run([bare, "qldb", "verify", "."], tmp_path)
    missing = "the library amazon is missing: pip install 'carevouch[qldb]'"
    assert (done.returncode, done.stderr) == (2, f"carevouch qldb verify: {missing}\n")


def test_uvx_runs_it_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    uvx: list[str | Path] = [
        UV,
        "tool",
        "run",
        "--quiet",
        "--python",
        sys.executable,
        "--from",
        wheel,
        "carevouch",
    ]
    assert uv(*uvx[1:], "--version", cwd=tmp_path) == f"carevouch {__version__}\n"
    done = verified(tmp_path, uvx)
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def verified(folder: Path, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run `carevouch verify` on one proof."""
    (folder / "files").mkdir()
    opened = Folder(folder / "files", observation_opening())
    proof, opening, genesis = (opened.path / name for name in ("0.tlog-proof", "0.opening.json", "genesis"))
    return run([*command, "verify", proof, "--opening", opening, "--genesis", genesis, "--key", VKEY], folder)


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without the repository on its import path."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
