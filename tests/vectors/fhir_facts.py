"""Make `carevouch/fhir/r4.json`, the table of facts about FHIR R4 (4.0.1) for our validator.

Other people generated three packages from HL7's definitions. This reads them as text and never imports them.
PyPI `fhir.resources` 6.1.0 gives elements, types, cardinalities and reference targets. npm `@types/fhir`
0.0.41 gives the codes of required bindings. PyPI `fhirclient` 4.4.0 is the second opinion on types and
cardinalities. Any difference between them stops the run. The table keeps only facts, in a form of our own:
`"status": "1..1 code(draft,active)"`.

    python -m tests.vectors.fhir_facts [--check] [--sources FOLDER]

`--check` compares instead of writing. It exits with 1 if the table differs or the sources contradict each
other, and with 3 if the packages cannot be fetched.
"""

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parents[2] / "shared" / "carevouch" / "fhir" / "r4.json"
PYPI = ("fhir.resources==6.1.0", "fhirclient==4.4.0")
NPM = "@types/fhir@0.0.41"
RELEASE = "4.0.1"

# How fhir.resources marks a required primitive and a required choice; other elements have `...` as default.
REQUIRED = ("element_required", "one_of_many_required")
# fhirclient has one Python type for several FHIR primitives.
CLIENT_PRIMITIVES = {
    "str": {
        "string",
        "code",
        "uri",
        "url",
        "canonical",
        "id",
        "oid",
        "uuid",
        "markdown",
        "base64Binary",
        "xhtml",
    },
    "int": {"integer", "positiveInt", "unsignedInt"},
    "float": {"decimal"},
    "bool": {"boolean"},
    "FHIRDate": {"date"},
    "FHIRDateTime": {"dateTime"},
    "FHIRInstant": {"instant"},
    "FHIRTime": {"time"},
}


class Unobtainable(Exception):
    """The packages are not here and could not be fetched."""


class Contradiction(Exception):
    """Two sources say different things about the same element."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One element as one source describes it. `choice` is the stem of `value[x]`."""

    type: str
    many: bool
    required: bool
    choice: str = ""
    targets: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


@dataclass(slots=True)
class Model:
    """One class of one source: its base and its own elements."""

    base: str
    elements: dict[str, Fact] = field(default_factory=dict)


Source = dict[str, Model]


