"""The zips of `infra/package.py` import alone, hold what they need, and are the same each time."""

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import package
from infra.imports import libraries
from tests.contract.template import ROOT, SERVICES, functions, written

# Import name -> the distribution that pyproject.toml lists, where the two differ.
DISTRIBUTIONS = {"aws_lambda_powertools": "aws-lambda-powertools", "jsonschema_rs": "jsonschema-rs"}
# The Lambda runtime supplies these. They are not in the zips, so the isolated import finds them beside it.
SDK = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")


def _built(target: package.Target, service: str) -> Path:
    return package.build(target, [service], say=lambda line: None)[service]


def _names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK and nothing else of this environment."""
    folder = tmp_path_factory.mktemp("sdk")
    for name in SDK:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        origin = Path(found.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


@pytest.mark.parametrize("service", SERVICES)
def test_the_zip_of_this_host_imports_alone(service: str, sdk: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(_built("local", service)) as archive:
        archive.extractall(tmp_path)
    handlers = [p["Handler"].rsplit(".", 1) for p in functions().values() if f".{service}." in p["Handler"]]
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(sdk)!r}]\n"
    code += "".join(f"import {module} as m; assert callable(m.{name})\n" for module, name in handlers)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_the_zip_for_lambda_is_within_budget_and_for_arm64_only(service: str) -> None:
    path = _built("aws", service)
    assert path.stat().st_size < package.MAX_ZIP_BYTES
    names = _names(path)
    compiled = {name for name in names if name.endswith(".so")}
    assert compiled
    assert not [name for name in compiled if "x86_64" in name or "darwin" in name]
    tags = [_tags(path, name) for name in names if name.endswith(".dist-info/WHEEL")]
    platforms = {tag.rsplit("-", 1)[1] for of_wheel in tags for tag in of_wheel}
    assert all(platform == "any" or platform.endswith("_aarch64") for platform in platforms), platforms


def _tags(path: Path, name: str) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(name).decode().splitlines()
    return [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]


@pytest.mark.parametrize("service", SERVICES)
def test_the_zip_holds_its_service_and_no_other(service: str) -> None:
    names = _names(_built("local", service))
    assert {
        name.split("/")[1] for name in names if name.startswith("services/") and name.endswith(".py")
    } == {"__init__.py", service}
    assert not [name for name in names if name.endswith("README.md") or name.startswith("tests/")]


def _headers(path: Path) -> dict[str, bytes]:
    """The first eight bytes of every `.pyc`: the interpreter's magic number, and its kind (PEP 552)."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name)[:8] for name in archive.namelist() if name.endswith(".pyc")}


def _magic(python: str) -> bytes:
    code = "import importlib.util as u, sys; sys.stdout.buffer.write(u.MAGIC_NUMBER)"
    return subprocess.run([python, "-I", "-c", code], capture_output=True, check=True).stdout


@pytest.mark.parametrize("target", ["local", "aws"])
@pytest.mark.parametrize("service", SERVICES)
def test_every_module_of_a_zip_has_bytecode_of_its_python(target: package.Target, service: str) -> None:
    recipe = package.recipes()[service]
    python = package.interpreter_for(recipe, target)
    if python is None:
        pytest.skip(f"there is no Python {recipe.python} on this machine, and uv could not fetch one")
    path = _built(target, service)
    unchecked_hash = (0b01).to_bytes(4, "little")
    headers = _headers(path)
    assert set(headers.values()) == {_magic(python) + unchecked_hash}
    if target == "aws":
        tag = "cpython-" + recipe.python.replace(".", "")
        assert {name.split(".")[-2] for name in headers} == {tag}
    compiled = {name.replace("/__pycache__/", "/").split(".cpython-")[0] for name in headers}
    sources = {name.removesuffix(".py") for name in _names(path) if name.endswith(".py")}
    assert {name for name in sources - compiled if name.startswith(("carevouch/", "services/"))} == set()
    assert len(compiled) > 0.98 * len(sources), "libraries may hold a few files that are no modules"


def test_a_zip_holds_only_the_rooms_that_its_service_enters() -> None:
    """So that a change to claims leaves the other functions' packages byte for byte as they were."""
    rooms = {
        service: {
            Path(name).parts[1] for name in _names(_built("local", service)) if name.startswith("carevouch/")
        }
        for service in ("ledger", "consent", "claims")
    }
    assert "claims" in rooms["claims"]
    assert "claims" not in rooms["consent"] | rooms["ledger"]
    assert "consent" not in rooms["ledger"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_zip_holds_no_sdk_and_of_chalice_two_files_at_most(service: str) -> None:
    names = _names(_built("local", service))
    assert not {name.split("/")[0] for name in names} & {*SDK, "six.py"}
    chalice = set(package.CHALICE_FILES) if "chalice" in package.recipes()[service].requires else set()
    assert {name for name in names if name.startswith("chalice/") and name.endswith(".py")} == chalice


@pytest.mark.parametrize("service", SERVICES)
def test_pyproject_lists_just_the_libraries_that_the_code_imports(service: str) -> None:
    imported = {DISTRIBUTIONS.get(name, name) for name in libraries(ROOT, service)} - {"boto3", "botocore"}
    assert imported == set(package.recipes()[service].requires)


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    path = _built("local", "ledger")
    before = path.read_bytes()
    path.with_suffix(".inputs").unlink()
    assert _built("local", "ledger").read_bytes() == before


def test_an_unchanged_package_is_not_built_again() -> None:
    path = _built("local", "ledger")
    written_at = path.stat().st_mtime_ns
    assert _built("local", "ledger").stat().st_mtime_ns == written_at


def test_the_zips_are_for_the_python_of_the_template() -> None:
    runtime = written()["Globals"]["Function"]["Runtime"]
    assert {f"python{recipe.python}" for recipe in package.recipes().values()} == {runtime}
    assert set(package.recipes()) == set(SERVICES)
    for properties in functions().values():
        assert properties["CodeUri"] == f"build/aws/{properties['Handler'].split('.')[1]}.zip"
