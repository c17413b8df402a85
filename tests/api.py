"""Calls the doors in process, as API Gateway would: a REST proxy event in, status, headers and body out.

The services are registered over a `World`; a caller stands for the authorizer's verdict. Logs that a call
writes go to standard output as in Lambda, so that a test can read them.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from carevouch.door.http import Door
from tests.described import require_described


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a door."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Who:
    """A caller, as the authorizer describes a token."""

    client: str
    kind: str = "organization"
    scope: str = "system/*.cruds"
    device: str = ""
    jti: str = "jti-1"

    @property
    def context(self) -> dict[str, str]:
        """The authorizer's context, all text."""
        return {
            "client": self.client,
            "kind": self.kind,
            "scope": self.scope,
            "device": self.device,
            "jti": self.jti,
        }


class Api:
    """All doors that are registered, under one roof."""

    def __init__(self, *doors: Door) -> None:
        self._doors = doors

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        who: Who | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a request; dicts are sent as JSON, bytes and text as they are."""
        path, _, query = path.partition("?")
        door, resource, variables = self._find(method, path)
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else b""
        if isinstance(body, dict | list):
            raw = json.dumps(body).encode()
        sent = {"content-type": "application/fhir+json", "accept": "*/*", **(headers or {})}
        multi: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            multi.setdefault(name, []).append(value)
        event = {
            "resource": resource,
            "path": path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": {name: values[-1] for name, values in multi.items()} or None,
            "multiValueQueryStringParameters": multi or None,
            "pathParameters": variables or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": resource,
                "httpMethod": method,
                "path": path,
                "requestId": "request-1",
                "identity": {},
                "authorizer": who.context if who else {},
            },
            "body": base64.b64encode(raw).decode() if raw else None,
            "isBase64Encoded": bool(raw),
        }
        # What Lambda cannot write as JSON, no client ever sees.
        answer = json.loads(json.dumps(door.chalice(event, None)))
        text = answer["body"] or ""
        data = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        flat = {name.lower(): value for name, value in answer["headers"].items()}
        received = Answer(answer["statusCode"], flat, data)
        require_described(door.chalice.app_name, method, resource, path, received)
        return received

    def caller(self, who: Who) -> Callable[..., Answer]:
        """`call` with the caller filled in."""
        return lambda method, path, body=None, headers=None: self.call(method, path, body, who, headers)

    def _find(self, method: str, path: str) -> tuple[Door, str, dict[str, str]]:
        # API Gateway prefers literal parts over variables: sort the patterns so.
        candidates = [(door, pattern) for door in self._doors for pattern in door.chalice.routes]
        candidates.sort(key=lambda item: [part.startswith("{") for part in item[1].split("/")])
        for door, pattern in candidates:
            match = re.fullmatch(_regex(pattern), path)
            if match and method in door.chalice.routes[pattern]:
                return door, pattern, {name: quote(value) for name, value in match.groupdict().items()}
        raise LookupError(f"no route for {method} {path}")


def _regex(pattern: str) -> str:
    whole = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", pattern)
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", whole)
