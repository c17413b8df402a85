"""Write what follows from the tables of routes: the template's events and preflights, and two descriptions.

    python -m infra.routes write     write template.yaml between its markers, and both files in build/
    python -m infra.routes check     change no file; exit with 1 if the template differs, and say what to run

A route is written once, in the `routes.py` of its service. Its summary and schemas are in `api.py` beside it.
"""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from carevouch import __version__
from carevouch.door.api import Operation, Schema
from carevouch.door.http import Route
from infra import capabilities, openapi
from infra.faults import SetUpFault, explained
from infra.openapi import DescribedRoute
from services.records.describe import BASE, METADATA, OPENAPI

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
# The service whose zip holds the descriptions.
DESCRIBED_BY = "records"
# The doors behind the gateway of a deployment, and the one that is deployed alone.
DOORS, WITNESS = ("identity", "consent", "records", "claims", "ledger"), "witness"
_MARKED = r"(?P<begin>( *)# routes:begin {name}\n).*?(?P<end> *# routes:end {name}\n)"


def routes_of(service: str) -> tuple[Route, ...]:
    """The table of routes of a service."""
    table: tuple[Route, ...] = importlib.import_module(f"services.{service}.routes").ROUTES
    return table


def described(service: str) -> list[DescribedRoute]:
    """The routes of a service with the words about them.

    Raises `SetUpFault` for a route without words, and for words without a route.
    """
    words: dict[Callable[..., Any], Operation] = importlib.import_module(f"services.{service}.api").OPERATIONS
    table = routes_of(service)
    silent = [f"{route.method} {route.path}" for route in table if route.use not in words]
    unserved = [use.__name__ for use in words if use not in {route.use for route in table}]
    if silent or unserved:
        raise SetUpFault(
            f"services/{service}: add these routes to OPERATIONS in api.py: {', '.join(silent) or 'none'}; "
            f"and add a route for these use cases in routes.py: {', '.join(unserved) or 'none'}."
        )
    return [DescribedRoute(service, route, words[route.use]) for route in table]


def events(one: DescribedRoute, api: str) -> str:
    """The template's event of a route."""
    parts = re.sub(r"[^A-Za-z0-9]+", " ", one.route.path).split()
    name = one.route.method.title() + "".join(part[0].upper() + part[1:] for part in parts)
    path = f'"{one.route.path}"' if "{" in one.route.path else one.route.path
    auth = ", Auth: {Authorizer: NONE}" if one.operation.anyone and api == "Api" else ""
    said = f"RestApiId: !Ref {api}, Method: {one.route.method}, Path: {path}{auth}"
    return f"{name}: {{Type: Api, Properties: {{{said}}}}}"


def template(text: str) -> str:
    """The template with the events and preflights that follow from the tables."""
    for service in (*DOORS, WITNESS):
        api = "WitnessApi" if service == WITNESS else "Api"
        text = _between(text, service, [events(one, api) for one in described(service)])
    paths = dict.fromkeys(route.path for service in DOORS for route in routes_of(service))
    quoted = (f'"{path}"' if "{" in path else path for path in sorted(paths) if path != _FIRST_PREFLIGHT)
    return _between(text, "preflights", [f"{path}: {{options: *preflight}}" for path in quoted])


# This one is written out in the template, and all others refer to it.
_FIRST_PREFLIGHT = "/.well-known/jwks.json"


def _between(text: str, name: str, lines: Iterable[str]) -> str:
    pattern = re.compile(_MARKED.replace("{name}", name), re.DOTALL)
    found = pattern.search(text)
    if found is None:
        raise SetUpFault(f"template.yaml has no markers `# routes:begin {name}` and `# routes:end {name}`.")
    indent = found[2]
    inside = "".join(f"{indent}{line}\n" for line in lines)
    return text[: found.start()] + found["begin"] + inside + found["end"] + text[found.end() :]


def descriptions() -> dict[str, bytes]:
    """The CapabilityStatement and the OpenAPI document, by file name.

    Their base URL is a placeholder, which the records service replaces with its own.
    """
    base = BASE.decode()
    all_described = [one for service in DOORS for one in described(service)]
    schemas: dict[str, Schema] = {}
    for service in DOORS:
        own = importlib.import_module(f"services.{service}.api").SCHEMAS
        if schemas.keys() & own.keys():
            raise SetUpFault(
                f"services/{service}/api.py: rename these schemas, which another service has too: "
                f"{', '.join(sorted(schemas.keys() & own.keys()))}."
            )
        schemas |= own
    made = {
        METADATA: capabilities.statement(
            [one.route for one in all_described], base_url=base, version=__version__
        ),
        OPENAPI: openapi.document(all_described, schemas, base_url=base, version=__version__),
    }
    return {name: json.dumps(value, separators=(",", ":")).encode() for name, value in made.items()}


def differences() -> Iterator[str]:
    """Each difference from the tables, with the command that mends it."""
    text = TEMPLATE.read_text("utf-8")
    if template(text) != text:
        yield "template.yaml differs from the tables of routes: run `make vectors` and commit the template"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb and return its exit status."""
    verb = (arguments if arguments is not None else sys.argv[1:])[:1]
    if verb == ["check"]:
        wrong = list(differences())
        print("\n".join(wrong) or "template.yaml agrees with the tables of routes")
        return 1 if wrong else 0
    if verb != ["write"]:
        raise SetUpFault("name a verb: python -m infra.routes write, or python -m infra.routes check.")
    TEMPLATE.write_text(template(TEMPLATE.read_text("utf-8")), "utf-8")
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    for name, data in descriptions().items():
        (folder / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(explained(main))
