"""The Lambda authorizer in front of every route that needs a token.

It checks the token alone: signature, issuer and expiry. The handler reads on every request whether the caller
is still admitted, or the device still bound. So API Gateway may not cache the policy (`ReauthorizeEvery: 0`).
The policy allows the whole stage, because it settles who calls, not what they may do.
"""

from typing import Any

from carevouch.identity.caller import read_token
from carevouch.kernel.errors import DomainError
from services.identity.ports import AuthorizerPorts


def authorize(event: dict[str, Any], ports: AuthorizerPorts) -> dict[str, Any]:
    """The policy for a good token. Any other token fails with `Unauthorized`, API Gateway's word for 401."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    header = event.get("authorizationToken", headers.get("authorization", ""))
    scheme, _, token = str(header).partition(" ")
    try:
        if scheme.lower() != "bearer" or not token:
            raise _Unauthorized("Unauthorized")
        facts = read_token(token.strip(), ports.token_jwk(), ports.base_url, ports.now_seconds())
    except DomainError:
        raise _Unauthorized("Unauthorized") from None
    # arn:aws:execute-api:region:account:api/stage/METHOD/path -> every method and path of that stage
    head, _, path = event["methodArn"].partition("/")
    stage = f"{head}/{path.split('/', 1)[0]}/*"
    return {
        "principalId": facts.client,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": stage}],
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
