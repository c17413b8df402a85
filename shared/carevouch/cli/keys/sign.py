"""`carevouch sign`: signs a consent request, as a patient's device does when its owner agrees to it."""

import sys
from argparse import Namespace
from pathlib import Path

from carevouch.cli.frame import OK
from carevouch.consent.signature import sign_grant
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import KeyInMemory, private_key


def run(args: Namespace) -> int:
    """Print {"signature": …}."""
    request = parse(sys.stdin.buffer.read(), "the request")
    to_sign = request.get("to_sign") if isinstance(request, dict) else None
    if not isinstance(to_sign, dict):
        raise Invalid("the request has no to_sign; take one request out of GET /consent/requests")
    key = KeyInMemory(private_key(parse(Path(args.key).read_bytes(), "the device's key")))
    sys.stdout.write(render({"signature": sign_grant(to_sign, key)}).decode("utf-8") + "\n")
    return OK
