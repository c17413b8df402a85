"""The simulation on cases that can be solved with a pencil."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.strands import (
    Design,
    Load,
    Message,
    Work,
    arrivals,
    distinct,
    forwarded,
    highest,
    sealing_rate,
    serve,
    simulate,
)

ONE = Load(rate=10, shards=1, strands=1, keys=1)
# A call of 0.5 s forwards, a batch takes 0.1 s and 0.01 s an event, a checkpoint 0.2 s.
DESIGN = Design(Work(0.5), Work(0.1, 0.01), publish=0.2)


def test_work_adds_up() -> None:
    assert Work(1.0, 0.1, 0.01).seconds(5, 20) == pytest.approx(1.7)


def test_a_window_closes_a_batch_and_the_next_waits_for_the_call() -> None:
    """Accepted at 0.0, 0.4 and 1.2: the window of the first closes at 1.0; its call ends at 1.5."""
    busy, batches = forwarded([0.0, 0.4, 1.2], DESIGN, ONE)
    assert batches == [(1.5, [0.0, 0.4]), (3.0, [1.2])]
    assert busy == pytest.approx(1.0)


def test_a_full_batch_goes_at_once() -> None:
    design = Design(Work(0.5), Work(0), publish=0, records=2)
    _, batches = forwarded([0.0, 0.4, 0.6], design, ONE)
    assert batches == [(0.9, [0.0, 0.4]), (2.4, [0.6])]


def test_a_lone_message_is_sealed_and_published_at_once() -> None:
    """It comes at 2; 10 events take 0.2 s, the checkpoint 0.2 s: what was accepted at 1 waited 1.4 s."""
    served = serve([Message(2.0, (1.0,) * 10)], DESIGN, ONE, 100)
    assert served.waits == pytest.approx([1.4] * 10)
    assert served.sealed == pytest.approx([2.2] * 10)
    assert served.busy == pytest.approx(0.4)
    assert (served.calls, served.checkpoints) == (1, 1)


def test_a_second_message_waits_for_its_strand_s_second() -> None:
    """The first is published at 0.31. The second, sealed at 0.42, is published at 1.31 + 0.2."""
    served = serve([Message(0.0, (0.0,)), Message(0.1, (0.1,))], DESIGN, ONE, 100)
    assert served.waits == pytest.approx([0.31, 1.41])
    assert served.busy == pytest.approx(0.31 + 1.2)


def test_only_work_of_the_second_half_counts_and_waiting_is_none() -> None:
    """As before. In a run of 1 s it waits from 0.42 on; in one of 2 s it signs the last checkpoint."""
    messages = [Message(0.0, (0.0,)), Message(0.1, (0.1,))]
    assert serve(messages, DESIGN, ONE, 1).worked == pytest.approx(0)
    assert serve(messages, DESIGN, ONE, 2).worked == pytest.approx(0.2)


def test_a_full_call_leaves_publishing_to_the_message_behind_it() -> None:
    """Published at 0.31 after the first; the two behind, sealed at 0.43, are a full call within that second.

    So a message goes behind them, which waits until 1.31 and publishes at 1.51.
    """
    design = Design(Work(0.5), Work(0.1, 0.01), publish=0.2, messages=2)
    served = serve([Message(at, (at,)) for at in (0.0, 0.1, 0.2)], design, ONE, 100)
    assert served.waits == pytest.approx([0.31, 1.41, 1.31])
    assert (served.calls, served.checkpoints) == (2, 2)


def test_a_call_takes_its_time_to_begin() -> None:
    served = serve([Message(2.0, (1.0,))], Design(Work(0), Work(0.1), publish=0.2, call=0.05), ONE, 100)
    assert served.waits == pytest.approx([1.35])


def test_what_is_published_after_the_end_has_no_wait() -> None:
    assert serve([Message(2.0, (1.0,))], DESIGN, ONE, 2.1).waits == []
    assert serve([Message(2.0, (1.0,))], DESIGN, ONE, 2.0).calls == 0


@pytest.mark.parametrize(
    ("sealed", "rate"),
    [([0.5, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0], 2.0), ([0.5, 1.0], 0.0), ([2.0, 2.0], 0.0), ([], 0.0)],
)
def test_the_rate_of_sealing_is_told_from_batch_to_batch(sealed: list[float], rate: float) -> None:
    assert sealing_rate(sealed, 3) == rate


@pytest.mark.parametrize(("events", "keys", "found"), [(1, 7, 1.0), (5, 1, 1.0), (2, 2, 1.5), (0, 3, 0.0)])
def test_distinct_keys_are_those_of_a_fair_draw(events: int, keys: int, found: float) -> None:
    assert distinct(events, keys) == pytest.approx(found)


def test_the_highest_good_rate_is_found_and_a_rate_that_is_never_bad_is_the_end() -> None:
    assert highest(lambda rate: rate <= 100, 1, 10_000, 20) == pytest.approx(100, rel=0.01)
    assert highest(lambda rate: True, 1, 64_000) == 64_000


def test_below_its_limit_a_queue_does_not_grow_and_above_it_grows_by_the_difference() -> None:
    """A strand without publishing that takes 10 ms an event seals 100 a second, whatever is offered."""
    design = Design(Work(0), Work(0, 0.01), publish=0, window=0.1, pace=0)
    below = simulate(Load(50, 2, 1, 1), design, 60, seed=1)
    above = simulate(Load(200, 2, 1, 1), design, 60, seed=1)
    assert below.growth == pytest.approx(0, abs=3)
    assert below.strand_works == pytest.approx(0.5, abs=0.05)
    assert above.growth == pytest.approx(100, rel=0.02)
    assert above.strand_works == pytest.approx(1, abs=0.001)


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    load = Load(100, 2, 4, 10)
    assert simulate(load, DESIGN, 5, 7) == simulate(load, DESIGN, 5, 7) != simulate(load, DESIGN, 5, 8)


@given(st.integers(0, 2**32), st.floats(1, 200), st.floats(0.01, 2), st.integers(1, 50))
def test_a_shard_forwards_each_record_once_in_order_and_never_before_it_came(
    seed: int, rate: float, window: float, records: int
) -> None:
    accepted = list(arrivals(rate, 3, Random(seed)))  # noqa: S311
    design = Design(Work(0.05, 0.001), Work(0), publish=0, window=window, records=records)
    _, batches = forwarded(accepted, design, ONE)
    assert [at for _, batch in batches for at in batch] == accepted
    assert all(0 < len(batch) <= records and batch[-1] <= sent for sent, batch in batches)
    assert all(one <= other for (one, _), (other, _) in pairwise(batches))


@given(st.integers(0, 2**32), st.integers(2, 12))
def test_a_strand_publishes_each_event_once_and_never_twice_within_its_pace(seed: int, messages: int) -> None:
    random = Random(seed)  # noqa: S311
    sent = sorted(random.uniform(0, 5) for _ in range(20))
    queue = [Message(at, (at,) * random.randrange(1, 4)) for at in sent]
    design = Design(Work(0), Work(0.02, 0.01), publish=0.05, messages=messages)
    served = serve(queue, design, ONE, 1_000)
    assert len(served.waits) == len(served.sealed) == sum(len(message.accepted) for message in queue)
    assert min(served.waits) > 0
    assert served.checkpoints <= max(served.sealed) + 2
