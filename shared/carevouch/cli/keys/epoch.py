"""`carevouch epoch`: the operator signs the order to open an epoch, on its own machine."""

import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from carevouch.cli.frame import OK
from carevouch.cli.keys.genesis import read_genesis
from carevouch.events.epoch import EPOCH_TYP, check_order, order_payload, parse_order, read_epochs
from carevouch.events.genesis import Epoch
from carevouch.kernel.errors import IntegrityFault, Invalid
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import KeyInMemory, private_key, sign
from carevouch.kernel.times import instant, moment


def run(args: Namespace) -> int:
    """Print the order; raises `Invalid` for an order that the sealer would refuse."""
    genesis = read_genesis(args.genesis)
    operator = KeyInMemory(private_key(parse(Path(args.key).read_bytes(), "the operator's key")))
    start = args.start or instant(datetime.now(UTC))
    moment(start, "--from")
    try:
        known = genesis if args.epochs is None else read_epochs(Path(args.epochs).read_bytes(), genesis)
        last = known.newest
        payload = order_payload(known.origin, Epoch(last.number + 1, args.strands, start), last.order)
        text = sign(payload, EPOCH_TYP, operator)
        check_order(parse_order(text), known)
    except IntegrityFault as fault:
        raise Invalid(f"the sealer would refuse this order: {fault.message}") from fault
    sys.stdout.write(text + "\n")
    return OK
