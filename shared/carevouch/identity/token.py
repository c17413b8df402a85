"""Access tokens: five minutes, ES256 by the deployment's token key, for this base URL only (RFC 9068's
shape).

A token says who calls and what they may try. What they may see is decided on every request anew, so a
revoked consent or a suspended organisation is refused with a token issued before.
"""

from dataclasses import dataclass

from carevouch.identity.caller import DEVICE, ORGANIZATION, Caller
from carevouch.identity.scopes import parse_scopes
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import IntegrityFault, Malformed, Unauthenticated
from carevouch.kernel.jws import Jwk, take_apart, verify

TOKEN_TYP = "at+jwt"  # noqa: S105 - the media type of RFC 9068
LIFE_SECONDS = 300
# Clocks of API Gateway's authorizer and the token service may differ a little.
LEEWAY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """Whom a token is for. `kind` is organization or device; `device` the id of the BoundDevice document."""

    kind: str
    client: str
    scope: str
    jti: str
    device: str | None = None


def token_payload(facts: TokenFacts, base_url: str, now_seconds: int) -> JsonObject:
    """The payload to sign with typ `TOKEN_TYP`; times are NumericDates (RFC 7519)."""
    payload: JsonObject = {
        "iss": base_url,
        "aud": f"{base_url}/fhir",
        "sub": facts.client,
        "client_id": facts.client,
        "kind": facts.kind,
        "scope": facts.scope,
        "iat": now_seconds,
        "exp": now_seconds + LIFE_SECONDS,
        "jti": facts.jti,
    }
    return payload if facts.device is None else {**payload, "device": facts.device}


def read_token(text: str, jwk: Jwk, base_url: str, now_seconds: int) -> TokenFacts:
    """The facts of a valid token; raises `Unauthenticated` saying what is wrong with it."""
    try:
        payload = verify(take_apart(text), jwk, TOKEN_TYP)
    except (Malformed, IntegrityFault) as error:
        raise Unauthenticated("the token is not one of this server's; get one from /auth/token") from error
    if payload.get("iss") != base_url or payload.get("aud") != f"{base_url}/fhir":
        raise Unauthenticated("the token was issued for another server")
    if not now_seconds - LEEWAY_SECONDS <= int(payload.get("exp", 0)):
        raise Unauthenticated("the token has expired; get a new one from /auth/token")
    if payload.get("kind") not in (ORGANIZATION, DEVICE):
        raise Unauthenticated("the token names no kind of caller")
    return TokenFacts(
        str(payload["kind"]),
        str(payload["sub"]),
        str(payload["scope"]),
        str(payload["jti"]),
        payload.get("device"),
    )


def caller_of(facts: TokenFacts) -> Caller:
    """The caller a token speaks for, its roles not yet read."""
    return Caller(facts.kind, facts.client, parse_scopes(facts.scope), facts.jti, (), facts.device)
