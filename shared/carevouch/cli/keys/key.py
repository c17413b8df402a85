"""`carevouch key`: make the key of an operator, an organisation or a device, where it is to stay."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.kernel.errors import Conflict
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import KeyInMemory, private_jwk

_EPILOG = """\
  carevouch key --out operator.jwk.json > operator.pub.jwk.json
  make deploy ORIGIN=log.example.org/carevouch OPERATOR_JWK=operator.pub.jwk.json

The file holds the private key and is readable by you alone; what is printed is public, with its
kid: give that to whoever must know the key. An organisation adds its client_id once the operator
has admitted it (--client-id), so that `carevouch assertion` knows whom it signs for."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "key",
        help="make a P-256 key pair of your own",
        description="Make a P-256 key: the private JWK into a new file, the public JWK to standard output.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a file that does not exist yet"
    )
    parser.add_argument("--client-id", metavar="ID", help="your directory id, or a device's patient id")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Write the private key, print the public one."""
    key = ec.generate_private_key(ec.SECP256R1())
    client = {} if chosen.client_id is None else {"client_id": chosen.client_id}
    try:
        # Created readable by its owner alone, never widened after; a key that exists is never overwritten.
        file = os.open(chosen.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"{chosen.out} exists; a key is never overwritten") from None
    with os.fdopen(file, "w") as out:
        json.dump({**private_jwk(key), **client}, out)
    public = KeyInMemory(key)
    sys.stdout.write(render({**public.jwk, "kid": public.kid}).decode("utf-8") + "\n")
    return 0
