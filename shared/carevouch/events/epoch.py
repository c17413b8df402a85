"""Epochs: a deployment gets more strands without moving any entry (FORMATS.md, 6).

Genesis opens epoch 1. Only the operator orders a later one. The order takes effect as an `epoch` entry of
strand 0 under the sealer's key. An event names its epoch, and the epoch's number of strands gives its strand.
So an event that arrives again after a change stays in its strand and is sealed once. All orders are published
in one file, one a line, and genesis alone is enough to check it.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from carevouch.events.genesis import Epoch, Genesis
from carevouch.kernel.canonical import JsonObject, is_whole
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import Jws, take_apart, verify
from carevouch.kernel.times import moment
from carevouch.ledger.checkpoint import MAX_STRANDS

EPOCH_TYP = "carevouch-epoch+jws"
MEMBERS = frozenset(["v", "origin", "epoch", "strands", "prev", "from"])
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Order:
    """The operator's order to open an epoch. `prev` is the hash of the order before it, if there is one."""

    origin: str
    epoch: Epoch
    prev: bytes | None
    signed: Jws

    @property
    def text(self) -> str:
        """The compact JWS."""
        return self.signed.text

    @property
    def data(self) -> JsonObject:
        """The `data` of the `epoch` entry that carries this order."""
        return {**_terms(self.epoch, self.prev), "order": self.text}


def order_payload(origin: str, epoch: Epoch, prev: bytes | None) -> JsonObject:
    """The payload that the operator signs with typ `EPOCH_TYP`."""
    return {"v": 1, "origin": origin, **_terms(epoch, prev)}


def parse_order(text: str) -> Order:
    """The order in `text`, not verified; raises `Malformed`."""
    signed = take_apart(text)
    payload = signed.payload
    if signed.typ != EPOCH_TYP or set(payload) != MEMBERS or not is_whole(payload["v"], 1, 1):
        raise Malformed("not an order to open an epoch, with exactly the members of version 1")
    if not is_whole(payload["epoch"], 2, 2**53) or not is_whole(payload["strands"], 1, MAX_STRANDS):
        raise Malformed(f"an epoch is numbered from 2 and has 1 to {MAX_STRANDS} strands")
    if not isinstance(payload["origin"], str):
        raise Malformed("the order's origin is not text")
    moment(payload["from"], "the epoch's from")
    epoch = Epoch(payload["epoch"], payload["strands"], payload["from"], sha256(text.encode("ascii")))
    return Order(payload["origin"], epoch, _prev(payload["prev"]), signed)


def check_ordered(order: Order, genesis: Genesis) -> None:
    """Raise `IntegrityFault` unless the operator signed the order, and for this deployment."""
    try:
        verify(order.signed, genesis.operator, EPOCH_TYP)
    except IntegrityFault as fault:
        raise IntegrityFault(f"the epoch is not ordered by the operator: {fault.message}") from fault
    if order.origin != genesis.origin:
        raise IntegrityFault("the order to open an epoch is for another deployment")


def check_order(order: Order, genesis: Genesis) -> None:
    """Raise `IntegrityFault` unless the operator ordered the epoch that follows those of `genesis`."""
    check_ordered(order, genesis)
    last = genesis.newest
    if order.epoch.number != last.number + 1:
        raise IntegrityFault(f"epoch {last.number} is open; the next is {last.number + 1}")
    if order.epoch.strands < last.strands:
        raise IntegrityFault(f"the number of strands never shrinks: there are {last.strands}")
    if order.prev != last.order:
        raise IntegrityFault("the order does not follow the one before it")
    if order.epoch.start < last.start:
        raise IntegrityFault("an epoch does not begin before the one before it")


def parse_epoch_data(data: Any) -> Order:
    """The order in the `data` of an `epoch` entry; raises `Malformed` unless both agree."""
    text = data.get("order") if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise Malformed("the epoch entry carries no order of the operator")
    order = parse_order(text)
    if data != order.data or not all(type(data[name]) is int for name in ("epoch", "strands")):
        raise Malformed("the epoch entry says another thing than the operator's order in it")
    return order


def opened(genesis: Genesis, order: Order) -> Genesis:
    """Genesis with one more epoch; raises as `check_order` does."""
    check_order(order, genesis)
    return replace(genesis, epochs=(*genesis.epochs, order.epoch))


def read_epochs(data: bytes, genesis: Genesis) -> Genesis:
    """Genesis with the epochs that `data` orders; raises `IntegrityFault` or `Malformed`."""
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("the file of epochs is not ASCII") from error
    if lines.pop():
        raise Malformed("the file of epochs does not end with a whole line")
    for line in lines:
        genesis = opened(genesis, parse_order(line))
    return genesis


def _terms(epoch: Epoch, prev: bytes | None) -> JsonObject:
    return {
        "epoch": epoch.number,
        "strands": epoch.strands,
        "prev": None if prev is None else b64u(prev),
        "from": epoch.start,
    }


def _prev(text: Any) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        raise Malformed("the order's prev is not the hash of an order")
    return unb64u(text, "the order's prev")
