"""The identity routes: HTTP words in, one use case each."""

from collections.abc import Callable

from carevouch.door.http import Door, Handler, HttpRequest, Reply
from carevouch.identity.caller import LIFE_SECONDS
from services.identity import devices, organizations, people, tokens
from services.identity.ports import Ports

Use = Callable[[HttpRequest, Ports], Reply]


def register(door: Door, ports: Callable[[], Ports]) -> None:
    """Serve the identity routes; `ports` is asked when the first request comes."""

    def at(method: str, path: str, use: Use, *, form: bool = False) -> None:
        door.route(method, path, _bound(use, ports), form=form)

    at("POST", "/auth/token", tokens.token, form=True)
    at("GET", "/.well-known/jwks.json", _jwks)
    at("GET", "/fhir/.well-known/smart-configuration", _smart)
    at("POST", "/fhir/Patient", people.register)
    at("POST", "/fhir/Organization", organizations.admit)
    at("POST", "/identity/devices", devices.bind)
    at("DELETE", "/identity/devices/{id}", devices.remove)
    at("GET", "/identity/subjects/{id}", devices.describe)
    at("DELETE", "/identity/subjects/{id}", devices.erase)
    at("GET", "/identity/subjects/{id}/secret", devices.secret)


def _bound(use: Use, ports: Callable[[], Ports]) -> Handler:
    return lambda incoming: use(incoming, ports())


def _jwks(_incoming: HttpRequest, ports: Ports) -> Reply:
    """The public keys that sign tokens: KMS keys only (RFC 7517)."""
    key = {**ports.token_key.jwk, "kid": ports.token_key.kid, "use": "sig", "alg": "ES256"}
    return Reply(200, {"keys": [key]}, {"Cache-Control": "public, max-age=300"})


def _smart(_incoming: HttpRequest, ports: Ports) -> Reply:
    """The SMART configuration: how a client gets a token (SMART App Launch 2.2, section 4)."""
    base = ports.store.base_url
    body = {
        "issuer": base,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "token_endpoint": f"{base}/auth/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": tokens.ALGORITHMS,
        "scopes_supported": ["system/*.cruds", "system/*.rs", "patient/*.cruds", "patient/*.rs"],
        "response_types_supported": [],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        "code_challenge_methods_supported": ["S256"],
        "access_token_lifetime_seconds": LIFE_SECONDS,
    }
    return Reply(200, body, {"Cache-Control": "public, max-age=300"}, "application/json")
