"""Answers of the doors, compared with their OpenAPI description.

Every answer that a service test gets goes through here. A status that the description lacks for its route, or
a body that the described schema refuses, fails the test that met it.
"""

import json
from functools import cache
from typing import Any

import jsonschema_rs

from infra.routes import DOORS
from services.records.describe import OPENAPI
from tests.descriptions import description

_ROOT = "urn:carevouch:openapi"


def require_described(service: str, method: str, pattern: str, path: str, answer: Any) -> None:
    """Raise `AssertionError` unless the description has the answer's status and its body."""
    if service not in DOORS:
        return
    operation = _operation(method, pattern, path.rpartition("/")[2].replace("%24", "$"))
    if operation is None:
        return
    where = f"{method} {pattern} {answer.status}"
    described = operation["responses"].get(str(answer.status))
    assert described is not None, f"{where} is not in the OpenAPI description"
    content = described.get("content")
    if content is None:
        assert not answer.body, f"{where} has a body, and the description has none"
        return
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in content, f"{where} has the content type {kind}; described: {', '.join(content)}"
    reference = content[kind]["schema"].get("$ref")
    if kind.endswith("json") and reference:
        errors = list(_validator(reference).iter_errors(json.loads(answer.body)))
        places = [f"{list(error.instance_path)}: {error.message[:200]}" for error in errors[:3]]
        assert not errors, f"{where} differs from {reference}: {places}"


def _operation(method: str, pattern: str, last: str) -> dict[str, Any] | None:
    """The operation of a route; None for an operation name that no route has."""
    paths = _document()["paths"]
    public = pattern.replace("+}", "}")
    head = public.rpartition("/")[0]
    for path in (f"{head}/{last}" if last.startswith("$") else public, public):
        found: dict[str, Any] | None = paths.get(path, {}).get(method.lower())
        if found is not None:
            return found
    return None


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(description(OPENAPI))
    return document


@cache
def _validator(reference: str) -> jsonschema_rs.Draft202012Validator:
    # Only the parts that the reference reaches are compiled.
    registry = jsonschema_rs.Registry([(_ROOT, _document())], draft=jsonschema_rs.Draft202012)
    return jsonschema_rs.Draft202012Validator({"$ref": f"{_ROOT}{reference}"}, registry=registry)
