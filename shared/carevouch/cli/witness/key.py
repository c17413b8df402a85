"""`carevouch witness key`: makes a witness's keys, and prints the lines of a policy that name them."""

import os
import re
from argparse import Namespace
from pathlib import Path

from carevouch.cli.address import address
from carevouch.cli.frame import OK
from carevouch.cli.witness.files import SEED_BYTES, write_key
from carevouch.kernel.errors import Invalid

_NAME = re.compile(r"[^\s+]{1,255}")


def run(args: Namespace) -> int:
    """Write the private keys, and print the public keys as lines of a policy."""
    if not _NAME.fullmatch(args.name):
        raise Invalid("a witness's name must be one word without +, such as witness.example/w1")
    url = "" if args.url is None else " " + address(args.url, "--url", "https://witness.example")
    signer = write_key(Path(args.out), args.name, os.urandom(2 * SEED_BYTES))
    names = (args.name, f"{args.name}/mldsa")
    lines = [f"witness {name} {key.vkey}{url}" for name, key in zip(names, signer.keys, strict=True)]
    print(f"# {args.name}: Ed25519 and ML-DSA-44; either line is the witness's word")
    print("\n".join((*lines, f"group {args.name}/any any {' '.join(names)}")))
    return OK
