"""`carevouch admit`: the operator signs an organisation in, where the operator's key is.

The number of the operator's last event is kept beside the key, because a gap in the numbers proves an
omission, and a repeat a fault. It is counted up before the file is printed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.events.genesis import parse_genesis
from shared.fhir.validate import require_valid
from shared.identity.admission import ACTIVE, Admission, admission_body, parse_admission
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
    """Print the body to post. Whatever the server would refuse is refused here, before a number is spent."""
    genesis = parse_genesis(_note_text(chosen.genesis))
    operator = KeyInMemory(private_key(parse(chosen.key.read_bytes(), "the operator's key")))
    if operator.jwk != genesis.operator:
        raise Invalid("the key is not the operator's of this genesis; sign with the one it names")
    counter = Path(f"{chosen.key}.n")
    body = admission_request(
        require_valid(parse(chosen.organization.read_bytes(), "the organisation"), "Organization"),
        tuple(chosen.role),
        _public_keys(chosen.jwks, chosen.role),
        operator=operator,
        genesis=genesis,
        n=next_number(counter),
        time=instant(datetime.now(UTC)),
        drawn=draw(),
    )
    sys.stdout.write(render(body).decode("utf-8") + "\n")
    return 0


def next_number(counter: Path) -> int:
    """Count up, in the file, and say the new number; raises `Invalid` where the file holds no number."""
    said = counter.read_text("ascii", "replace").strip() if counter.exists() else "0"
    if not said.isdecimal():
        raise Invalid(f"{counter.name} does not hold the number of the operator's last event; restore it")
    number = int(said) + 1
    counter.write_text(str(number))
    return number


def draw() -> Drawn:
    """The random values of one admission."""
    return Drawn(os.urandom(16), os.urandom(16), (os.urandom(32), os.urandom(32)), os.urandom(32))


def _note_text(genesis: Path) -> str:
    """The signed text of the note: its signature is the business of `carevouch verify`."""
    return genesis.read_bytes().decode("utf-8", "replace").split("\n\n", 1)[0] + "\n"


def _public_keys(jwks: Path, roles: Sequence[str]) -> tuple[dict[str, Any], ...]:
    said = parse(jwks.read_bytes(), "the key set")
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise Invalid("the key set is a JSON object with a list named keys")
    terms = Admission("d.unknown", tuple(roles), tuple(listed), ACTIVE)
    return parse_admission(admission_body(terms)).keys
