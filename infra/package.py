"""Builds the deployment packages: one zip per service, byte for byte the same from the same inputs.

A zip holds the service, those modules of `carevouch` that its imports reach, and the libraries that
`[tool.carevouch.package]` in pyproject.toml lists for it, at the versions of requirements.lock. All of them
are there as source and as bytecode. The AWS SDK never goes in: the Lambda runtime supplies it, and so does
the virtual environment of the local cloud.

    python -m infra.package --for local|aws [service ...]

Symbolic links, `chalice package` and `sam build` were tried and are not used: infra/decisions/0008 says why.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra import bytecode, routes
from infra.faults import SetUpFault, explained
from infra.imports import source_files

ROOT = Path(__file__).resolve().parent.parent
Target = Literal["local", "aws"]
# Bump when this file changes what goes into a zip; the cache keys start with it.
RECIPE = "4"
# Lambda's own limit is 250 MB unpacked; ours keeps a cold start below a second.
MAX_ZIP_BYTES = 16_000_000
# Fast packing for this host leaves them larger.
MAX_LOCAL_ZIP_BYTES = 30_000_000
# The runtime supplies these. Overrides that never apply keep uv from installing them.
SUPPLIED = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
# The two files of Chalice that a handler needs; the rest is its command line (91 kB of 71 MB).
CHALICE_FILES = ("chalice/__init__.py", "chalice/app.py")
# Zip knows no time before 1980, and a real one would change the bytes at every build.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
# A local zip crosses no network, so fast packing matters more than its size.
LEVELS: dict[Target, int] = {"local": 1, "aws": 6}
LEFT_OUT = (".pyi", "/tests/", "README.md", ".lock", "/bin/")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one service's zip is made of."""

    service: str
    requires: tuple[str, ...]
    python: str


def recipes(root: Path = ROOT) -> dict[str, Recipe]:
    """The packages that pyproject.toml declares, by service."""
    with (root / "pyproject.toml").open("rb") as file:
        table = tomllib.load(file)["tool"]["carevouch"]["package"]
    return {
        service: Recipe(service, tuple(sorted(requires)), table["python"])
        for service, requires in table["requires"].items()
    }


def build(
    target: Target,
    services: Sequence[str] = (),
    *,
    root: Path = ROOT,
    say: Callable[[str], None] = print,
) -> dict[str, Path]:
    """The zip of each service (all when none is named); builds only those whose inputs changed."""
    declared = recipes(root)
    out = root / "build" / target
    with _alone(out):
        return {name: _zip(declared[name], target, root, out, say) for name in services or declared}


def _zip(recipe: Recipe, target: Target, root: Path, out: Path, say: Callable[[str], None]) -> Path:
    sources = source_files(root, recipe.service)
    path = out / f"{recipe.service}.zip"
    stamp = path.with_suffix(".inputs")
    made = routes.descriptions() if recipe.service == routes.DESCRIBED_BY else {}
    inputs = _fingerprint(recipe, target, root, sources, made)
    if path.exists() and stamp.exists() and stamp.read_text() == inputs:
        return path
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    python = interpreter_for(recipe, target)
    if python is None:
        warning = (
            f"carevouch: {path} has NO BYTECODE and starts slowly: there is no Python {recipe.python} here, "
            f"and uv could not fetch one. Install python{recipe.python} and build again."
        )
        print(warning, file=sys.stderr)
    libraries = _libraries(recipe, target, root, out, python)
    with tempfile.TemporaryDirectory() as folder:
        for name, file in sources.items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, Path(folder) / name)
        for name, data in made.items():
            (Path(folder) / "services" / recipe.service / name).write_bytes(data)
        if python is not None:
            bytecode.compile_tree(python, Path(folder))
        _write(path, _files_below(Path(folder)) | libraries, LEVELS[target])
    stamp.write_text(inputs)
    size, budget = path.stat().st_size, MAX_ZIP_BYTES if target == "aws" else MAX_LOCAL_ZIP_BYTES
    if size > budget:
        raise SetUpFault(
            f"{path} is {size / 1e6:.1f} MB; the budget is {budget / 1e6:.0f} MB: drop a library."
        )
    say(f"  packaged {recipe.service:<9} {size / 1e6:5.1f} MB   {time.monotonic() - started:4.1f} s")
    return path


