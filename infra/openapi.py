"""The OpenAPI 3.1 description of every door, from the tables of routes and the words about the use cases.

FHIR bodies have the schemas of R4's table of facts: of the types that some route takes or answers, with
their data types, primitive extensions, and contained resources as objects that name their type.
https://spec.openapis.org/oas/v3.1.0
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from carevouch.door.api import Operation, Schema
from carevouch.door.http import Route
from carevouch.fhir.definitions import Element, Kind, elements, resource_types
from carevouch.fhir.primitives import SCHEMAS as PRIMITIVES

_VARIABLE = re.compile(r"\{(\w+)\+?\}")
_FHIR_JSON, _JSON, _PROBLEM = "application/fhir+json", "application/json", "application/problem+json"
_FORM = "application/x-www-form-urlencoded"
_BODIED = ("POST", "PUT")
# Any resource: of a type that the path names, or inside another one.
ANY = "Resource"
_HEADERS = {
    "Idempotency-Key": "1 to 255 visible characters; a retry with the same key gets the same answer",
    "If-Match": 'the ETag of the version that is changed, such as W/"1"',
    "Purpose-Of-Use": "a v3-ActReason code that the caller's role may declare; the role's own by default",
}
_REFUSALS = {
    400: "the request is not what it should be; the answer says where",
    401: "no token, or one that is not good any more",
    403: "the scope or role does not allow this",
    404: "absent, or it may not be read: the two look alike",
    409: "somebody else was first",
    412: "If-Match names another version than the current one",
    413: "too large; the answer says how to split it",
    415: "the content type is not taken",
    422: "understood, but it cannot be done as asked",
    503: "try again after Retry-After",
}
_OF_METHOD = {"POST": (409, 413, 415, 422), "PUT": (409, 412, 413, 415, 422), "DELETE": (409,)}
_SUCCESSES = {200: "done", 201: "created", 204: "done; there is nothing to answer", 304: "the caller has it"}


@dataclass(frozen=True)
class DescribedRoute:
    """A route of some service with the words about its use case."""

    service: str
    route: Route
    operation: Operation

    @property
    def is_fhir(self) -> bool:
        """Whether its refusals are OperationOutcomes."""
        return self.route.path.startswith("/fhir")

    @property
    def type(self) -> str:
        """The FHIR type that its path spells out, or any."""
        return self.route.fixed.get("type", ANY)


def document(
    described: Iterable[DescribedRoute], schemas: Mapping[str, Schema], *, base_url: str, version: str
) -> dict[str, Any]:
    """The whole description; `schemas` are the services' own, by name."""
    paths: dict[str, dict[str, Any]] = {}
    used: set[str] = {"OperationOutcome", ANY}
    for one in described:
        path = one.route.public_path.replace("+}", "}")
        paths.setdefault(path, {})[one.route.method.lower()] = _operation(one, path)
        bodies = (one.operation.body.removesuffix("?"), *one.operation.answers.values())
        used |= {body.replace("{type}", one.type) for body in bodies if body and "/" not in body}
    used |= {name for schema in schemas.values() for name in _references(schema)}
    fhir = fhir_schemas(used - schemas.keys() - {ANY})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Carevouch",
            "version": version,
            "summary": "Health identity, consent, records and claims; every act is a signed, provable event",
        },
        "servers": [{"url": base_url}],
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {
                ANY: {
                    "type": "object",
                    "properties": {"resourceType": {"type": "string"}, "id": {"type": "string"}},
                    "required": ["resourceType"],
                    "additionalProperties": True,
                },
                "Problem": {
                    "type": "object",
                    "description": "RFC 9457",
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                    "required": ["type", "title", "status", "detail"],
                },
                **fhir,
                **{name: _pointed(schema) for name, schema in sorted(schemas.items())},
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "a five-minute token from /auth/token (private_key_jwt)",
                }
            },
        },
    }


