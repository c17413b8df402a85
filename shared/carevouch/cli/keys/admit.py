"""`carevouch admit`: the operator signs the admission of an organisation, or a change of it, on its own
machine.

The number of the operator's last event is kept beside the key, because a gap in the numbers proves an
omission, and a repeated number a fault. The number is raised before the request is printed.
"""

import os
import sys
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carevouch.cli.frame import OK
from carevouch.cli.keys.genesis import read_genesis
from carevouch.events.genesis import Genesis
from carevouch.fhir.meta import without_meta
from carevouch.fhir.validate import require_valid
from carevouch.identity.admit import (
    ActEntropy,
    OrganizationState,
    admission_request,
    change_request,
    read_request,
)
from carevouch.identity.caller import ACTIVE, Admission, admission_body, parse_admission
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import KeyInMemory, private_key
from carevouch.kernel.times import instant


def run(args: Namespace) -> int:
    """Print the body to post. A request that the server would refuse raises before a number is used."""
    genesis = read_genesis(args.genesis)
    operator = KeyInMemory(private_key(parse(Path(args.key).read_bytes(), "the operator's key")))
    if operator.jwk != genesis.operator:
        raise Invalid("the key is not the operator's key in this genesis; sign with that key")
    before, resource, terms = _wanted(args, genesis)
    # The server makes the same check.
    terms = parse_admission(admission_body(terms))
    n, time, drawn = next_number(Path(f"{args.key}.n")), instant(datetime.now(UTC)), draw()
    if before is None:
        body = admission_request(
            resource,
            terms.roles,
            terms.keys,
            operator=operator,
            genesis=genesis,
            n=n,
            time=time,
            entropy=drawn,
            status=terms.status,
        )
    else:
        body = change_request(
            before, resource, terms, operator=operator, genesis=genesis, n=n, time=time, entropy=drawn
        )
    sys.stdout.write(render(body).decode("utf-8") + "\n")
    return OK


def _wanted(args: Namespace, genesis: Genesis) -> tuple[OrganizationState | None, dict[str, Any], Admission]:
    """The organisation as it stood, if it did, and its resource and terms as they shall be."""
    resource, keys = None, None
    if args.organization:
        text = Path(args.organization).read_bytes()
        resource = require_valid(parse(text, "the organisation"), "Organization")
    if args.jwks:
        jwks = parse(Path(args.jwks).read_bytes(), "the key set")
        listed = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(listed, list):
            raise Invalid("the key set must be a JSON object with a list named keys")
        keys = tuple(listed)
    if not args.change:
        if resource is None or keys is None or not args.role:
            raise Invalid(
                "a new organisation needs --organization, --role and --jwks; an admitted one --change"
            )
        return None, resource, Admission("d.unknown", tuple(args.role), keys, args.status or ACTIVE)
    before = read_request(parse(Path(args.change).read_bytes(), "the request before"), genesis)
    terms = before.terms
    after = replace(
        terms,
        roles=tuple(args.role) if args.role else terms.roles,
        keys=terms.keys if keys is None else keys,
        status=args.status or terms.status,
    )
    resource = before.resource if resource is None else resource
    if after == terms and without_meta(resource) == without_meta(before.resource):
        raise Invalid("the request changes nothing; give a new --status, --role, --jwks or --organization")
    return before, resource, after


def next_number(counter: Path) -> int:
    """Raise the number in the file, and return the new one; raises `Invalid` if the file has none."""
    text = counter.read_text("ascii", "replace").strip() if counter.exists() else "0"
    if not text.isdecimal():
        raise Invalid(f"{counter.name} does not hold the number of the operator's last event; restore it")
    number = int(text) + 1
    counter.write_text(str(number))
    return number


def draw() -> ActEntropy:
    """Draw the random values of one request."""
    return ActEntropy(os.urandom(16), os.urandom(16), (os.urandom(32), os.urandom(32)), os.urandom(32))
