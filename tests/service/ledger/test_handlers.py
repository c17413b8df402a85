"""The sealer's entry point: duplicates, poison, faults of the world, strands, and what is told about them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from services.ledger.handlers import FULL_INBOX, FULL_STREAM, Ports, Strand, handle
from services.ledger.inbox import pack, wake
from services.ledger.pace import Pace
from services.ledger.ports import EventRow, HeadWentBack
from shared.aws.rows import OutcomeUnknown
from shared.events.audit import audit_strand
from shared.events.envelope import strand_of
from shared.events.sealing import event_of
from shared.kernel.ids import Key
from tests.fakes import Faults
from tests.service.ledger.fakes import Cloud
from tests.service.ledger.queues import MemoryInbox
from tests.service.ledger.queues import record as message_record
from tests.unit.ledger.acts import House, Producer, event_id


class Told:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.errors: list[tuple[str, dict[str, str]]] = []

    def count(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def error(self, message: str, **facts: str) -> None:
        self.errors.append((message, facts))


@dataclass
class Room:
    """A deployment, its inbox, and an entry point in one warm environment."""

    strands: int = 1
    told: Told = field(default_factory=Told)
    risen: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cloud = Cloud(House(strands=self.strands))
        self.inbox = MemoryInbox(Faults())
        self.producer = Producer(self.cloud.house)
        self.seconds = 0.0
        self.salts = 0
        self.environment = self.fresh()

    def fresh(self) -> Ports:
        """The ports of an environment that has served nothing yet."""
        sealers: dict[int, Strand] = {strand: self.cloud.sealer(strand) for strand in range(self.strands)}
        return Ports(
            strands=sealers,
            place=self.place,
            fetch=self.cloud.events.fetch,
            sweep=self.cloud.sweep(),
            above=lambda: self.risen.append(self.cloud.clock()),
            inbox=self.inbox,
            pace=Pace(lambda: self.seconds, self.pass_),
            clock=self.cloud.clock,
            salt=self.salt,
            tell=self.told,
        )

    def place(self, text: str) -> int:
        event = event_of(text)
        return 0 if event is None else strand_of(event.id, self.strands)

    def pass_(self, seconds: float) -> None:
        """Time goes by, for both clocks."""
        self.waited.append(seconds)
        self.seconds += seconds
        self.cloud.clock.advance(seconds)

    def salt(self) -> str:
        self.salts += 1
        return f"{self.salts}"

    def act(self, number: int, strand: int = 0) -> Key:
        """A producer acts, and the event falls into this strand."""
        return self.cloud.act(self.producer, number, id=event_id(number, strand, self.strands))

    def stream(self, records: Sequence[Any]) -> Any:
        return handle({"Records": list(records)}, self.environment)

    def deliver(self) -> dict[str, Any]:
        """One batch of the inbox, taken and answered; no answer at all when nothing was waiting."""
        found = self.inbox.receive()
        answer = handle({"Records": found}, self.environment) if found else None
        if answer is not None:
            self.inbox.answer(found, answer)
        return dict(answer or {})

    def drain(self) -> None:
        """Deliver until the inbox is empty."""
        while self.deliver():
            pass

    def events(self, strand: int = 0) -> int:
        """The events that the published strand holds; raises for a finding."""
        report = audit_strand(self.cloud.house.genesis, strand, self.cloud.read(strand))
        assert report.findings == []
        return report.events


def record(key: Key, number: int = 1, name: str = "INSERT") -> dict[str, Any]:
    """A stream record as a KEYS_ONLY view delivers it."""
    keys = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
    return {
        "eventID": f"{number}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": keys, "SequenceNumber": f"{number}00", "StreamViewType": "KEYS_ONLY"},
    }


NOTHING: dict[str, Any] = {"batchItemFailures": []}


def reported(*ids: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}


# --- one strand: the stream's batches are sealed at once


def test_a_batch_is_sealed_and_published_and_answered_without_failures() -> None:
    room = Room()
    records = [record(room.act(number), number) for number in range(3)]
    assert room.stream([*records, *records]) == NOTHING
    assert room.events() == 3
    assert room.told.counts["EventsSealed"] == 3
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
    assert room.told.counts["RowsSetAside"] == 1
    # A row's key holds the person's id.
    assert "someone" not in str(room.told.errors)
    assert "Observation" not in str(room.told.errors)


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
    assert room.told.counts["HeadWentBack"] == 1
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
    assert room.told.counts["EventsSealed"] == 4


def test_a_row_whose_event_is_none_goes_to_the_first_strand_and_is_rejected_there() -> None:
    room = Room(2)
    bad = Key("P#someone", "Observation#bad#v#0000000001")
    room.cloud.events.rows[bad] = EventRow(bad, "no event", "kid", 1)
    room.stream([record(bad)])
    assert [message.group for _, message in room.inbox.waiting] == ["strand-0"]
    room.drain()
    assert room.told.counts["EventsRejected"] == 1


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
    assert room.told.counts["EventsSealed"] == 1
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
    assert room.told.counts["MessagesUnread"] == 2
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


def test_the_clock_sweeps_publishes_and_tells_the_oldest_age() -> None:
    room = Room()
    room.act(1)
    room.cloud.clock.advance(30)
    assert handle({}, room.environment) is None
    assert room.told.counts == {
        "EventsSealed": 1,
        "EventsRejected": 0,
        "EventsWaiting": 0,
        "OldestUnsealedSeconds": 30,
    }
    assert room.events() == 1
    assert len(room.risen) == 1


def test_a_sweep_that_stumbles_over_a_row_counts_it_and_publishes_the_others() -> None:
    room = Room()
    room.act(1)
    bad = Key("P#someone", "Observation#bad#v#0000000001")
    room.cloud.events.rows[bad] = EventRow(bad, 12345, room.producer.signer.kid, 2)  # type: ignore[arg-type]
    handle({}, room.environment)
    assert (room.told.counts["LedgerFaults"], room.told.counts["EventsSealed"]) == (1, 1)
    assert "someone" not in str(room.told.errors)
    assert room.events() == 1


def test_a_sweep_whose_store_fails_says_so_and_raises() -> None:
    room = Room()
    room.act(1)
    room.cloud.faults.plan = {1: "dropped"}
    with pytest.raises(OutcomeUnknown):
        handle({}, room.environment)
    assert room.told.errors


@pytest.mark.parametrize("strands", [1, 3])
def test_a_stream_and_an_inbox_that_never_come_lose_nothing(strands: int) -> None:
    room = Room(strands)
    for number in range(6):
        room.act(number, number % strands)
    handle({}, room.environment)
    assert [room.events(strand) for strand in range(strands)] == [6 // strands] * strands
