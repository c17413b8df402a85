"""The order within a block: the sealer's passes, and every entry that moved is found where it stands now."""

from collections.abc import Callable

import pytest

from carevouch.events.envelope import Event, parse_event
from carevouch.kernel.errors import IntegrityFault
from carevouch.sealing.order import BlockOrder
from tests.unit.sealing.acts import House, Producer

ONE, OTHER = Producer(House(), name="one"), Producer(House(), name="other")
FIRST, SECOND = (parse_event(ONE.event(number)) for number in (1, 2))
ANOTHER = parse_event(OTHER.event(3))

Step = Callable[[BlockOrder], None]


def event(item: Event) -> Step:
    return lambda order: order.event(item)


def certificate(item: Event) -> Step:
    return lambda order: order.certificate(item.kid)


REJECTION: Step = BlockOrder.rejection
CLOSED: Step = BlockOrder.closed
UNKNOWN: Step = BlockOrder.unknown
LOW, HIGH = sorted((FIRST, ANOTHER), key=lambda item: item.kid)


def told(steps: list[Step]) -> list[str]:
    """The fault of each step, as `3: …`."""
    order, found = BlockOrder(), []
    for number, step in enumerate(steps):
        try:
            step(order)
        except IntegrityFault as fault:
            found.append(f"{number}: {fault.message}")
            order.unknown()
    return found


def test_the_sealers_order_passes() -> None:
    steps = [certificate(LOW), event(LOW), certificate(HIGH), event(HIGH), REJECTION, REJECTION, CLOSED]
    assert told(steps) == []


def test_a_gap_between_numbers_is_no_fault_of_the_order() -> None:
    assert told([event(FIRST), event(SECOND), CLOSED]) == []


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([event(SECOND), event(FIRST)], "1: the event does not stand in its block's order"),
        ([event(HIGH), event(LOW)], "1: the event does not stand in its block's order"),
        ([event(FIRST), event(FIRST)], "1: the event does not stand in its block's order"),
        ([certificate(LOW), event(HIGH)], "1: the certificate before the event is that of another key"),
        ([certificate(LOW), certificate(HIGH)], "1: no event of its key follows"),
        ([certificate(LOW), REJECTION], "1: no event of its key follows"),
        ([certificate(LOW), CLOSED], "1: no event of its key follows"),
        ([REJECTION, event(LOW)], "1: the entry stands behind a rejection"),
        ([REJECTION, certificate(LOW)], "1: the entry stands behind a rejection"),
    ],
)
def test_what_moved_is_named_where_it_stands(steps: list[Step], words: str) -> None:
    (found,) = told(steps)
    assert found.startswith(words)


def test_nobody_is_accused_beside_an_entry_that_cannot_be_read() -> None:
    assert told([certificate(LOW), UNKNOWN, event(HIGH), UNKNOWN, event(LOW), CLOSED]) == []
