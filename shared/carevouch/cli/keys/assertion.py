"""`carevouch assertion`: sign what a client exchanges for a token (RFC 7523, private_key_jwt)."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from carevouch.cli.files import address
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import KeyInMemory, private_key, sign

LIFE_SECONDS = 240
_EPILOG = """\
The key file is a private P-256 JWK of yours with one more member, client_id: your organisation's
directory id, or the patient id of your device. To get a token:

  curl -s $BASE/auth/token -d grant_type=client_credentials -d scope='system/*.rs' \\
    -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \\
    -d client_assertion=$(carevouch assertion --key key.jwk.json --aud $BASE/auth/token)"""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "assertion",
        help="sign the assertion that gets you a token",
        description="Sign a client assertion with your private key. It is good once, for four minutes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="your private JWK with client_id"
    )
    parser.add_argument("--aud", required=True, metavar="URL", help="the token endpoint")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Print the assertion."""
    audience = address(chosen.aud, "--aud", "https://api.example/auth/token")
    jwk = parse(chosen.key.read_bytes(), "the key file")
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
    return 0
