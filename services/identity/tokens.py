"""Exchanging a signed assertion for an access token (SMART Backend Services; RFC 7523; `private_key_jwt`).

The client is an admitted organisation, or a person's device with the patient id as its client id. A full JOSE
library verifies its assertion, because clients also sign with ES384 and RS384. All unknown clients get the
same `invalid_client`: a stranger learns neither who is admitted nor who is a patient.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey

from carevouch.door.consents import Devices, devices_of
from carevouch.door.http import HttpRequest, Reply
from carevouch.identity.caller import (
    DEVICE,
    LIFE_SECONDS,
    ORGANIZATION,
    PATIENT,
    SYSTEM,
    TOKEN_TYP,
    TokenFacts,
    parse_scopes,
    render_scopes,
    token_payload,
)
from carevouch.kernel.encoding import base32, unb64u
from carevouch.kernel.errors import DomainError
from carevouch.kernel.ids import PART
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import sign
from services.identity.ports import Ports

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["ES256", "ES384", "RS384"]
# SMART allows an assertion five minutes.
MAX_ASSERTION_SECONDS = 300
LEEWAY_SECONDS = 30
MAX_ASSERTION_LENGTH = 8_192
_ORGANIZATION_ID = re.compile(r"d\.[a-z2-7]{26}")


class _Refusal(Exception):
    """An OAuth error, with its description for the client's developer."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


def _invalid_client(
    description: str = "the client is not known here, or its assertion is not valid",
) -> _Refusal:
    return _Refusal("invalid_client", description, 401)


@dataclass(frozen=True, slots=True)
class _Client:
    kind: str
    id: str
    key: Key
    device: str | None = None


def token(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /auth/token: an access token, or an OAuth error (RFC 6749, section 5.2)."""
    try:
        form = _form(incoming)
        client = _authenticated(form["client_assertion"], ports)
        context = PATIENT if client.kind == DEVICE else SYSTEM
        scopes = [scope for scope in parse_scopes(form.get("scope", "")) if scope.context == context]
        if not scopes:
            raise _Refusal("invalid_scope", f"ask for at least one scope such as {context}/*.rs")
    except _Refusal as refusal:
        error: dict[str, Any] = {"error": refusal.error, "error_description": refusal.description}
        return Reply(refusal.status, error, {"Pragma": "no-cache"})
    scope = render_scopes(scopes)
    facts = TokenFacts(client.kind, client.id, scope, base32(ports.store.entropy(16)), client.device)
    payload = token_payload(facts, ports.store.base_url, ports.now_seconds())
    body: dict[str, Any] = {
        "access_token": sign(payload, TOKEN_TYP, ports.token_key),
        "token_type": "bearer",
        "expires_in": LIFE_SECONDS,
        "scope": scope,
    }
    return Reply(200, body, {"Pragma": "no-cache"})


def _form(incoming: HttpRequest) -> dict[str, str]:
    """The form's members, each present once; raises `_Refusal` for another grant or assertion type."""
    try:
        pairs = parse_qs(incoming.body.decode("ascii"), strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise _Refusal("invalid_request", "send the body as application/x-www-form-urlencoded") from None
    form = {name: values[0] for name, values in pairs.items() if len(values) == 1}
    if form.get("grant_type") != "client_credentials":
        raise _Refusal("unsupported_grant_type", "send grant_type client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise _Refusal(
            "invalid_request", f"send client_assertion, and client_assertion_type {ASSERTION_TYPE}"
        )
    return form


def _authenticated(assertion: str, ports: Ports) -> _Client:
    """The client of a valid assertion, which cannot be used again; raises `_Refusal`."""
    kid, claims = _unverified(assertion)
    client = _client(str(claims.get("sub")), kid, ports)
    try:
        jwt.decode(assertion, client.key, algorithms=ALGORITHMS)
    except (JoseError, ValueError) as error:
        raise _invalid_client() from error
    now, exp, jti = ports.now_seconds(), claims.get("exp"), claims.get("jti")
    if claims.get("iss") != claims.get("sub") or claims.get("aud") != f"{ports.store.base_url}/auth/token":
        raise _invalid_client("iss and sub must be the client id, and aud this token endpoint")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 255:
        raise _invalid_client("jti must be a text of 1 to 255 characters, new for every assertion")
    latest = now + MAX_ASSERTION_SECONDS + LEEWAY_SECONDS
    if not isinstance(exp, int) or not now - LEEWAY_SECONDS < exp <= latest:
        raise _invalid_client("exp must lie in the future, at most five minutes ahead")
    nbf = claims.get("nbf", now)
    if not isinstance(nbf, int) or nbf > now + LEEWAY_SECONDS:
        raise _invalid_client("nbf must not lie in the future; correct it or leave it out")
    if not ports.assertions.spend(client.id, jti, exp):
        raise _invalid_client("this assertion was used before; sign a new one with a new jti")
    return client


def _unverified(assertion: str) -> tuple[str, dict[str, Any]]:
    """The kid and the claims, read strictly before the JOSE library sees them.

    Libraries disagree about the value of a duplicate member, and text that nests too deep overflows the
    interpreter's stack.
    """
    if len(assertion) > MAX_ASSERTION_LENGTH or assertion.count(".") != 2:
        raise _invalid_client()
    head, body, _ = assertion.split(".")
    try:
        header = parse(unb64u(head, "the header"), "the header")
        claims = parse(unb64u(body, "the claims"), "the claims")
    except DomainError as error:
        raise _invalid_client() from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") not in ALGORITHMS:
        raise _invalid_client()
    if "crit" in header:  # It names extensions that must be understood (RFC 7515, 4.1.11), and we have none.
        raise _invalid_client()
    return str(header.get("kid")), claims


def _client(client_id: str, kid: str, ports: Ports) -> _Client:
    """The organisation or device with this client id and key; raises `_Refusal` if there is none."""
    if _ORGANIZATION_ID.fullmatch(client_id):
        admission = ports.access.admission(client_id)
        key = admission.key(kid) if admission and admission.active else None
        if key is not None:
            return _Client(ORGANIZATION, client_id, _imported(key))
    elif PART.fullmatch(client_id):
        try:
            revisions = devices_of(ports.store.reader.person(client_id))
        except DomainError:
            raise _invalid_client() from None
        for doc, binding in Devices(ports.store.reader).standing(revisions):
            if binding.kid == kid:
                return _Client(DEVICE, client_id, _imported({**binding.device}), doc.id)
    raise _invalid_client()


def _imported(jwk: dict[str, Any]) -> Key:
    try:
        return ECKey.import_key(jwk) if jwk.get("kty") == "EC" else RSAKey.import_key(jwk)
    except (JoseError, ValueError) as error:
        raise _invalid_client() from error
