"""`carevouch key`: makes the key of an operator, an organisation or a device."""

import json
import os
import sys
from argparse import Namespace

from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.cli.frame import OK
from carevouch.kernel.errors import Conflict
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import KeyInMemory, private_jwk


def run(args: Namespace) -> int:
    """Write the private key to a new file, and print the public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    client = {} if args.client_id is None else {"client_id": args.client_id}
    try:
        # Only the owner can read the file, from its creation on. An existing key is never overwritten.
        file = os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"{args.out} exists, and a key is never overwritten; give another --out") from None
    with os.fdopen(file, "w") as out:
        json.dump({**private_jwk(key), **client}, out)
    public = KeyInMemory(key)
    sys.stdout.write(render({**public.jwk, "kid": public.kid}).decode("utf-8") + "\n")
    return OK
