"""Opening an epoch: the operator's order, what it has to follow, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.events.epoch import (
    EPOCH_TYP,
    Order,
    check_order,
    opened,
    order_payload,
    parse_epoch_data,
    parse_order,
    read_epochs,
)
from carevouch.events.genesis import Epoch, genesis_text, parse_genesis
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import MAX_STRANDS
from tests.unit.sealing.acts import ORIGIN, START, House, key

HOUSE = House(strands=2)
PREV = sha256(b"another order")


def order(signer: str = "operator", **changes: Any) -> Order:
    payload = order_payload(ORIGIN, Epoch(2, 4, later(START, 60)), None)
    return parse_order(sign({**payload, **changes}, EPOCH_TYP, key(signer)))


def test_the_operator_opens_the_next_epoch_and_genesis_then_knows_it() -> None:
    wanted = order()
    known = opened(HOUSE.genesis, wanted)
    assert (known.epoch, known.strand_count, known.strands) == (2, 4, 2)
    assert known.epoch_of(1) == Epoch(1, 2, START)
    assert known.newest.order == sha256(wanted.text.encode())
    assert known.epoch_of(2) == wanted.epoch
    assert known.epoch_of(3) is None
    assert parse_genesis(genesis_text(known)) == HOUSE.genesis, "epochs are no part of the note"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (order(signer="root records"), "not ordered by the operator"),
        (order(origin="other.example"), "another deployment"),
        (order(epoch=3), "the next is 2"),
        (order(strands=1), "never shrinks"),
        (order(prev=b64u(PREV)), "does not follow"),
        (order(**{"from": later(START, -1)}), "does not begin before"),
    ],
)
def test_an_order_that_does_not_follow_is_refused(changed: Order, said: str) -> None:
    with pytest.raises(IntegrityFault, match=said):
        check_order(changed, HOUSE.genesis)


def test_the_third_epoch_follows_the_order_of_the_second() -> None:
    second = order()
    known = opened(HOUSE.genesis, second)
    third = order(epoch=3, strands=4, prev=b64u(sha256(second.text.encode())))
    check_order(third, known)
    with pytest.raises(IntegrityFault, match="does not follow"):
        check_order(order(epoch=3, strands=4, prev=b64u(PREV)), known)
    with pytest.raises(IntegrityFault, match="the next is 3"):
        check_order(second, known)


def test_the_file_of_epochs_is_checked_with_genesis_alone() -> None:
    second = order()
    third = order(epoch=3, strands=4, prev=b64u(sha256(second.text.encode())))
    data = f"{second.text}\n{third.text}\n".encode()
    assert read_epochs(b"", HOUSE.genesis) == HOUSE.genesis
    assert [epoch.strands for epoch in read_epochs(data, HOUSE.genesis).epochs] == [4, 4]
    for broken in (data[:-1], data + b"\n", b"\xff\n", f"{third.text}\n{second.text}\n".encode()):
        with pytest.raises((Malformed, IntegrityFault)):
            read_epochs(broken, HOUSE.genesis)
    for at in range(0, len(data), 9):
        with pytest.raises((Malformed, IntegrityFault)):
            read_epochs(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], HOUSE.genesis)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"epoch": 1},
        {"epoch": "2"},
        {"strands": 0},
        {"strands": MAX_STRANDS + 1},
        {"strands": True},
        {"origin": 1},
        {"prev": "short"},
        {"prev": 1},
        {"from": "tomorrow"},
        {"more": 1},
    ],
)
def test_an_order_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        order(**changes)


def test_an_epoch_entry_says_exactly_what_the_order_in_it_says() -> None:
    wanted = order()
    assert parse_epoch_data(wanted.data) == wanted
    for name, value in (("strands", 8), ("epoch", 3), ("from", START), ("prev", b64u(PREV)), ("more", 1)):
        with pytest.raises(Malformed):
            parse_epoch_data({**wanted.data, name: value})
    odd: list[Any] = [None, [], {}, {"order": 1}, {**wanted.data, "order": "a.b.c"}]
    for data in odd:
        with pytest.raises(Malformed):
            parse_epoch_data(data)


def test_two_orders_by_one_operator_for_two_deployments_cannot_be_swapped() -> None:
    elsewhere = replace(HOUSE.genesis, origin="other.example")
    with pytest.raises(IntegrityFault, match="another deployment"):
        check_order(order(), elsewhere)
