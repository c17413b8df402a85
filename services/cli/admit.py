"""`carevouch admit`: the operator signs an organisation in, where the operator's key is.

The number of the operator's last event is kept beside the key, because a gap in the numbers proves an
omission, and a repeat a fault. It is counted up before the file is printed.
"""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.events.genesis import parse_genesis
from shared.identity.admit import Drawn, admission_request
from shared.identity.roles import ROLES
from shared.kernel.errors import Invalid
from shared.kernel.jsontext import parse, render
from shared.kernel.jws import KeyInMemory, private_key
from shared.kernel.times import instant

_EPILOG = """\
  curl -s $BASE/ledger/genesis -o genesis
  carevouch admit --key operator.jwk.json --genesis genesis --organization org.json \\
      --role payer --jwks keys.json > admission.json
  curl -s $BASE/fhir/Organization -H 'Content-Type: application/json' -d @admission.json

org.json is a FHIR R4 Organization, keys.json a JWK set of the organisation's public keys, each with
a kid. The number of the operator's last event is kept in operator.jwk.json.n: keep both files safe."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "admit",
        help="operator: sign the admission of an organisation",
        description="Sign the admission of an organisation with the operator's key that genesis names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the operator's private JWK")
    parser.add_argument("--genesis", type=Path, required=True, metavar="FILE", help="from /ledger/genesis")
    parser.add_argument(
        "--organization", type=Path, required=True, metavar="FILE", help="a FHIR Organization"
    )
    parser.add_argument("--role", action="append", required=True, choices=ROLES, help="may be repeated")
    parser.add_argument("--jwks", type=Path, required=True, metavar="FILE", help="its public keys (JWK set)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Print the body to post."""
    organization = parse(chosen.organization.read_bytes(), "the organisation")
    keys = parse(chosen.jwks.read_bytes(), "the key set")
    listed = keys.get("keys") if isinstance(keys, dict) else None
    if not isinstance(organization, dict) or not isinstance(listed, list):
        raise Invalid("the organisation is a JSON object, the key set one with a list named keys")
    genesis = parse_genesis(chosen.genesis.read_text("utf-8").split("\n\n", 1)[0] + "\n")
    operator = KeyInMemory(private_key(parse(chosen.key.read_bytes(), "the operator's key")))
    body = admission_request(
        organization,
        tuple(chosen.role),
        tuple(listed),
        operator=operator,
        genesis=genesis,
        n=next_number(Path(f"{chosen.key}.n")),
        time=instant(datetime.now(UTC)),
        drawn=draw(),
    )
    sys.stdout.write(render(body).decode("utf-8") + "\n")
    return 0


def next_number(counter: Path) -> int:
    """Count up, in the file, and say the new number."""
    number = int(json.loads(counter.read_text())) + 1 if counter.exists() else 1
    counter.write_text(json.dumps(number))
    return number


def draw() -> Drawn:
    """The random values of one admission."""
    return Drawn(os.urandom(16), os.urandom(16), (os.urandom(32), os.urandom(32)), os.urandom(32))
