"""Discovery, without a token: the public keys, and how a client gets a token."""

from carevouch.door.http import HttpRequest, Reply
from carevouch.identity.caller import LIFE_SECONDS
from services.identity.ports import Ports
from services.identity.tokens import ALGORITHMS


def jwks(_request: HttpRequest, ports: Ports) -> Reply:
    """The public keys that verify tokens, as a JWK set (RFC 7517)."""
    key = {**ports.token_key.jwk, "kid": ports.token_key.kid, "use": "sig", "alg": "ES256"}
    return Reply(200, {"keys": [key]}, {"Cache-Control": "public, max-age=300"})


def smart_configuration(_request: HttpRequest, ports: Ports) -> Reply:
    """The SMART configuration, which tells a client how to get a token (SMART App Launch 2.2, section 4)."""
    base = ports.store.base_url
    body = {
        "issuer": base,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "token_endpoint": f"{base}/auth/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "scopes_supported": ["system/*.cruds", "system/*.rs", "patient/*.cruds", "patient/*.rs"],
        "response_types_supported": [],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        "code_challenge_methods_supported": ["S256"],
        "access_token_lifetime_seconds": LIFE_SECONDS,
    }
    return Reply(200, body, {"Cache-Control": "public, max-age=300"}, "application/json")
