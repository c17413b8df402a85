"""The sealer's entry point: duplicates, poison, faults of the world, and the metrics about them."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.kernel.errors import Busy, OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.store.log.ports import EventRow, HeadWentBack
from services.sealer.invocation import FULL_STREAM, handle
from services.sealer.sweep import SweepReport
from tests.service.sealer.memory_sealer import NOTHING, Room, record, reported


def test_a_batch_is_sealed_and_published_and_answered_without_failures() -> None:
    room = Room()
    records = [record(room.act(number), number) for number in range(3)]
    assert room.stream([*records, *records]) == NOTHING
    assert room.events() == 3
    assert room.tell.counts["EventsSealed"] == 3
    assert len(room.risen) == 1
    assert room.inbox.sent == 0


def test_rows_that_carry_no_event_are_passed_over() -> None:
    room = Room()
    keys = [Key("K#kid", "cert"), Key("I#hash", "id"), Key("P#a", "Observation#b#v#0000000001#rejected")]
    keys.append(Key("P#a", "Observation#absent#v#0000000001"))
    assert room.stream([record(key) for key in keys]) == NOTHING
    assert room.cloud.objects.files.keys() == {"0/checkpoint"}


@pytest.mark.parametrize("strands", [1, 2])
@pytest.mark.parametrize(
    "poison", [{}, {"dynamodb": {}}, "text", None, {"dynamodb": {"Keys": {"pk": {"N": "1"}}}}]
)
def test_a_record_of_no_known_shape_blocks_nobody(poison: Any, strands: int) -> None:
    room = Room(strands)
    assert room.stream([poison, record(room.act(1))]) == NOTHING
    room.drain()
    assert room.events() == 1


@pytest.mark.parametrize("strands", [1, 2])
def test_a_row_that_our_code_stumbles_over_is_set_aside_and_told_without_its_content(strands: int) -> None:
    room = Room(strands)
    good = room.act(1)
    bad = Key("P#someone", "Observation#bad#v#0000000001")
    room.cloud.events.rows[bad] = EventRow(bad, 12345, "kid", 1)  # type: ignore[arg-type]
    assert room.stream([record(bad, 1), record(good, 2)]) == NOTHING
    room.drain()
    assert room.events() == 1
    assert room.tell.counts["RowsSetAside"] == 1
    # A row's key holds the person's id.
    assert "someone" not in str(room.tell.errors)
    assert "Observation" not in str(room.tell.errors)


def test_a_fault_of_the_world_reports_the_first_record() -> None:
    room = Room()
    records = [record(room.act(number), number) for number in (7, 8)]
    room.cloud.faults.plan = {1: "dropped"}
    assert room.stream(records) == reported("700")
    assert room.stream(records) == NOTHING
    assert room.events() == 2


def test_a_head_that_went_back_is_counted_and_nothing_is_sealed() -> None:
    room = Room()
    room.stream([record(room.act(1))])
    room.cloud.heads.rows.clear()
    for name in [name for name in room.cloud.objects.files if "/commits/" in name]:
        del room.cloud.objects.files[name]
    assert room.stream([record(room.act(2), 5)]) == reported("500")
    assert room.tell.counts["HeadWentBack"] == 1
    with pytest.raises(HeadWentBack):
        handle({"source": "aws.scheduler"}, room.environment)


# --- the pace of publishing


def test_a_second_batch_waits_out_the_second_and_then_publishes() -> None:
    room = Room()
    room.stream([record(room.act(1))])
    room.seconds += 0.25
    room.stream([record(room.act(2))])
    assert room.waited == [0.75]
    assert room.events() == 2


def test_a_batch_after_the_second_publishes_at_once() -> None:
    room = Room()
    room.stream([record(room.act(1))])
    room.seconds += 1
    room.stream([record(room.act(2))])
    assert room.waited == []
    assert room.events() == 2


def test_a_full_batch_leaves_publishing_to_a_later_one_that_surely_comes() -> None:
    room = Room()
    room.stream([record(room.act(1))])
    room.stream([record(room.act(2))] * FULL_STREAM)
    assert (room.waited, room.events()) == ([], 1)
    # Even if the stream has nothing more: what was sent to the inbox behind it publishes.
    room.drain()
    assert room.events() == 2


def test_a_fresh_environment_publishes_at_once() -> None:
    room = Room()
    room.stream([record(room.act(1))])
    room.environment = room.fresh()
    room.stream([record(room.act(2))])
    assert (room.waited, room.events()) == ([], 2)


# --- several strands: the stream forwards, the inbox seals


def test_the_clock_sweeps_publishes_and_tells_the_oldest_age() -> None:
    room = Room()
    room.act(1)
    room.cloud.clock.advance(30)
    assert handle({}, room.environment) is None
    assert room.tell.counts == {
        "EventsSealed": 1,
        "EventsRejected": 0,
        "EventsWaiting": 0,
        "OldestUnsealedSeconds": 30,
    }
    assert room.events() == 1
    assert len(room.risen) == 2
    handle({}, room.environment)
    assert len(room.risen) == 3


def test_what_others_sealed_is_published_though_the_sweep_fails() -> None:
    room = Room()
    room.cloud.sealer().seal([room.act(1)])

    class Failing:
        def run(self) -> SweepReport:
            raise OutcomeUnknown("DynamoDB gave no certain answer")

    with pytest.raises(OutcomeUnknown):
        handle({}, replace(room.environment, sweep=Failing()))
    assert room.events() == 1
    assert len(room.risen) == 1


def test_a_super_log_that_cannot_be_published_keeps_no_sweep_from_sealing() -> None:
    room = Room()
    room.act(1)

    def above() -> None:
        raise Busy("no witness answers")

    with pytest.raises(Busy):
        handle({}, replace(room.environment, above=above))
    assert room.events() == 1


def test_a_sweep_that_stumbles_over_a_row_counts_it_and_publishes_the_others() -> None:
    room = Room()
    room.act(1)
    bad = Key("P#someone", "Observation#bad#v#0000000001")
    room.cloud.events.rows[bad] = EventRow(bad, 12345, room.producer.signer.kid, 2)  # type: ignore[arg-type]
    handle({}, room.environment)
    assert (room.tell.counts["LedgerFaults"], room.tell.counts["EventsSealed"]) == (1, 1)
    assert "someone" not in str(room.tell.errors)
    assert room.events() == 1


def test_a_sweep_whose_store_fails_says_so_and_raises() -> None:
    room = Room()
    room.act(1)
    room.cloud.faults.plan = dict.fromkeys(range(1, 10), "dropped")
    with pytest.raises(OutcomeUnknown):
        handle({}, room.environment)
    assert room.tell.errors


@pytest.mark.parametrize("strands", [1, 3])
def test_a_stream_and_an_inbox_that_never_come_lose_nothing(strands: int) -> None:
    room = Room(strands)
    for number in range(6):
        room.act(number, number % strands)
    handle({}, room.environment)
    assert [room.events(strand) for strand in range(strands)] == [6 // strands] * strands
