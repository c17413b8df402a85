"""Growing from two strands to four: no entry moves, no event is sealed twice, and anybody can follow."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.events.epoch import EPOCH_TYP, order_payload
from carevouch.events.genesis import Epoch, Genesis
from carevouch.kernel.errors import Conflict, IntegrityFault, Invalid, Malformed, NotFound, OutcomeUnknown
from carevouch.kernel.jws import sign, take_apart
from carevouch.kernel.times import later
from carevouch.verifier.strand import Report, audit_strand, find_gaps
from services.sealer.invocation import handle
from tests.fakes import Crash
from tests.service.sealer.fakes import Cloud
from tests.service.sealer.memory_sealer import Room
from tests.unit.sealing.acts import ORIGIN, START, House, Producer, key

NOW = later(START, 60)


def order(known: Genesis, strands: int = 4, start: str = START, **changes: Any) -> str:
    last = known.newest
    payload = order_payload(ORIGIN, Epoch(last.number + 1, strands, start), last.order)
    return sign({**payload, **changes}, EPOCH_TYP, key("operator"))


def cloud_of(strands: int = 2) -> Cloud:
    cloud = Cloud(House(strands=strands))
    cloud.clock.now = NOW
    return cloud


def later_producer(strands: int, name: str = "new") -> Producer:
    """A producer whose key is certified for epoch 2 and whose events choose among its strands."""
    return Producer(House(strands=strands), name=name, spread=True, epoch=2, made=NOW)


def settle(cloud: Cloud) -> None:
    cloud.sweep().run()
    for strand in range(cloud.epochs().known().strand_count):
        cloud.sealer(strand).publish()


def audited(cloud: Cloud) -> int:
    """The events of all strands, each of which passes its audit with the epochs of strand 0."""
    genesis = cloud.house.genesis
    reports: list[Report] = []
    while len(reports) < genesis.strand_count:
        reports.append(audit_strand(genesis, len(reports), cloud.read(len(reports))))
        genesis = replace(genesis, epochs=reports[0].epochs)
    assert [finding for report in reports for finding in report.findings] == []
    assert find_gaps(reports) == []
    return sum(report.events for report in reports)


def test_events_of_both_epochs_lie_each_in_the_strand_of_its_own_epoch() -> None:
    cloud = cloud_of()
    old, new = Producer(House(strands=2), spread=True), later_producer(4)
    for number in range(6):
        cloud.act(old, number)
    settle(cloud)
    known = cloud.epochs().open(order(cloud.epochs().known()))
    assert (known.epoch, known.strand_count) == (2, 4)
    for number in range(6, 14):
        cloud.act(new, number)
    for number in range(14, 18):
        cloud.act(old, number)  # an environment from before goes on in its epoch
    settle(cloud)
    assert audited(cloud) == 18
    assert all(cloud.library().published(strand).checkpoint.size > 0 for strand in range(4))


def test_an_event_delivered_again_after_the_change_is_sealed_once() -> None:
    cloud = cloud_of()
    keys = [cloud.act(Producer(House(strands=2), spread=True, name=f"p{n}"), n) for n in range(8)]
    settle(cloud)
    cloud.epochs().open(order(cloud.epochs().known()))
    for strand in range(4):
        assert cloud.sealer(strand).seal(keys).events == 0
    settle(cloud)
    assert audited(cloud) == 8


def test_an_event_of_an_epoch_that_is_not_open_yet_waits_for_it() -> None:
    cloud = cloud_of()
    wanted = order(cloud.epochs().known())
    early = later_producer(4)
    keys = [cloud.act(early, number) for number in (2, 3)]
    assert cloud.sealer(0).seal(keys).waiting == 2
    cloud.epochs().open(wanted)
    settle(cloud)
    assert audited(cloud) == 2
    assert cloud.notes.waiting == {}


def test_an_event_of_an_epoch_that_never_opens_is_rejected_when_its_time_is_up() -> None:
    cloud = cloud_of()
    keys = [cloud.act(later_producer(4), 3)]
    cloud.clock.advance(700)
    assert cloud.sealer(0).seal(keys).rejected == 1


def test_an_event_dated_before_its_epoch_began_is_rejected() -> None:
    cloud = cloud_of()
    cloud.epochs().open(order(cloud.epochs().known(), start=later(NOW, -10)))
    early = replace(later_producer(4), made=later(NOW, -20))
    key_ = cloud.act(early, 0)
    assert cloud.sealer(0).seal([key_]).rejected == 1


def test_the_door_finds_an_event_whatever_its_epoch() -> None:
    cloud = cloud_of()
    old, new = Producer(House(strands=2), spread=True), later_producer(4)
    texts = [old.event(number) for number in range(4)]
    for text in texts:
        cloud.put(text, old.certificate)
    cloud.epochs().open(order(cloud.epochs().known()))
    for number in range(4, 12):
        texts.append(new.event(number))
        cloud.put(texts[-1], new.certificate)
    settle(cloud)
    for text in texts:
        assert cloud.library().event(str(_id(text))).entry == text.encode()
    with pytest.raises(NotFound):
        cloud.library().event("a" * 26)
    assert cloud.library().epochs().count(b"\n") == 1


def test_the_same_order_again_changes_nothing_and_another_for_the_same_epoch_is_refused() -> None:
    cloud = cloud_of()
    first, other = order(cloud.epochs().known()), order(cloud.epochs().known(), strands=8)
    cloud.epochs().open(first)
    files = dict(cloud.objects.files)
    cloud.epochs().open(first)
    assert cloud.objects.files == files
    with pytest.raises(Conflict, match="another order"):
        cloud.epochs().open(other)
    third = cloud.epochs().open(order(cloud.epochs().known(), strands=4))
    assert (third.epoch, third.strand_count) == (3, 4)
    settle(cloud)
    audited(cloud)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"strands": 1}, IntegrityFault),
        ({"start": later(NOW, 1)}, Invalid),
        ({"origin": "other.example"}, IntegrityFault),
        ({"epoch": 3}, IntegrityFault),
        ({"v": 2}, Malformed),
    ],
)
def test_an_order_that_cannot_be_carried_out_writes_nothing(
    changes: dict[str, Any], fault: type[Exception]
) -> None:
    cloud = cloud_of()
    with pytest.raises(fault):
        cloud.epochs().open(order(cloud.epochs().known(), **changes))
    assert cloud.objects.files == {}


def test_a_crash_at_any_write_of_an_opening_is_finished_by_the_sweep() -> None:
    calm = cloud_of()
    calm.epochs().open(order(calm.house.genesis))
    for write in range(1, calm.faults.writes + 1):
        for when in ("before", "after", "lost", "dropped"):
            cloud = cloud_of()
            cloud.act(Producer(House(strands=2)), 0)
            settle(cloud)
            wanted = order(cloud.house.genesis)
            cloud.faults.plan = {cloud.faults.writes + write: when}
            try:
                cloud.epochs().open(wanted)
            except (Crash, OutcomeUnknown):
                cloud.faults.plan = {}
            cloud.epochs().finish()
            if cloud.epochs().known().epoch == 1:
                cloud.epochs().open(wanted)
            settle(cloud)
            assert audited(cloud) == 1, f"{when} write {write}"
            assert cloud.epochs().known().epoch == 2, f"{when} write {write}"


def test_the_operators_order_reaches_the_sealer_as_an_invocation() -> None:
    room = Room(2)
    room.cloud.clock.now = NOW
    assert handle({"open_epoch": order(room.cloud.house.genesis)}, room.environment) is None
    assert room.cloud.epochs().known().strand_count == 4
    with pytest.raises(Malformed):
        handle({"open_epoch": "nonsense"}, room.environment)


def test_every_strand_has_a_checkpoint_after_the_next_sweep_also_one_that_nothing_fell_into() -> None:
    room = Room(2)
    room.cloud.clock.now = NOW
    handle({}, room.environment)
    assert {f"{strand}/checkpoint" for strand in range(2)} <= room.cloud.objects.files.keys()
    handle({"open_epoch": order(room.cloud.house.genesis)}, room.environment)
    room.strands = 4
    handle({}, room.fresh())
    sizes = [room.cloud.library().published(strand).checkpoint.size for strand in range(4)]
    assert sizes[1:] == [0, 0, 0]


def _id(text: str) -> str:
    return str(take_apart(text).payload["id"])
