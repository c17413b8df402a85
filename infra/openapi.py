"""The OpenAPI 3.1 description of every door, from the tables of routes and the words about the use cases.

Every FHIR type that a door stores or answers has a schema, made of R4's table of facts. The schema has the
data types, the extensions of primitives, and one level of contained resources.
https://spec.openapis.org/oas/v3.1.0
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from carevouch.door.api import Operation, Schema, bodies_of
from carevouch.door.http import Route
from carevouch.fhir.definitions import Element, Kind, elements, resource_types
from carevouch.fhir.primitives import SCHEMAS as PRIMITIVES
from carevouch.records.resource import is_served
from infra.faults import SetUpFault

_VARIABLE = re.compile(r"\{(\w+)\+?\}")
_FHIR_JSON, _JSON, _PROBLEM = "application/fhir+json", "application/json", "application/problem+json"
_FORM = "application/x-www-form-urlencoded"
_BODIED = ("POST", "PUT")
# Any resource that a door stores or answers, a resource inside another one, and one of any other type there.
ANY, CONTAINED, OTHER = "Resource", "ContainedResource", "OtherResource"
# Types that a door takes or answers and does not store.
_MESSAGES = ("Bundle", "CapabilityStatement", "OperationOutcome", "Parameters")
_HEADERS = {
    "Idempotency-Key": "1 to 255 visible characters; a retry with the same key gets the same answer",
    "If-Match": 'the ETag of the version that is changed, such as W/"1"',
    "If-None-Exist": "identifier=system|value; a document that has it is answered, not created again",
    "If-None-Match": "the ETag of the version that the caller has; the answer is 304 if it is still current",
    "Purpose-Of-Use": "a v3-ActReason code that the caller's role may declare; the role's own by default",
}
_REFUSALS = {
    400: "the request is malformed or invalid; the answer says where",
    401: "there is no token, or it is not valid any more",
    403: "the scope or role does not allow this",
    404: "there is no such resource, or it may not be read; both have this answer",
    409: "another request changed or created the same document first",
    412: "a condition in the headers or the Bundle does not hold",
    413: "too large; the answer says how to split it",
    415: "the content type is not supported",
    422: "the request is valid and cannot be done; the answer says why",
    429: "too many requests; wait for the time in Retry-After",
    500: "the server failed; the operator was alerted",
    503: "temporarily unavailable; try again after the time in Retry-After",
    504: "no answer in time; repeat the request with the same Idempotency-Key",
}
_OF_METHOD = {"POST": (409, 413, 415, 422), "PUT": (409, 412, 413, 415, 422), "DELETE": (409,)}
# API Gateway gives these answers on its own, and always as an OperationOutcome.
_OF_GATEWAY = (401, 403, 404, 413, 429, 500, 503, 504)
_SUCCESSES = {200: "done", 201: "created", 204: "done, without a body", 304: "the caller has this version"}


@dataclass(frozen=True)
class DescribedRoute:
    """A route of a service, with the words about its use case."""

    service: str
    route: Route
    operation: Operation

    @property
    def is_fhir(self) -> bool:
        """Whether its refusals are OperationOutcomes."""
        return self.route.path.startswith("/fhir")

    @property
    def type(self) -> str:
        """The FHIR type that its path spells out, or `Resource` for any."""
        return self.route.fixed.get("type", ANY)


def document(
    described: Iterable[DescribedRoute], schemas: Mapping[str, Schema], *, base_url: str, version: str
) -> dict[str, Any]:
    """The whole description; `schemas` are the services' own, by name.

    Raises `SetUpFault` if two routes have one method and path.
    """
    paths: dict[str, dict[str, Any]] = {}
    for one in described:
        path, method = one.route.public_path.replace("+}", "}"), one.route.method.lower()
        if method in paths.setdefault(path, {}):
            raise SetUpFault(f"two routes are {one.route.method} {path}: give one of them another path.")
        paths[path][method] = _operation(one, path)
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
                **fhir_schemas((*_MESSAGES, *filter(is_served, resource_types()))),
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
    headers = list(words.headers)
    if not is_open and route.method in _BODIED:
        headers.append("Idempotency-Key")
    if route.method == "PUT":
        headers.append("If-Match")
    if 304 in words.answers:
        headers.append("If-None-Match")
    if not is_open and route.method == "GET" and path.startswith(("/fhir", "/ledger/documents")):
        headers.append("Purpose-Of-Use")
    parameters += [
        {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in headers
    ]
    if parameters:
        made["parameters"] = parameters
    if words.body:
        kind = _FORM if route.takes == "form" else _FHIR_JSON if one.is_fhir else _JSON
        made["requestBody"] = {
            "required": not words.body.endswith("?"),
            "content": {kind: {"schema": _schema(bodies_of(words.body, one.type))}},
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
            names = bodies_of(body, one.type)
            is_fhir = names[0] == ANY or names[0] in resource_types()
            answer["content"] = {_FHIR_JSON if is_fhir else _JSON: {"schema": _schema(names)}}
        yield str(status), answer
    of_token = () if words.anyone else (401, 403)
    usual = (400, 404, *of_token, *_OF_METHOD.get(one.route.method, ()), 429, 500, 503, 504)
    for status in sorted({*usual, *words.refusals}):
        yield str(status), {"description": _REFUSALS[status], "content": _refusal(one, status)}


def _refusal(one: DescribedRoute, status: int) -> dict[str, Any]:
    """The bodies of a refusal: the service's own form, and the gateway's where it may answer first."""
    if one.is_fhir:
        return {_FHIR_JSON: {"schema": _pointer("OperationOutcome")}}
    kind, name = (
        (_JSON, "OAuthError") if one.route.takes == "form" and status in (400, 401) else (_PROBLEM, "Problem")
    )
    content = {kind: {"schema": _pointer(name)}}
    if status in _OF_GATEWAY:
        content[_FHIR_JSON] = {"schema": _pointer("OperationOutcome")}
    return content


def fhir_schemas(types: Iterable[str]) -> dict[str, Schema]:
    """The schemas of these FHIR types and of every type that they are made of, by name.

    `Resource` is any of `types`. A contained resource is one of these or of R4's other types, whose members
    are left open.
    """
    resources = sorted(types)
    made: dict[str, Schema] = {
        ANY: _one_of({name: name for name in resources}),
        CONTAINED: {
            "description": "A resource inside another one. It contains no further resources.",
            **_one_of({name: name if name in resources else OTHER for name in sorted(resource_types())}),
            "not": {"required": ["contained"]},
        },
        OTHER: {
            "type": "object",
            "properties": {
                "resourceType": {"type": "string", "enum": sorted(resource_types() - set(resources))}
            },
            "required": ["resourceType"],
            "additionalProperties": True,
        },
    }
    waiting = [*resources, "Element"]
    while waiting:
        name = waiting.pop()
        if name in made or name in ("Resource", "DomainResource"):
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


def _one_of(schemas: Mapping[str, str]) -> Schema:
    """One of several schemas, each with the resource type that tells it from the others."""
    return {
        "oneOf": [_pointer(name) for name in dict.fromkeys(schemas.values())],
        "discriminator": {
            "propertyName": "resourceType",
            "mapping": {type_: _pointer(name)["$ref"] for type_, name in schemas.items()},
        },
    }


def _properties(element: Element) -> Iterator[tuple[str, Schema]]:
    for name, kind in element.names().items():
        value = _pointer(CONTAINED) if name == "contained" else _value(kind)
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


def _schema(names: tuple[str, ...]) -> Schema:
    pointers = [_pointer(name) for name in names]
    return pointers[0] if len(pointers) == 1 else {"oneOf": pointers}


def _pointed(schema: Any) -> Any:
    """The schema with each reference written as a pointer into the document."""
    if isinstance(schema, list):
        return [_pointed(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"#/components/schemas/{value}" if name == "$ref" else _pointed(value)
        for name, value in schema.items()
    }
