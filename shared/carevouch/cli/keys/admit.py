"""`carevouch admit`: the operator signs an organisation in, or changes or suspends it, where its key is.

The number of the operator's last event is kept beside the key, because a gap in the numbers proves an
omission, and a repeat a fault. It is counted up before the file is printed.
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carevouch.events.genesis import Genesis, parse_genesis
from carevouch.fhir.meta import without_meta
from carevouch.fhir.validate import require_valid
from carevouch.identity.admit import ActEntropy, Standing, admission_request, change_request, read_request
from carevouch.identity.caller import ACTIVE, ROLES, SUSPENDED, Admission, admission_body, parse_admission
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import KeyInMemory, private_key
from carevouch.kernel.times import instant

_EPILOG = """\
  curl -s $BASE/ledger/genesis -o genesis
  carevouch admit --key operator.jwk.json --genesis genesis --organization org.json \\
      --role payer --jwks keys.json > payer-1.json
  curl -s $BASE/fhir/Organization -H 'Content-Type: application/json' -d @payer-1.json

org.json is a FHIR R4 Organization, keys.json a JWK set of the organisation's public keys, each with
a kid. The number of the operator's last event is kept in operator.jwk.json.n: keep both files safe.

Keep what you posted, too: a change is made from it, and follows it. To suspend an organisation, so
that it gets no more tokens and those it has count for nothing:

  carevouch admit --key operator.jwk.json --genesis genesis \\
      --change payer-1.json --status suspended > payer-2.json

The next change is made from payer-2.json. --organization, --role and --jwks replace what was said
before; what is left out stays as it was."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "admit",
        help="operator: sign the admission of an organisation, its change or its suspension",
        description="Sign the admission of an organisation, or a change of it, with the operator's key that "
        "genesis names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the operator's private JWK")
    parser.add_argument("--genesis", type=Path, required=True, metavar="FILE", help="from /ledger/genesis")
    parser.add_argument("--organization", type=Path, metavar="FILE", help="a FHIR Organization")
    parser.add_argument("--role", action="append", choices=ROLES, help="may be repeated")
    parser.add_argument("--jwks", type=Path, metavar="FILE", help="its public keys (JWK set)")
    parser.add_argument(
        "--status", choices=(ACTIVE, SUSPENDED), help="whether it may call (a new one: active)"
    )
    parser.add_argument(
        "--change", type=Path, metavar="FILE", help="what was posted last about this organisation"
    )
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The organisation as it shall stand, and as it stood `before`, if it did."""

    resource: dict[str, Any]
    terms: Admission
    before: Standing | None


def run(chosen: argparse.Namespace) -> int:
    """Print the body to post. Whatever the server would refuse is refused here, before a number is spent."""
    genesis = parse_genesis(note_text(chosen.genesis))
    operator = KeyInMemory(private_key(parse(chosen.key.read_bytes(), "the operator's key")))
    if operator.jwk != genesis.operator:
        raise Invalid("the key is not the operator's of this genesis; sign with the one it names")
    wanted = _changed(chosen, genesis) if chosen.change else _new(chosen)
    body = _sign(wanted, operator, genesis, next_number(Path(f"{chosen.key}.n")))
    sys.stdout.write(render(body).decode("utf-8") + "\n")
    return 0


def _new(chosen: argparse.Namespace) -> _Wanted:
    if not (chosen.organization and chosen.role and chosen.jwks):
        raise Invalid("a new organisation needs --organization, --role and --jwks; an admitted one --change")
    terms = Admission("d.unknown", tuple(chosen.role), _keys(chosen.jwks), chosen.status or ACTIVE)
    return _Wanted(_organization(chosen.organization), _checked(terms), None)


def _changed(chosen: argparse.Namespace, genesis: Genesis) -> _Wanted:
    before = read_request(parse(chosen.change.read_bytes(), "the request before"), genesis)
    terms = before.terms
    after = replace(
        terms,
        roles=tuple(chosen.role) if chosen.role else terms.roles,
        keys=_keys(chosen.jwks) if chosen.jwks else terms.keys,
        status=chosen.status or terms.status,
    )
    resource = _organization(chosen.organization) if chosen.organization else before.resource
    if after == terms and without_meta(resource) == without_meta(before.resource):
        raise Invalid("nothing would change; give --status, --role, --jwks or --organization anew")
    return _Wanted(resource, _checked(after), before)


def _sign(wanted: _Wanted, operator: KeyInMemory, genesis: Genesis, n: int) -> JsonObject:
    time, drawn = instant(datetime.now(UTC)), draw()
    terms, before = wanted.terms, wanted.before
    if before is not None:
        return change_request(
            before,
            wanted.resource,
            terms,
            operator=operator,
            genesis=genesis,
            n=n,
            time=time,
            drawn=drawn,
        )
    return admission_request(
        wanted.resource,
        terms.roles,
        terms.keys,
        operator=operator,
        genesis=genesis,
        n=n,
        time=time,
        drawn=drawn,
        status=terms.status,
    )


def next_number(counter: Path) -> int:
    """Count up, in the file, and say the new number; raises `Invalid` where the file holds no number."""
    said = counter.read_text("ascii", "replace").strip() if counter.exists() else "0"
    if not said.isdecimal():
        raise Invalid(f"{counter.name} does not hold the number of the operator's last event; restore it")
    number = int(said) + 1
    counter.write_text(str(number))
    return number


def draw() -> ActEntropy:
    """The random values of one request."""
    return ActEntropy(os.urandom(16), os.urandom(16), (os.urandom(32), os.urandom(32)), os.urandom(32))


def note_text(genesis: Path) -> str:
    """The signed text of the note: its signature is the business of `carevouch verify`."""
    return genesis.read_bytes().decode("utf-8", "replace").split("\n\n", 1)[0] + "\n"


def _organization(file: Path) -> dict[str, Any]:
    return require_valid(parse(file.read_bytes(), "the organisation"), "Organization")


def _keys(jwks: Path) -> tuple[dict[str, Any], ...]:
    said = parse(jwks.read_bytes(), "the key set")
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise Invalid("the key set is a JSON object with a list named keys")
    return tuple(listed)


def _checked(terms: Admission) -> Admission:
    """The terms as the server will read them; raises `Invalid` where it would refuse them."""
    return parse_admission(admission_body(terms))
