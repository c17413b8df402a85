"""`carevouch assertion`: signs the assertion that a client exchanges for a token (RFC 7523,
private_key_jwt)."""

import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from carevouch.cli.address import address
from carevouch.cli.frame import OK
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import KeyInMemory, private_key, sign

LIFE_SECONDS = 240


def run(args: Namespace) -> int:
    """Print the assertion, and return the exit status."""
    audience = address(args.aud, "--aud", "https://api.example/auth/token")
    jwk = parse(Path(args.key).read_bytes(), "the key file")
    key = KeyInMemory(private_key(jwk))
    client = jwk.get("client_id")
    if not isinstance(client, str) or not client:
        raise Invalid("the key file has no client_id: add your organisation's id, or your patient id")
    now = int(time.time())
    claims = {
        "iss": client,
        "sub": client,
        "aud": audience,
        "iat": now,
        "exp": now + LIFE_SECONDS,
        "jti": b64u(os.urandom(16)),
    }
    sys.stdout.write(sign(claims, "JWT", key) + "\n")
    return OK
