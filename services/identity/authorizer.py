"""The Lambda authorizer in front of every route that needs a token.

It checks the token alone: signature, issuer, expiry. Whether the caller is still admitted, or the device
still bound, is read by the handler on every request, so API Gateway may not cache the verdict
(`ReauthorizeEvery: 0`), and the policy allows the whole stage, because it says who calls, not what they may
do.
"""

from typing import Any

from carevouch.identity.caller import read_token
from carevouch.kernel.errors import DomainError
from services.identity.ports import AuthorizerPorts


def authorize(event: dict[str, Any], ports: AuthorizerPorts) -> dict[str, Any]:
    """The policy for a good token; otherwise it fails with `Unauthorized`, API Gateway's word for 401."""
    scheme, _, token = _header(event).partition(" ")
    try:
        if scheme.lower() != "bearer" or not token:
            raise _Unauthorized("Unauthorized")
        facts = read_token(token.strip(), ports.token_jwk(), ports.base_url, ports.now_seconds())
    except DomainError:
        raise _Unauthorized("Unauthorized") from None
    return {
        "principalId": facts.client,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": _stage(event["methodArn"])}
            ],
        },
        "context": {
            "client": facts.client,
            "kind": facts.kind,
            "scope": facts.scope,
            "jti": facts.jti,
            "device": facts.device or "",
        },
    }


class _Unauthorized(Exception):
    """API Gateway answers 401 to an authorizer that fails with exactly this word."""


def _header(event: dict[str, Any]) -> str:
    if "authorizationToken" in event:
        return str(event["authorizationToken"])
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return str(headers.get("authorization", ""))


def _stage(method_arn: str) -> str:
    # arn:aws:execute-api:region:account:api/stage/METHOD/path -> every method and path of that stage
    head, _, path = method_arn.partition("/")
    return f"{head}/{path.split('/', 1)[0]}/*"
