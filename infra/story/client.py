"""The HTTP client of one party. It signs its own assertions, renews its token, and never sees another
party's key."""

import http.client
import json
import os
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from carevouch.kernel.encoding import b64u
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import KeyInMemory, sign

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT_SECONDS = 60
# A token lives five minutes. No request begins with a token that has nearly expired.
RENEW_SECONDS = 240


class Surprise(Exception):
    """An answer that the story did not expect. The story fails with its place."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower case) and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    def said(self) -> str:
        """The text of a refusal: that of an OperationOutcome or a problem, or the beginning of the body."""
        try:
            value = self.json()
        except ValueError:
            value = None
        if isinstance(value, dict) and value.get("resourceType") == "OperationOutcome":
            issues = value.get("issue", [])[:3]
            places = ["".join(f"{place}: " for place in one.get("expression", [])[:1]) for one in issues]
            words = [str(one.get("diagnostics") or one.get("code")) for one in issues]
            return "; ".join(map(str.__add__, places, words))
        if isinstance(value, dict) and "detail" in value:
            return str(value["detail"])
        return self.body[:300].decode("utf-8", "replace")


@dataclass(slots=True)
class Http:
    """Requests to one base URL. It counts them, and keeps every refusal."""

    base_url: str
    calls: int = 0
    refusals: list[Answer] = field(default_factory=list)

    def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Make a request. `path` may be an absolute URL, as in a next link."""
        url = urlsplit(path if path.startswith("http") else f"{self.base_url}{path}")
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.netloc, timeout=TIMEOUT_SECONDS)
        try:
            target = url.path + (f"?{url.query}" if url.query else "")
            connection.request(method, target, body or None, headers or {})
            answer = connection.getresponse()
            self.calls += 1
            headers_back = {name.lower(): value for name, value in answer.getheaders()}
            told = Answer(answer.status, headers_back, answer.read())
            if not 200 <= told.status < 300:
                self.refusals.append(told)
            return told
        finally:
            connection.close()


@dataclass(slots=True)
class Party:
    """A party with a client id and a key."""

    name: str
    http: Http
    client_id: str
    key: KeyInMemory
    scope: str = "system/*.cruds"
    _token: str = ""
    _until: float = field(default=0.0)

    def token(self) -> str:
        """A token, which is renewed shortly before it expires."""
        if time.monotonic() > self._until:
            self._token, self._until = self._fetch(), time.monotonic() + RENEW_SECONDS
        return self._token

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request with this party's token. A dict is sent as FHIR JSON, with its decimals unchanged."""
        sent = {"Authorization": f"Bearer {self.token()}", "Accept": "application/fhir+json"}
        if body is not None:
            sent["Content-Type"] = "application/fhir+json"
        raw = body if isinstance(body, bytes) else b"" if body is None else render(body)
        return self.http.call(method, path, raw, {**sent, **headers})

    def expect(self, status: int, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """As `call`; raises `Surprise` for another status than `status`."""
        answer = self.call(method, path, body, **headers)
        if answer.status != status:
            raise Surprise(
                f"{self.name}: {method} {path} was answered {answer.status}, not {status}: {answer.said()}"
            )
        return answer

    def _fetch(self) -> str:
        now = int(time.time())
        audience = f"{self.http.base_url}/auth/token"
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "iat": now,
            "exp": now + 240,
            "jti": b64u(os.urandom(16)),
        }
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": sign(claims, "JWT", self.key),
            "scope": self.scope,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.http.call("POST", "/auth/token", urlencode(form).encode(), headers)
        if answer.status != 200:
            raise Surprise(f"{self.name} got no token: {answer.said()}")
        return str(answer.json()["access_token"])
