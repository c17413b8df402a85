"""Clients that other people's generators make of our OpenAPI description: in TypeScript and in Python."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.routes import descriptions
from services.records.describe import OPENAPI
from tests.interop.programs import HOME
from tests.oracles import ROOT

pytestmark = pytest.mark.interop
TYPESCRIPT = ROOT / "tests" / "interop" / "typescript"
PYTHON = HOME / "python" / "bin"
# COSE is bytes to a client that knows no better.
SETTINGS = "content_type_overrides:\n  application/cose: application/octet-stream\npost_hooks: []\n"


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openapi") / OPENAPI
    path.write_bytes(descriptions()[OPENAPI])
    return path


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_description_is_valid(openapi: Path) -> None:
    done = run(PYTHON / "openapi-spec-validator", openapi)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def typescript(openapi: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated types and our two programs."""
    folder = tmp_path_factory.mktemp("typescript")
    tools = HOME / "typescript" / "node_modules" / ".bin"
    done = run(tools / "openapi-typescript", openapi, "-o", folder / "api.d.ts")
    assert done.returncode == 0, done.stderr
    for program in TYPESCRIPT.glob("*.ts"):
        shutil.copy(program, folder)
    return folder


def compiled(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    tsc = HOME / "typescript" / "node_modules" / ".bin" / "tsc"
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--lib", "es2022,dom")
    return run(tsc, *options, folder / program)


def test_a_typescript_program_that_submits_a_claim_compiles(typescript: Path) -> None:
    done = compiled(typescript, "submit.ts")
    assert done.returncode == 0, done.stdout


def test_one_with_a_misspelt_member_does_not_compile(typescript: Path) -> None:
    honest, misspelt = ((TYPESCRIPT / name).read_text("utf-8") for name in ("submit.ts", "misspelt.ts"))
    assert honest.split("\n", 2)[2].replace("servicedDate", "serviceDate") == misspelt.split("\n", 1)[1]
    done = compiled(typescript, "misspelt.ts")
    assert done.returncode != 0
    assert "'serviceDate' does not exist" in done.stdout
    assert done.stdout.count("error TS") == 1


def test_the_python_client_has_typed_bodies_and_every_answer(openapi: Path, tmp_path: Path) -> None:
    settings, folder = tmp_path / "settings.yaml", tmp_path / "client"
    settings.write_text(SETTINGS)
    done = run(
        PYTHON / "openapi-python-client", "generate", "--path", openapi, "--output-path", folder,
        "--config", settings, "--meta", "none",
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.findall(r"WARNING|ERROR|omitted|Cannot parse", said), said
    functions = {path.stem: path.read_text("utf-8") for path in folder.glob("api/*/*.py")}
    functions.pop("__init__", None)
    document = json.loads(openapi.read_bytes())
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert len(functions) == len(operations)
    for operation in operations:
        text = functions[re.sub(r"(?<!^)(?=[A-Z])", "_", operation["operationId"]).lower()]
        for status, answer in operation["responses"].items():
            parsed = re.search(
                rf"response.status_code == {status}:\n(.*?)return response_{status}", text, re.DOTALL
            )
            assert parsed, (operation["operationId"], status)
            for model in _models(_schema(answer), document["components"]["schemas"]):
                assert f"{model}.from_dict(" in parsed[1], (operation["operationId"], status, model)
        signature = text[text.index("def sync_detailed(") :]
        for model in _models(_schema(operation.get("requestBody", {})), document["components"]["schemas"]):
            assert re.search(rf"body: [^=]*\b{model}\b", signature), (operation["operationId"], model)


def _schema(part: dict[str, Any]) -> dict[str, Any]:
    """The schema of an answer's or a request's first content type, which is the one that the client takes."""
    contents = list(part.get("content", {}).values())
    return contents[0].get("schema", {}) if contents else {}


def _models(schema: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """The classes that a body with this schema is made of; a union has one for each of its parts."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {name} if "properties" in schemas[name] else _models(schemas[name], schemas)
    parts = (*schema.get("oneOf", []), *schema.get("anyOf", []), schema.get("items", {}))
    return {name for part in parts if part for name in _models(part, schemas)}