def _fingerprint(
    recipe: Recipe, target: Target, root: Path, sources: Mapping[str, Path], made: Mapping[str, bytes]
) -> str:
    digest = hashlib.sha256(_library_key(recipe, target, root).encode())
    for name, file in sources.items():
        digest.update(f"\n{name} {hashlib.sha256(file.read_bytes()).hexdigest()}".encode())
    for name, data in made.items():
        digest.update(f"\n{name} {hashlib.sha256(data).hexdigest()}".encode())
    return digest.hexdigest()


def _library_key(recipe: Recipe, target: Target, root: Path) -> str:
    lock = hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest()
    host = (
        f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}" if target == "local" else recipe.python
    )
    python = interpreter_for(recipe, target)
    said = json.dumps([RECIPE, target, host, recipe.requires, lock, python is not None])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def interpreter_for(recipe: Recipe, target: Target) -> str | None:
    """The Python that compiles for the target: this one, or one of the template's version."""
    return sys.executable if target == "local" else bytecode.interpreter(recipe.python, _uv_tool())


def _files_below(folder: Path) -> dict[str, Path]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    named = {str(file.relative_to(folder)): file for file in files}
    return {name: file for name, file in named.items() if not _left_out(name)}


def _libraries(recipe: Recipe, target: Target, root: Path, out: Path, python: str | None) -> dict[str, Path]:
    """Path in the zip -> file, of every library; installed once per set of requirements."""
    folder = out / "libraries" / _library_key(recipe, target, root)
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _install(recipe, target, root, part)
        for unused in [file for file in part.rglob("*") if file.is_file()]:
            if _left_out(str(unused.relative_to(part))):
                unused.unlink()
        if python is not None:
            bytecode.compile_tree(python, part)
        part.rename(folder)
    return _files_below(folder)


def _left_out(name: str) -> bool:
    if name.startswith("chalice/") and name.endswith(".py"):
        return name not in CHALICE_FILES
    return any(part in f"/{name}" for part in LEFT_OUT)


def _install(recipe: Recipe, target: Target, root: Path, folder: Path) -> None:
    chalice = [name for name in recipe.requires if name == "chalice"]
    others = [name for name in recipe.requires if name != "chalice"]
    overrides = folder.with_suffix(".overrides")
    overrides.write_text("".join(f"{name}; python_version < '3'\n" for name in SUPPLIED))
    options = ["--constraint", str(root / "requirements.lock"), "--overrides", str(overrides)]
    for names, extra in ((others, options), (chalice, [*options[:2], "--no-deps"])):
        if names:
            _uv(
                "pip",
                "install",
                "--quiet",
                "--target",
                str(folder),
                *_platform(recipe, target),
                *extra,
                *names,
            )
    overrides.unlink()


def _platform(recipe: Recipe, target: Target) -> list[str]:
    if target == "local":
        return ["--python", sys.executable]
    # Amazon Linux 2023 has glibc 2.34; wheels only, because nothing can be compiled for another machine.
    return [
        "--python-platform",
        "aarch64-manylinux_2_34",
        "--python-version",
        recipe.python,
        "--only-binary",
        ":all:",
    ]


def _uv_tool() -> str:
    tool = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if tool is None:
        raise SetUpFault(
            "uv is missing, which installs the libraries of a package: run `make` verbs, which set it up."
        )
    return tool


def _uv(*arguments: str) -> None:
    done = subprocess.run([_uv_tool(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetUpFault(f"the libraries of a package could not be installed; uv says: {done.stderr.strip()}")


def _write(path: Path, files: dict[str, Path], level: int) -> None:
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, level)
    part.rename(path)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Let one process build at a time: test workers start together."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".building").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Build one zip per service.")
    parser.add_argument(
        "--for",
        dest="target",
        choices=["local", "aws"],
        default="aws",
        help="this machine, or Lambda on arm64",
    )
    parser.add_argument("services", nargs="*", metavar="service", help="only these (default: all)")
    chosen = parser.parse_args()
    for name, path in build(chosen.target, chosen.services).items():
        print(f"  {name:<9} {path.relative_to(ROOT)}   {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(explained(main))
