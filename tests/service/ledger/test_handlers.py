"""The sealer's entry point: duplicates, poison, faults of the world, and what is told about them."""

from typing import Any

import pytest

from services.ledger.handlers import handle
from services.ledger.ports import EventRow, HeadWentBack
from services.ledger.seal import Sealer
from shared.aws.rows import OutcomeUnknown
from shared.events.audit import audit_strand
from shared.kernel.ids import Key
from tests.service.ledger.fakes import Cloud
from tests.unit.ledger.acts import House, Producer


class Told:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.errors: list[tuple[str, dict[str, str]]] = []

    def count(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def error(self, message: str, **facts: str) -> None:
        self.errors.append((message, facts))


def record(key: Key, number: int = 1, name: str = "INSERT") -> dict[str, Any]:
    """A stream record as a KEYS_ONLY view delivers it."""
    keys = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
    return {
        "eventID": f"{number}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "dynamodb": {"Keys": keys, "SequenceNumber": f"{number}00", "StreamViewType": "KEYS_ONLY"},
    }


def deliver(cloud: Cloud, records: list[Any], told: Told | None = None, sealer: Sealer | None = None) -> Any:
    sealers = [sealer or cloud.sealer()]
    return handle({"Records": records}, sealers=sealers, sweep=cloud.sweep(), tell=told or Told())


def test_a_batch_is_sealed_and_published_and_answered_without_failures() -> None:
    cloud, producer, told = Cloud(), Producer(House()), Told()
    records = [record(cloud.act(producer, number), number) for number in range(3)]
    assert deliver(cloud, [*records, *records], told) == {"batchItemFailures": []}
    report = audit_strand(cloud.house.genesis, 0, cloud.read())
    assert (report.events, report.findings) == (3, [])
    assert told.counts["EventsSealed"] == 3


def test_rows_that_carry_no_event_are_passed_over() -> None:
    cloud = Cloud()
    keys = [Key("K#kid", "cert"), Key("I#hash", "id"), Key("P#a", "Observation#b#v#0000000001#rejected")]
    keys.append(Key("P#a", "Observation#absent#v#0000000001"))
    assert deliver(cloud, [record(key) for key in keys]) == {"batchItemFailures": []}
    assert cloud.objects.files.keys() == {"0/checkpoint"}


@pytest.mark.parametrize(
    "poison", [{}, {"dynamodb": {}}, "text", None, {"dynamodb": {"Keys": {"pk": {"N": "1"}}}}]
)
def test_a_record_of_no_known_shape_blocks_nobody(poison: Any) -> None:
    cloud, producer = Cloud(), Producer(House())
    assert deliver(cloud, [poison, record(cloud.act(producer, 1))]) == {"batchItemFailures": []}
    assert audit_strand(cloud.house.genesis, 0, cloud.read()).events == 1


def test_a_row_that_our_code_stumbles_over_is_set_aside_and_told_without_its_content() -> None:
    cloud, producer, told = Cloud(), Producer(House()), Told()
    good = cloud.act(producer, 1)
    bad = Key("P#someone", "Observation#bad#v#0000000001")
    cloud.events.rows[bad] = EventRow(bad, 12345, "kid", 1)  # type: ignore[arg-type]
    assert deliver(cloud, [record(bad, 1), record(good, 2)], told) == {"batchItemFailures": []}
    assert audit_strand(cloud.house.genesis, 0, cloud.read()).events == 1
    assert told.counts["RowsSetAside"] == 1
    # A row's key holds the person's id.
    assert "someone" not in str(told.errors)
    assert "Observation" not in str(told.errors)


def test_a_fault_of_the_world_reports_the_first_record() -> None:
    cloud, producer, told = Cloud(), Producer(House()), Told()
    records = [record(cloud.act(producer, number), number) for number in (7, 8)]
    cloud.faults.plan = {1: "dropped"}
    assert deliver(cloud, records, told) == {"batchItemFailures": [{"itemIdentifier": "700"}]}
    assert deliver(cloud, records, told) == {"batchItemFailures": []}
    assert audit_strand(cloud.house.genesis, 0, cloud.read()).events == 2


def test_a_head_that_went_back_is_counted_and_nothing_is_sealed() -> None:
    cloud, producer, told = Cloud(), Producer(House()), Told()
    deliver(cloud, [record(cloud.act(producer, 1))])
    cloud.heads.rows.clear()
    for name in [name for name in cloud.objects.files if "/commits/" in name]:
        del cloud.objects.files[name]
    answer = deliver(cloud, [record(cloud.act(producer, 2), 5)], told)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "500"}]}
    assert told.counts["HeadWentBack"] == 1
    with pytest.raises(HeadWentBack):
        handle({"source": "aws.scheduler"}, sealers=[cloud.sealer()], sweep=cloud.sweep(), tell=told)


def test_the_clock_sweeps_publishes_and_tells_the_oldest_age() -> None:
    cloud, producer, told = Cloud(), Producer(House()), Told()
    cloud.act(producer, 1)
    cloud.clock.advance(30)
    assert handle({}, sealers=[cloud.sealer()], sweep=cloud.sweep(), tell=told) is None
    assert told.counts == {
        "EventsSealed": 1,
        "EventsRejected": 0,
        "EventsWaiting": 0,
        "OldestUnsealedSeconds": 30,
    }
    assert audit_strand(cloud.house.genesis, 0, cloud.read()).events == 1


def test_a_sweep_that_stumbles_over_a_row_counts_it_and_publishes_the_others() -> None:
    cloud, producer, told = Cloud(), Producer(House()), Told()
    cloud.act(producer, 1)
    bad = Key("P#someone", "Observation#bad#v#0000000001")
    cloud.events.rows[bad] = EventRow(bad, 12345, producer.signer.kid, 2)  # type: ignore[arg-type]
    handle({}, sealers=[cloud.sealer()], sweep=cloud.sweep(), tell=told)
    assert (told.counts["LedgerFaults"], told.counts["EventsSealed"]) == (1, 1)
    assert "someone" not in str(told.errors)
    assert audit_strand(cloud.house.genesis, 0, cloud.read()).events == 1


def test_a_sweep_whose_store_fails_says_so_and_raises() -> None:
    cloud, producer, told = Cloud(), Producer(House()), Told()
    cloud.act(producer, 1)
    cloud.faults.plan = {1: "dropped"}
    with pytest.raises(OutcomeUnknown):
        handle({}, sealers=[cloud.sealer()], sweep=cloud.sweep(), tell=told)
    assert told.errors


def test_a_stream_that_never_comes_loses_nothing() -> None:
    cloud, producer = Cloud(), Producer(House())
    for number in range(5):
        cloud.act(producer, number)
    handle({}, sealers=[cloud.sealer()], sweep=cloud.sweep(), tell=Told())
    assert audit_strand(cloud.house.genesis, 0, cloud.read()).events == 5
