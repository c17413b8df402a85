"""`carevouch epoch`: the operator orders more strands, where the operator's key is."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carevouch.cli.keys.admit import note_text
from carevouch.events.epoch import EPOCH_TYP, check_order, order_payload, parse_order, read_epochs
from carevouch.events.genesis import Epoch, parse_genesis
from carevouch.kernel.errors import IntegrityFault, Invalid
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import KeyInMemory, private_key, sign
from carevouch.kernel.times import instant, moment

_EPILOG = """\
  curl -s $BASE/ledger/genesis -o genesis; curl -s $BASE/ledger/epochs -o epochs
  carevouch epoch --key operator.jwk.json --genesis genesis --epochs epochs --strands 4 > order
  aws lambda invoke --function-name SEALER --cli-binary-format raw-in-base64-out \\
      --payload "{\\"open_epoch\\": \\"$(cat order)\\"}" /dev/stdout

Entries never move: events signed under the epoch before stay in the strand they belong to, and new
keys are certified for the new epoch as the services' environments are replaced. The number of
strands never shrinks. SEALER is the stack's output SealerFunction."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "epoch",
        help="operator: order that the log goes on in more strands",
        description="Sign the order to open the next epoch, with the operator's key that genesis names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the operator's private JWK")
    parser.add_argument("--genesis", type=Path, required=True, metavar="FILE", help="from /ledger/genesis")
    parser.add_argument("--epochs", type=Path, metavar="FILE", help="from /ledger/epochs (default: none yet)")
    parser.add_argument("--strands", type=int, required=True, metavar="N", help="how many from then on")
    parser.add_argument("--from", dest="start", metavar="TIME", help="when it begins (default: now)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Print the order. Whatever the sealer would refuse is refused here."""
    genesis = parse_genesis(note_text(chosen.genesis))
    operator = KeyInMemory(private_key(parse(chosen.key.read_bytes(), "the operator's key")))
    start = chosen.start or instant(datetime.now(UTC))
    moment(start, "--from")
    try:
        known = genesis if chosen.epochs is None else read_epochs(chosen.epochs.read_bytes(), genesis)
        last = known.newest
        payload = order_payload(known.origin, Epoch(last.number + 1, chosen.strands, start), last.order)
        text = sign(payload, EPOCH_TYP, operator)
        check_order(parse_order(text), known)
    except IntegrityFault as fault:
        raise Invalid(f"the sealer would refuse this order: {fault.message}") from fault
    sys.stdout.write(text + "\n")
    return 0
