"""OpenAPI 3.1 from a list of routes: what is served, and nothing else.

https://spec.openapis.org/oas/v3.1.0
"""

import re
from collections.abc import Iterable
from typing import Any

_VARIABLE = re.compile(r"\{(\w+)(\+?)\}")
_BODIED = ("POST", "PUT")
_FHIR_JSON, _JSON, _PROBLEM = "application/fhir+json", "application/json", "application/problem+json"
_FORM = "application/x-www-form-urlencoded"
_TEXTS = (
    "/ledger/genesis",
    "/ledger/epochs",
    "/ledger/{strand}/checkpoint",
    "/ledger/events/{id}/proof",
    "/ledger/checkpoints/{strand}/{n}/proof",
)
_PAGE, _RECEIPT = "/ledger/verify", "/ledger/events/{id}/receipt"
_SEARCHED = re.compile(r"/fhir/(\{type\}|[A-Z][A-Za-z]+)")
_QUERY = {
    "patient": "whose records; needed but for directory types (other parameters: see /fhir/metadata)",
    "_count": "how many a page holds",
    "_sort": "date or -date",
    "_cursor": "where the next page goes on, as its link says",
}
_POSITION = {
    "position": "where to go on: `next` of the page before; the beginning without it",
    "limit": "how many records a page holds, at most 500",
}
_TIMED = {
    "at": "the version that was current at this RFC 3339 time, by block time",
    "from": "the versions that were current at some instant from this RFC 3339 time on",
    "to": "and before this one",
    "_count": "how many a page of these holds",
    "_cursor": "where the next page goes on, as its link says",
}
_LEDGER_QUERIES = {
    "/ledger/feed": _POSITION,
    "/ledger/documents/{type}/{id}/feed": _POSITION,
    "/ledger/documents/{type}/{id}/history": _TIMED,
}
_HEADERS = {
    "Idempotency-Key": "1 to 255 visible characters; a retry with the same key gets the same answer",
    "If-Match": 'the ETag of the version that is changed, such as W/"1"',
    "Purpose-Of-Use": "a v3-ActReason code that the caller's role may declare; the role's own by default",
}
_REFUSALS = {
    "400": "the request is not what it should be; the answer says where",
    "401": "no token, or one that is not good any more",
    "403": "the scope or role does not allow this",
    "404": "absent, or it may not be read: the two look alike",
    "409": "somebody else was first",
    "412": "If-Match names another version than the current one",
    "413": "too large; the answer says how to split it",
    "415": "the content type is not taken",
    "422": "understood, but it cannot be done as asked",
    "503": "try again after Retry-After",
}
_WRITE_REFUSALS = {
    "POST": ("409", "413", "415", "422"),
    "PUT": ("409", "412", "413", "415", "422"),
    "DELETE": ("409",),
}


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
    made: dict[str, Any] = {
        "operationId": _name(method, path),
        "summary": summary,
        "tags": [path.split("/")[1].partition(".")[0] or "well-known"],
        "responses": _responses(method, path, is_open),
    }
    parameters = [*_in_path(path), *_in_query(method, path), *_in_header(method, path, is_open)]
    if parameters:
        made["parameters"] = parameters
    if method in _BODIED:
        made["requestBody"] = {"required": True, "content": {_sent(path): {"schema": {"type": "object"}}}}
    if is_open:
        made["security"] = []
    return made


def _sent(path: str) -> str:
    return _FORM if path == "/auth/token" else _FHIR_JSON if path.startswith("/fhir") else _JSON


def _told(path: str) -> str:
    if path.endswith("/tile/{path+}"):
        return "application/octet-stream"
    if path in _TEXTS:
        return "text/plain"
    if path == _PAGE:
        return "text/html"
    if path == _RECEIPT:
        return "application/cose"
    return _JSON if ".well-known" in path else _sent(path)


def _responses(method: str, path: str, is_open: bool) -> dict[str, Any]:
    good = _JSON if path == "/auth/token" else _told(path)
    schema = {"type": "object"} if good.endswith("json") else {"type": "string"}
    made: dict[str, Any] = {"2XX": {"description": "done", "content": {good: {"schema": schema}}}}
    refusal = _FHIR_JSON if path.startswith("/fhir") else _PROBLEM
    for status in ("400", "404", *(() if is_open else ("401", "403")), *_WRITE_REFUSALS.get(method, ())):
        made[status] = {
            "description": _REFUSALS[status],
            "content": {_JSON if path == "/auth/token" else refusal: {"schema": {"type": "object"}}},
        }
    made["503"] = {"description": _REFUSALS["503"]}
    return made


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [name for name, _ in _VARIABLE.findall(path)]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_query(method: str, path: str) -> list[dict[str, Any]]:
    if method != "GET":
        return []
    named = _QUERY if _SEARCHED.fullmatch(path) else _LEDGER_QUERIES.get(path, {})
    return [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in named.items()
    ]


def _in_header(method: str, path: str, is_open: bool) -> list[dict[str, Any]]:
    names = [] if is_open else ["Idempotency-Key"] if method in _BODIED else ["Purpose-Of-Use"]
    if method == "PUT":
        names.append("If-Match")
    return [
        {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in names
        if name != "Purpose-Of-Use" or path.startswith(("/fhir", "/ledger/documents"))
    ]


def _name(method: str, path: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", " ", path).split()
    return method.lower() + "".join(word[0].upper() + word[1:] for word in words)
