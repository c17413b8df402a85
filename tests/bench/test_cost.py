"""The bill and the limits, as arithmetic that a reader can follow."""

import pytest

from tests.bench.calls import Counted
from tests.bench.cost import Sealed, bill, inbox_dollars
from tests.bench.latency import seconds
from tests.bench.limits import Found as Limited
from tests.bench.limits import Use, design, load_of, uses
from tests.bench.strands import Outcome

# A batch costs 0.1 s and its events nothing but reads, 0.008 s per hundred; each key an update of 0.006 s.
WRITTEN = Counted("written", {}, 3_000, 0)


def batch(events: int, keys: int) -> Sealed:
    calls = {"s3:GetObject": 4, "dynamodb:BatchGetItem": events // 10, "dynamodb:UpdateItem": keys}
    sealed, published = (
        Counted("sealed", calls, events, 2 * events),
        Counted("published", {"kms:Sign": 1}, 0, 0),
    )
    return Sealed(events, keys, Counted("written", {}, 3 * events, 0), sealed, published, 100, 1_000)


def test_a_million_events_cost_their_units_requests_signatures_and_seconds() -> None:
    """In batches of 1,000: 4 write and 2 read units an event; 4 gets, a head and two lines a batch."""
    found = bill(batch(1_000, 1), cpu_seconds=0)
    assert found.dynamo == pytest.approx(4 * 0.625 + 2 * 0.125)
    assert found.s3 == pytest.approx(1_000 * 4 * 0.0004 / 1_000)
    assert found.kms == pytest.approx(3 * 1_000 * 0.15 / 10_000)
    waits = 0.1 + 0.8 + 0.006 + 3 * 0.012
    assert found.lambda_ == pytest.approx(1_000 * waits * 0.0000133334 + 0.0002)
    assert found.total == pytest.approx(found.dynamo + found.s3 + found.kms + found.lambda_)


def test_cpu_is_paid_by_the_function_s_share_of_a_core() -> None:
    more = bill(batch(1_000, 1), 0.001).lambda_ - bill(batch(1_000, 1), 0).lambda_
    assert more == pytest.approx(1_000 * 1_769 / 1_024 * 0.0000133334)


@pytest.mark.parametrize(("strands", "requests"), [(1, 1 + 1 + 2), (10, 1 + 1 + 4), (11, 2 + 1 + 4)])
def test_the_inbox_costs_a_request_per_ten_messages_to_send_to_receive_and_to_delete(
    strands: int, requests: int
) -> None:
    """One call holds ten messages; the wake-up of the super-log goes by itself and is handled with others."""
    assert inbox_dollars(1_000, strands) == pytest.approx(1_000 * requests * 0.50 / 1e6)


def test_calls_one_after_the_other_add_their_times_up() -> None:
    counted = Counted("", {"dynamodb:GetItem": 3, "s3:PutObject": 2}, 0, 0)
    assert seconds(counted) == pytest.approx(3 * 0.004 + 2 * 0.035)


def test_the_design_is_calibrated_to_the_batches_that_were_counted() -> None:
    """Two sizes tell what an event costs, two numbers of keys what a key costs; the rest is the batch's."""
    work = design([batch(10, 1), batch(1_000, 1), batch(1_000, 500)], cpu_seconds=0).seal
    assert [work.fixed, work.event, work.other] == pytest.approx([0.1, 0.0008, 0.006])


def test_a_table_has_as_many_shards_as_its_units_fill_and_never_fewer_than_a_new_one() -> None:
    assert load_of(6_900, units=3).shards == 30
    assert load_of(1, units=3).shards == 4
    assert load_of(64_000, units=3).keys == 6_400


def test_the_first_limit_is_the_fullest_that_no_request_moves() -> None:
    outcome = Outcome(1, 1, 0, 0.5, 0.5, 0.5, 1, 1, 1)
    found = Limited("", 1, outcome, outcome, (Use("a", 2, 1, asked=True), Use("b", 3, 4), Use("c", 1, 2)))
    assert found.first.resource == "b"


def test_a_strand_that_does_not_keep_up_is_asked_for_as_much_as_it_lacks() -> None:
    """It keeps up with 1,000 of 64,000 events a second, so it would need 64 times its time."""
    outcome = Outcome(1, 1, 0, 0.5, 1.0, 1.0, 640, 64, 64)
    path, load = design([batch(10, 1), batch(1_000, 1), batch(1_000, 500)], 0), load_of(64_000, 3)
    one = batch(1_000, 500)
    one.sealed.calls["s3:PutObject"] = 4
    found = {use.resource: use for use in uses(Limited("", 1_000, outcome, outcome, ()), load, path, one)}
    assert found["a strand's one sealer"].share == 64
    assert found["DynamoDB: the table of documents"].used == 192_000
    assert found["KMS: ML-DSA signatures"].used == 65
    assert found["KMS: ECC signatures"].used == 64 * 2 + 1