def main() -> int:
    """Write or compare the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    options.add_argument("--sources", type=Path, help="a folder that holds, or shall hold, the packages")
    chosen = options.parse_args()
    try:
        made = build(chosen.sources)
    except Unobtainable as error:
        print(f"skipped: {error}")
        return 3
    except Contradiction as error:
        print(error)
        return 1
    if chosen.check:
        same = TABLE.read_bytes() == made
        print("r4.json is what the sources say" if same else "r4.json differs from what the sources say")
        return 0 if same else 1
    TABLE.write_bytes(made)
    return 0


def build(sources: Path | None = None) -> bytes:
    """The bytes of `r4.json`; raises `Unobtainable` or `Contradiction`."""
    if sources:
        return _build(sources)
    with tempfile.TemporaryDirectory() as folder:
        return _build(Path(folder))


def _build(folder: Path) -> bytes:
    fetch(folder)
    resources = read_resources(folder / "python/fhir/resources")
    typings = read_typings((folder / "package/r4.d.ts").read_text())
    client = read_client(folder / "python/fhirclient/models")
    return render(merge(resources, typings, client))


def fetch(folder: Path) -> None:
    """Call both package managers, unless the folder has the packages already."""
    if not (folder / "python").exists():
        _call([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps",
               "--target", str(folder / "python"), *PYPI])  # fmt: skip
    if not (folder / "package").exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Unobtainable(f"npm is not installed, so {NPM} cannot be fetched")
        _call([npm, "pack", "--silent", "--pack-destination", str(folder), NPM])
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            archive.extractall(folder, filter="data")
            (folder / "fhir").rename(folder / "package")


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unobtainable(f"{command[0]} did not answer in a minute") from error
    if done.returncode:
        raise Unobtainable(f"{command[0]} could not fetch a package: {done.stderr.strip()[-200:]}")


# --- fhir.resources: pydantic classes ----------------------------------------------------------------------


def read_resources(folder: Path) -> Source:
    """Every class of PyPI `fhir.resources`."""
    found: Source = {}
    for path in sorted(folder.glob("[!_]*.py")):
        text = path.read_text()
        if f"Version: {RELEASE}" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = Model(_last(ast.unparse(node.bases[0])), dict(_pydantic(node)))
    return found


def _pydantic(owner: ast.ClassDef) -> Iterator[tuple[str, Fact]]:
    for node in owner.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in node.value.keywords}
        alias = ast.literal_eval(given["alias"])
        if alias.startswith("_"):
            continue
        annotation = ast.unparse(node.annotation)
        value = {key: ast.literal_eval(given[key]) for key in given if key not in ("alias", "regex")}
        yield (
            alias,
            Fact(
                type=_pydantic_type(re.sub(r"typing\.(List|Union|Optional)\[|, None|\]", "", annotation)),
                many="List[" in annotation,
                required=_is_ellipsis(node.value.args) or any(value.get(word) for word in REQUIRED),
                choice=value.get("one_of_many", ""),
                targets=tuple(value.get("enum_reference_types", ())),
            ),
        )


def _is_ellipsis(arguments: list[ast.expr]) -> bool:
    return bool(arguments) and isinstance(arguments[0], ast.Constant) and arguments[0].value is ...


def _pydantic_type(annotation: str) -> str:
    name = _last(annotation)
    if name == "bool":
        return "boolean"
    return name[:-4] if name.endswith("Type") else name[0].lower() + name[1:]


# --- fhirclient: elementProperties -------------------------------------------------------------------------


def read_client(folder: Path) -> Source:
    """Every class of PyPI `fhirclient`."""
    found: Source = {}
    for path in sorted(folder.glob("*.py")):
        text = path.read_text()
        if f"Generated from FHIR {RELEASE}" in text:
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name] = Model(_last(ast.unparse(node.bases[0])), dict(_properties(node)))
    return found


def _properties(owner: ast.ClassDef) -> Iterator[tuple[str, Fact]]:
    for node in ast.walk(owner):
        if isinstance(node, ast.Tuple) and len(node.elts) == 6:
            _, name, type_, many, choice, required = (ast.unparse(item) for item in node.elts)
            kind = _last(type_).replace("FHIRReference", "Reference")
            stem = "" if choice == "None" else choice.strip("'")
            yield name.strip("'"), Fact(kind, many == "True", required == "True", stem)


# --- @types/fhir: interfaces -------------------------------------------------------------------------------

INTERFACE = re.compile(r"^export interface (\w+)(?:<[^>]*>)?(?: extends (\w+))? \{\n(.*?)^\}", re.M | re.S)
MEMBER = re.compile(r"^  (\w+)(\??): (.*?)(?: \| undefined)?;$", re.M)


def read_typings(text: str) -> Source:
    """Every interface of npm `@types/fhir`."""
    if f"hl7.fhir.r4.core version: {RELEASE}" not in text[:200]:
        raise Contradiction(f"{NPM} is not about FHIR {RELEASE}")
    return {name: Model(base, dict(_members(body))) for name, base, body in INTERFACE.findall(text)}


def _members(body: str) -> Iterator[tuple[str, Fact]]:
    for name, optional, text in MEMBER.findall(body):
        if name.startswith("_"):
            continue
        codes = tuple(re.findall(r"'([^']*)'", text))
        many = text.endswith("[]") or text.startswith("Array<")
        kind = "string" if codes else re.sub(r"\[\]$|<.*", "", text.replace("|null", "").strip("()"))
        kind = re.sub(r"Array|BundleContentType|FhirResource", _spelled_out, kind.strip("()[]"))
        yield name, Fact(kind, many, not optional, codes=codes)


def _spelled_out(match: re.Match[str]) -> str:
    # The generic parameters of this package's Bundle.
    return "BundleEntry" if match.group() == "Array" else "Resource"


def _last(dotted: str) -> str:
    return dotted.rsplit(".", 1)[-1]


# --- three opinions, one table -----------------------------------------------------------------------------

# The same type under the clients' own names, and what only one package has.
RENAMED = {"SubstanceSpecificationstr": "SubstanceSpecificationCode"}
ABSTRACT = ("Resource", "DomainResource")


def merge(resources: Source, typings: Source, client: Source) -> dict[str, Any]:
    """The table; raises `Contradiction` listing every difference between the sources."""
    client = {RENAMED.get(name, name): model for name, model in client.items()}
    # The Python packages keep `id` in a base class of their own making.
    id_of_resource = client["Resource"].elements["id"]
    resources["Resource"].elements["id"] = replace(id_of_resource, type="id")
    resources["Element"].elements["id"] = replace(id_of_resource, type="string")
    problems: list[str] = []
    types: dict[str, Any] = {}
    for name in sorted(typings):
        known = [source[name] for source in (resources, typings, client) if name in source]
        if len(known) < 3:
            problems.append(f"{name}: not in every source")
            continue
        problems.extend(f"{name}.{finding}" for finding in _differences(*known))
        types[name] = _type(typings[name].base, known[0], known[1])
    if problems:
        raise Contradiction("\n".join(problems))
    kinds = [name for name in types if name not in ABSTRACT and _descends(name, types)]
    return {"release": RELEASE, "resources": kinds, "types": types}


def _descends(name: str, types: dict[str, Any]) -> bool:
    return name == "Resource" or (bool(types[name]["is"]) and _descends(types[name]["is"], types))


def _differences(one: Model, two: Model, three: Model) -> Iterator[str]:
    if not set(one.elements) == set(two.elements) == set(three.elements):
        yield f"elements: {set(one.elements) ^ set(two.elements) | set(one.elements) ^ set(three.elements)}"
        return
    for name, fact in one.elements.items():
        typing, client = two.elements[name], three.elements[name]
        if not fact.many == typing.many == client.many:
            yield f"{name}: one or many?"
        if fact.required != client.required or (fact.required != typing.required and not fact.choice):
            yield f"{name}: required or not?"
        if fact.choice != client.choice:
            yield f"{name}: which choice?"
        if not _same_type(fact, typing, client):
            yield f"{name}: which type?"


def _same_type(fact: Fact, typing: Fact, client: Fact) -> bool:
    as_client = CLIENT_PRIMITIVES.get(client.type, {RENAMED.get(client.type, client.type)})
    as_typing = fact.type
    if fact.type == "boolean":
        as_typing = "boolean"
    elif fact.type in ("decimal", "integer", "positiveInt", "unsignedInt"):
        as_typing = "number"
    elif fact.type[0].islower():
        as_typing = "string"
    return fact.type in as_client and typing.type == as_typing and (fact.type == "code" or not typing.codes)


def _type(base: str, model: Model, typing: Model) -> dict[str, Any]:
    elements: dict[str, str] = {}
    for name, fact in model.elements.items():
        key = f"{fact.choice}[x]" if fact.choice else name
        spelled = _spell(replace(fact, codes=typing.elements[name].codes))
        if key in elements:
            elements[key] += "|" + spelled
        else:
            elements[key] = f"{int(fact.required)}..{'*' if fact.many else 1} {spelled}"
    return {"is": base, "has": dict(sorted(elements.items()))}


def _spell(fact: Fact) -> str:
    allowed = fact.codes or tuple(item for item in fact.targets if item != "Resource")
    if any(re.search(r"[(),| ]", item) for item in allowed):
        raise Contradiction(f"a code has a character of the table's own grammar: {allowed}")
    return fact.type + (f"({','.join(allowed)})" if allowed else "")


def render(table: dict[str, Any]) -> bytes:
    """The table with one element a line, so that a changed fact is a changed line."""
    return (json.dumps(table, indent=0, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