def _operation(one: DescribedRoute, path: str) -> dict[str, Any]:
    route, words = one.route, one.operation
    is_open = bool(words.anyone)
    parts = re.sub(r"[^A-Za-z0-9]+", " ", path).split()
    made: dict[str, Any] = {
        "operationId": route.method.lower() + "".join(part[0].upper() + part[1:] for part in parts),
        "summary": words.summary,
        "description": f"Callers: anyone ({words.anyone})." if is_open else f"Callers: {words.who}.",
        "tags": [one.service],
        "responses": dict(_responses(one)),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in words.query.items()
    ]
    headers = ["If-Match"] if route.method == "PUT" else []
    if not is_open and route.method in _BODIED:
        headers.insert(0, "Idempotency-Key")
    if not is_open and route.method == "GET" and path.startswith(("/fhir", "/ledger/documents")):
        headers.append("Purpose-Of-Use")
    parameters += [
        {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in headers
    ]
    if parameters:
        made["parameters"] = parameters
    if words.body:
        name = words.body.removesuffix("?").replace("{type}", one.type)
        kind = _FORM if route.takes == "form" else _FHIR_JSON if one.is_fhir else _JSON
        made["requestBody"] = {
            "required": not words.body.endswith("?"),
            "content": {kind: {"schema": _pointer(name)}},
        }
    if is_open:
        made["security"] = []
    return made


def _responses(one: DescribedRoute) -> Iterator[tuple[str, dict[str, Any]]]:
    words = one.operation
    for status, body in words.answers.items():
        answer: dict[str, Any] = {"description": _SUCCESSES[status]}
        if "/" in body:
            answer["content"] = {body: {"schema": {"type": "string"}}}
        elif body:
            name = body.replace("{type}", one.type)
            is_fhir = name == ANY or name in resource_types()
            answer["content"] = {_FHIR_JSON if is_fhir else _JSON: {"schema": _pointer(name)}}
        yield str(status), answer
    refused = (400, 404, *(() if words.anyone else (401, 403)), *_OF_METHOD.get(one.route.method, ()), 503)
    kind, schema = (_FHIR_JSON, "OperationOutcome") if one.is_fhir else (_PROBLEM, "Problem")
    if one.route.takes == "form":
        kind, schema = _JSON, "OAuthError"
        refused = (400, 401, 503)
    for status in sorted({*refused, *words.refusals}):
        yield (
            str(status),
            {"description": _REFUSALS[status], "content": {kind: {"schema": _pointer(schema)}}},
        )


def fhir_schemas(types: Iterable[str]) -> dict[str, Schema]:
    """The schemas of these FHIR types and of every type that they are made of, by name."""
    made: dict[str, Schema] = {}
    waiting = [*types, "Element"]
    while waiting:
        name = waiting.pop()
        if name in made or name in ("Resource", "DomainResource", ANY):
            continue
        properties: dict[str, Schema] = {}
        required = []
        if name in resource_types():
            properties["resourceType"] = {"type": "string", "const": name}
            required.append("resourceType")
        for element in elements(name):
            properties |= _properties(element)
            waiting += [kind.type for kind in element.kinds if not kind.primitive]
            # A primitive may be absent where its extensions are there.
            if element.required and not element.choice and not element.kinds[0].primitive:
                required.append(element.name)
        made[name] = {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }
    return dict(sorted(made.items()))


def _properties(element: Element) -> Iterator[tuple[str, Schema]]:
    for name, kind in element.names().items():
        value = _value(kind)
        yield name, {"type": "array", "items": value} if element.many else value
        if kind.primitive and not (element.name == "id" and kind.type in ("id", "string")):
            sibling = _pointer("Element")
            nullable = {"anyOf": [sibling, {"type": "null"}]}
            yield f"_{name}", {"type": "array", "items": nullable} if element.many else sibling


def _value(kind: Kind) -> Schema:
    if kind.type == "code" and kind.allowed:
        return {"type": "string", "enum": list(kind.allowed)}
    if kind.primitive:
        return {"type": PRIMITIVES[kind.type]["type"]}
    return _pointer(ANY if kind.type in ("Resource", "DomainResource") else kind.type)


def _pointer(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    if isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _pointed(schema: Any) -> Any:
    """The schema with the names in its references as places in the document."""
    if isinstance(schema, list):
        return [_pointed(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"#/components/schemas/{value}" if name == "$ref" else _pointed(value)
        for name, value in schema.items()
    }
