"""With several strands the stream forwards and the inbox seals, strand by strand, each event once."""

from dataclasses import replace
from typing import Any

from carevouch.kernel.errors import OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.store.log.ports import EventRow
from carevouch.verifier.strand import audit_strand
from services.sealer.inbox import pack, wake
from services.sealer.invocation import FULL_INBOX, handle
from tests.service.sealer.memory_sealer import NOTHING, Room, record, reported
from tests.service.sealer.queues import record as message_record


def test_with_more_strands_the_stream_only_forwards_and_the_inbox_seals_each_in_its_own() -> None:
    room = Room(3)
    records = [record(room.act(number, number % 3), number) for number in range(9)]
    assert room.stream(records) == NOTHING
    assert room.cloud.objects.files == {}
    assert {message.group for _, message in room.inbox.waiting} == {"strand-0", "strand-1", "strand-2"}
    room.drain()
    assert [room.events(strand) for strand in range(3)] == [3, 3, 3]


def test_what_is_forwarded_twice_is_sealed_once() -> None:
    room = Room(2)
    records = [record(room.act(number, number % 2), number) for number in range(4)]
    room.stream(records)
    room.stream(records)
    assert room.inbox.sent == 4, "a batch that the stream brings again is sent again"
    room.drain()
    assert [room.events(strand) for strand in range(2)] == [2, 2]
    assert room.tell.counts["EventsSealed"] == 4


def test_a_row_whose_event_is_none_goes_to_the_first_strand_and_is_rejected_there() -> None:
    room = Room(2)
    bad = Key("P#someone", "Observation#bad#v#0000000001")
    room.cloud.events.rows[bad] = EventRow(bad, "no event", "kid", 1)
    room.stream([record(bad)])
    assert [message.group for _, message in room.inbox.waiting] == ["strand-0"]
    room.drain()
    assert room.tell.counts["EventsRejected"] == 1


def test_rows_that_carry_no_event_are_not_forwarded() -> None:
    room = Room(2)
    assert room.stream([record(Key("P#a", "Observation#absent#v#0000000001"))]) == NOTHING
    assert room.inbox.sent == 0


def test_an_inbox_that_does_not_take_a_batch_has_the_stream_bring_it_again() -> None:
    room = Room(2)
    records = [record(room.act(1), 7)]
    room.inbox.faults.plan = {1: "dropped"}
    assert room.stream(records) == reported("700")
    assert room.stream(records) == NOTHING
    room.drain()
    assert room.events() == 1


def test_several_messages_of_a_strand_in_one_batch_are_one_block() -> None:
    room = Room(2)
    for number in range(4):
        room.stream([record(room.act(number))])
    room.deliver()
    report = audit_strand(room.cloud.house.genesis, 0, room.cloud.read())
    assert (report.events, report.blocks) == (4, 1)


def test_a_strand_that_fails_is_reported_whole_and_the_others_are_sealed() -> None:
    room = Room(2)
    for number in range(4):
        room.stream([record(room.act(number, number % 2))])
    found = room.inbox.receive()
    mine = [one["messageId"] for one in found if one["attributes"]["MessageGroupId"] == "strand-0"]
    room.cloud.faults.plan = {1: "dropped"}
    answer = handle({"Records": found}, room.environment)
    assert answer == reported(*mine)
    assert len(mine) == 2
    assert room.inbox.asked_again == [f"receipt of {id_}" for id_ in mine]
    assert room.events(1) == 2
    room.inbox.answer(found, answer)
    room.drain()
    assert room.events(0) == 2


def test_a_strand_that_cannot_be_published_comes_again_and_is_not_sealed_twice() -> None:
    room = Room(2)
    room.stream([record(room.act(1))])
    room.inbox.faults.plan = {2: "dropped"}  # the wake-up of the super-log, after the batch itself
    (failed,) = room.deliver()["batchItemFailures"]
    assert failed == {"itemIdentifier": "message-1"}
    room.drain()
    assert room.events() == 1
    assert room.tell.counts["EventsSealed"] == 1
    assert room.risen


def test_a_message_for_a_strand_that_this_environment_does_not_know_comes_again() -> None:
    room = Room(2)
    room.inbox.send(pack({5: [Key("P#a", "b")]}, "salt"))
    assert room.deliver() == reported("message-1")


def test_a_message_that_cannot_be_read_is_counted_and_left_to_the_sweep() -> None:
    room = Room(2)
    room.stream([record(room.act(1))])
    (good,) = room.inbox.receive()
    bad: list[Any] = [
        {"messageId": "x"},
        {"messageId": "y", "body": "{", "attributes": {"MessageGroupId": "strand-0"}},
    ]
    for one in bad:
        one["eventSource"] = "aws:sqs"
    assert handle({"Records": [*bad, good]}, room.environment) == NOTHING
    assert room.tell.counts["MessagesUnread"] == 2
    assert room.events() == 1


def test_a_full_batch_of_the_inbox_leaves_publishing_to_a_message_behind_it() -> None:
    room = Room(2)
    room.stream([record(room.act(0))])
    room.deliver()
    for number in range(1, FULL_INBOX + 1):
        room.stream([record(room.act(number))])
    room.inbox.waiting = [item for item in room.inbox.waiting if item[1].group != "super"]
    room.deliver()
    assert room.events() == 1
    room.drain()
    assert room.events() == FULL_INBOX + 1


# --- the super-log


def test_strands_published_within_a_second_wake_the_super_log_once_and_it_waits_for_its_end() -> None:
    room = Room(2)
    room.cloud.clock.advance(0.25)
    room.stream([record(room.act(number, number % 2), number) for number in range(2)])
    room.deliver()
    assert [message.group for _, message in room.inbox.waiting] == ["super"]
    assert room.risen == []
    room.drain()
    assert room.risen == ["2026-11-22T10:00:01.000Z"]
    assert room.waited == [0.75]


def test_a_super_log_that_fails_is_woken_again() -> None:
    room = Room(2)
    room.inbox.send([wake(room.cloud.clock())])

    def fails() -> None:
        raise OutcomeUnknown("no answer")

    found = room.inbox.receive()
    environment = replace(room.environment, above=fails)
    assert handle({"Records": found}, environment) == reported("message-1")


def test_no_clock_of_somebody_elses_holds_the_super_log_for_more_than_a_second() -> None:
    room = Room(2)
    later = message_record("m", wake("2036-01-01T00:00:00.000Z"))
    assert handle({"Records": [later]}, room.environment) == NOTHING
    assert room.waited == [1.0]


# --- the sweep
