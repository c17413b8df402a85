"""OpenAPI 3.1 from a list of routes: what is served, and nothing else.

https://spec.openapis.org/oas/v3.1.0
"""

import re
from collections.abc import Iterable
from typing import Any

_VARIABLE = re.compile(r"\{(\w+)(\+?)\}")
_BODIED = ("POST", "PUT")
_FHIR_JSON = "application/fhir+json"


def openapi_document(
    routes: Iterable[tuple[str, str, str, bool]], *, base_url: str, version: str
) -> dict[str, Any]:
    """The description; each route is (method, path, summary, whether it needs no token)."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, summary, is_open in routes:
        paths.setdefault(path.replace("+}", "}"), {})[method.lower()] = _operation(
            method, path, summary, is_open
        )
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
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "a five-minute token from /auth/token (private_key_jwt)",
                }
            }
        },
    }


def _operation(method: str, path: str, summary: str, is_open: bool) -> dict[str, Any]:
    kind = _FHIR_JSON if path.startswith("/fhir") else "application/json"
    made: dict[str, Any] = {
        "operationId": _name(method, path),
        "summary": summary,
        "tags": [path.split("/")[1]],
        "responses": {
            "default": {
                "description": "the answer, or what to mend",
                "content": {kind: {"schema": {"type": "object"}}},
            }
        },
    }
    names = [name for name, _ in _VARIABLE.findall(path)]
    if names:
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if method in _BODIED:
        made["requestBody"] = {"required": True, "content": {kind: {"schema": {"type": "object"}}}}
    if is_open:
        made["security"] = []
    return made


def _name(method: str, path: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", " ", path).split()
    return method.lower() + "".join(word[0].upper() + word[1:] for word in words)
