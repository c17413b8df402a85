"""`carevouch sign`: what a patient's device does when its owner agrees to a consent request."""

import argparse
import sys
from pathlib import Path
from typing import Any

from carevouch.consent.signature import sign_grant
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import KeyInMemory, private_key

_EPILOG = """\
A request as GET /consent/requests lists it comes in on standard input; the body to post to
/consent/requests/{id}/grant goes out:

  carevouch sign --key device.jwk.json < request.json > grant.json

Read the consent in the request first: what you sign is exactly that content, as that version."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "sign",
        help="patient's device: sign a consent request",
        description="Sign a consent request with the private key of a patient's device.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the device's private JWK")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Print {"signature": …}."""
    request = parse(sys.stdin.buffer.read(), "the request")
    to_sign = request.get("to_sign") if isinstance(request, dict) else None
    if not isinstance(to_sign, dict):
        raise Invalid("the request has no to_sign; take one request out of GET /consent/requests")
    key = KeyInMemory(private_key(parse(chosen.key.read_bytes(), "the device's key")))
    sys.stdout.write(render({"signature": sign_grant(to_sign, key)}).decode("utf-8") + "\n")
    return 0
