"""`carevouch key`: make the key of an operator, an organisation or a device, where it is to stay."""

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
    """Write the private key, print the public one."""
    key = ec.generate_private_key(ec.SECP256R1())
    client = {} if args.client_id is None else {"client_id": args.client_id}
    try:
        # Created readable by its owner alone, never widened after; a key that exists is never overwritten.
        file = os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"{args.out} exists; a key is never overwritten") from None
    with os.fdopen(file, "w") as out:
        json.dump({**private_jwk(key), **client}, out)
    public = KeyInMemory(key)
    sys.stdout.write(render({**public.jwk, "kid": public.kid}).decode("utf-8") + "\n")
    return OK
