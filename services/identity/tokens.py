"""Exchanging a signed assertion for an access token (SMART Backend Services; RFC 7523; `private_key_jwt`).

The client is an admitted organisation, or a person's device with the patient id as its client id. Its
assertion is checked by a full JOSE library, because clients come with ES384 and RS384 as well. Every refusal
is the same `invalid_client`: a stranger learns neither who is admitted nor who is a patient.
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
# SMART: an assertion lives at most five minutes.
MAX_ASSERTION_SECONDS = 300
LEEWAY_SECONDS = 30
MAX_ASSERTION_LENGTH = 8_192
_ORGANIZATION_ID = re.compile(r"d\.[a-z2-7]{26}")


class _Refusal(Exception):
    """An OAuth error (RFC 6749 section 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


def _not_known() -> _Refusal:
    return _Refusal("invalid_client", "the client is not known here, or its assertion does not hold", 401)


@dataclass(frozen=True, slots=True)
class _Client:
    kind: str
    id: str
    key: Key
    device: str | None = None


def token(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /auth/token."""
    try:
        form = _form(incoming)
        client = _authenticated(form["client_assertion"], ports)
        scope = _granted(form.get("scope", ""), client.kind)
    except _Refusal as refusal:
        told: dict[str, Any] = {"error": refusal.error, "error_description": refusal.description}
        return Reply(refusal.status, told, {"Pragma": "no-cache"})
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
    try:
        pairs = parse_qs(incoming.body.decode("ascii"), strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise _Refusal("invalid_request", "the body is application/x-www-form-urlencoded") from None
    form = {name: values[0] for name, values in pairs.items() if len(values) == 1}
    if form.get("grant_type") != "client_credentials":
        raise _Refusal("unsupported_grant_type", "grant_type is client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise _Refusal(
            "invalid_request", f"client_assertion_type is {ASSERTION_TYPE}, with a client_assertion"
        )
    return form


def _authenticated(assertion: str, ports: Ports) -> _Client:
    kid, claims = _unverified(assertion)
    client = _client(str(claims.get("sub")), kid, ports)
    try:
        jwt.decode(assertion, client.key, algorithms=ALGORITHMS)
    except (JoseError, ValueError) as error:
        raise _not_known() from error
    _check_claims(claims, ports)
    if not ports.assertions.spend(client.id, str(claims["jti"]), int(claims["exp"])):
        raise _Refusal("invalid_client", "this assertion was used before; sign a new one with a new jti", 401)
    return client


def _unverified(assertion: str) -> tuple[str, dict[str, Any]]:
    """The kid and the claims, read strictly before the JOSE library sees them.

    A key that stands twice is read one way by this library and another way by the next; text that nests
    too deep ends the interpreter's stack.
    """
    if len(assertion) > MAX_ASSERTION_LENGTH or assertion.count(".") != 2:
        raise _not_known()
    head, body, _ = assertion.split(".")
    try:
        header = parse(unb64u(head, "the header"), "the header")
        claims = parse(unb64u(body, "the claims"), "the claims")
    except DomainError as error:
        raise _not_known() from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") not in ALGORITHMS:
        raise _not_known()
    if "crit" in header:  # it names extensions that must be understood (RFC 7515 section 4.1.11): none is
        raise _not_known()
    return str(header.get("kid")), claims


def _check_claims(claims: dict[str, Any], ports: Ports) -> None:
    now = ports.now_seconds()
    exp, jti = claims.get("exp"), claims.get("jti")
    if claims.get("iss") != claims.get("sub") or claims.get("aud") != f"{ports.store.base_url}/auth/token":
        raise _Refusal("invalid_client", "iss and sub are the client id, aud is this token endpoint", 401)
    if not isinstance(jti, str) or not 1 <= len(jti) <= 255:
        raise _Refusal("invalid_client", "jti is a text that is new for every assertion", 401)
    if (
        not isinstance(exp, int)
        or not now - LEEWAY_SECONDS < exp <= now + MAX_ASSERTION_SECONDS + LEEWAY_SECONDS
    ):
        raise _Refusal("invalid_client", "exp lies in the future, at most five minutes ahead", 401)
    nbf = claims.get("nbf", now)
    if not isinstance(nbf, int) or nbf > now + LEEWAY_SECONDS:
        raise _Refusal("invalid_client", "nbf, if there is one, does not lie in the future", 401)


def _client(client_id: str, kid: str, ports: Ports) -> _Client:
    if _ORGANIZATION_ID.fullmatch(client_id):
        admission = ports.access.admission(client_id)
        key = admission.key(kid) if admission and admission.active else None
        if key is None:
            raise _not_known()
        return _Client(ORGANIZATION, client_id, _imported(key))
    if PART.fullmatch(client_id):
        return _device(client_id, kid, ports)
    raise _not_known()


def _device(patient: str, kid: str, ports: Ports) -> _Client:
    try:
        revisions = devices_of(ports.store.reader.person(patient))
    except DomainError:
        raise _not_known() from None
    for doc, binding in Devices(ports.store.reader).standing(revisions):
        if binding.kid == kid:
            return _Client(DEVICE, patient, _imported({**binding.device}), doc.id)
    raise _not_known()


def _imported(jwk: dict[str, Any]) -> Key:
    try:
        return ECKey.import_key(jwk) if jwk.get("kty") == "EC" else RSAKey.import_key(jwk)
    except (JoseError, ValueError) as error:
        raise _not_known() from error


def _granted(requested: str, kind: str) -> str:
    context = PATIENT if kind == DEVICE else SYSTEM
    scopes = [scope for scope in parse_scopes(requested) if scope.context == context]
    if not scopes:
        raise _Refusal("invalid_scope", f"ask for at least one scope such as {context}/*.rs")
    return render_scopes(scopes)
