"""A simulation of many strands at many events a second: how long events wait, and which limit comes first.

It follows the deployed path and nothing else: a stream shard collects records for a window and forwards them,
one call at a time; each strand's group of the inbox is served by one call at a time, which takes up to ten
messages, seals them, and publishes at most once a second (`services/sealer/invocation.py`, `pace.py`). Shards
do not wait for each other and neither do strands, so each is a queue of its own with one server.

Pure and seeded: service times come in (`limits.py` says from where), the same seed gives the same figures.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.bench.publication import quantile

Times = Sequence[float]


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of a call: for itself, for each event, and for each key that signed or message that is sent."""

    fixed: float
    event: float = 0.0
    other: float = 0.0

    def seconds(self, events: int, others: float = 0.0) -> float:
        """The time that so many take together."""
        return self.fixed + events * self.event + others * self.other


@dataclass(frozen=True, slots=True)
class Design:
    """How the path is built: its work, seconds of the window and between checkpoints, sizes of the batches.

    `call` is what it takes until a call of a strand begins. Of messages a call takes at least two.
    """

    forward: Work
    seal: Work
    publish: float
    call: float = 0.0
    window: float = 1.0
    records: int = 1_000
    messages: int = 10
    pace: float = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """Events a second, and over how many shards, strands and signing keys they are spread."""

    rate: float
    shards: int
    strands: int
    keys: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a strand's group: when it came, and when each of its events was accepted."""

    at: float
    accepted: tuple[float, ...] = ()


@dataclass(slots=True)
class Served:
    """The result of a queue: waits of published events, times of sealed ones, seconds of calls, and
    counts.

    `worked` are seconds in the second half of the run that were neither idle nor spent on waiting.
    """

    waits: list[float] = field(default_factory=list)
    sealed: list[float] = field(default_factory=list)
    busy: float = 0.0
    worked: float = 0.0
    calls: int = 0
    checkpoints: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Waits in seconds, shares of time, and rates per second; `growth` is that of the unsealed events.

    A shard is busy and a strand works for such a share of its time; for `strand_held` a call holds it, which
    may only wait for the strand's second.
    """

    p50: float
    p99: float
    growth: float
    shard_busy: float
    strand_works: float
    strand_held: float
    messages: float
    seals: float
    checkpoints: float


def simulate(load: Load, design: Design, seconds: float, seed: int) -> Outcome:
    """Run the path for so many seconds; what is not published by then has no wait."""
    random = Random(seed)  # noqa: S311 - no secret hangs on it
    groups: list[list[Message]] = [[] for _ in range(load.strands)]
    busy = 0.0
    for _ in range(load.shards):
        # Shards do not begin their windows together.
        begin, accepted = random.random() * design.window, arrivals(load.rate / load.shards, seconds, random)
        used, batches = forwarded(list(accepted), design, load, begin)
        busy += used
        for at, batch in batches:
            for strand, mine in _spread(batch, load.strands, random).items():
                groups[strand].append(Message(at, tuple(mine)))
    served = [serve(sorted(group, key=lambda one: one.at), design, load, seconds) for group in groups]
    waits = [wait for one in served for wait in one.waits]
    return Outcome(
        quantile(waits, 0.5) if waits else float("inf"),
        quantile(waits, 0.99) if waits else float("inf"),
        load.rate - sum(sealing_rate(one.sealed, seconds) for one in served),
        busy / (load.shards * seconds),
        sum(one.worked for one in served) / (load.strands * seconds / 2),
        sum(one.busy for one in served) / (load.strands * seconds),
        sum(map(len, groups)) / seconds,
        sum(one.calls for one in served) / seconds,
        sum(one.checkpoints for one in served) / seconds,
    )


def arrivals(rate: float, seconds: float, random: Random) -> Iterator[float]:
    """The instants of a Poisson process."""
    at = random.expovariate(rate)
    while at < seconds:
        yield at
        at += random.expovariate(rate)


def forwarded(
    accepted: Times, design: Design, load: Load, free: float = 0.0
) -> tuple[float, list[tuple[float, Times]]]:
    """A shard that is `free` from then on: seconds of its calls, and its batches, each with when it was sent.

    One call at a time; a batch is closed by its window or by its size.
    """
    batches: list[tuple[float, Times]] = []
    begin, busy = 0, 0.0
    while begin < len(accepted):
        opened = max(free, accepted[begin])
        end = begin
        while (
            end < len(accepted) and end - begin < design.records and accepted[end] <= opened + design.window
        ):
            end += 1
        full = end - begin == design.records
        closed = max(opened, accepted[end - 1]) if full else opened + design.window
        batch = accepted[begin:end]
        used = design.forward.seconds(len(batch), min(load.strands, len(batch)))
        free, begin, busy = closed + used, end, busy + used
        batches.append((free, batch))
    return busy, batches


def serve(messages: Sequence[Message], design: Design, load: Load, seconds: float) -> Served:
    """A strand: its messages, in their order, sealed by one call at a time until time is over."""
    served, queue = Served(), deque(messages)
    now, last, unpublished = 0.0, -design.pace, list[float]()
    while queue:
        now = max(now, queue[0].at)
        if now >= seconds:
            break
        began, taken = now, _taken(queue, design.messages, now)
        now += design.call
        events = [at for message in taken for at in message.accepted]
        if events:
            now += design.seal.seconds(len(events), distinct(len(events), load.keys))
            served.sealed += [now] * len(events)
            served.calls += 1
            unpublished += events
        served.worked += _overlap(began, now, seconds)
        left = last + design.pace - now
        if left > 0 and len(taken) == design.messages:
            # More is behind it, or this message, which only lets the strand publish, is the last.
            queue.append(Message(now))
        else:
            now += max(0.0, left)
            served.worked += _overlap(now, now + design.publish, seconds)
            now = last = now + design.publish
            served.checkpoints += 1
            served.waits += [now - at for at in unpublished if now <= seconds]
            unpublished = []
        served.busy += min(now, seconds) - began
    return served


def sealing_rate(sealed: Times, seconds: float) -> float:
    """Events a second, from one batch to a later one, both in the second half of the run."""
    late = [at for at in sealed if at > seconds / 2]
    if not late or late[-1] == late[0]:
        return 0.0
    return sum(at > late[0] for at in late) / (late[-1] - late[0])


def distinct(events: int, keys: int) -> float:
    """How many of so many keys sign at least one of the events, if each event is by any of them alike."""
    return keys * (1 - (1 - 1 / keys) ** events)


def highest(good: Callable[[float], bool], low: float, high: float, steps: int = 7) -> float:
    """The highest rate that is still good, by halving; `low` is good, `high` perhaps not."""
    if good(high):
        return high
    for _ in range(steps):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def _overlap(begin: float, end: float, seconds: float) -> float:
    """How much of it lies in the second half of the run."""
    return max(0.0, min(end, seconds) - max(begin, seconds / 2))


def _taken(queue: deque[Message], limit: int, now: float) -> list[Message]:
    taken: list[Message] = []
    while queue and len(taken) < limit and queue[0].at <= now:
        taken.append(queue.popleft())
    return taken


def _spread(batch: Times, strands: int, random: Random) -> dict[int, list[float]]:
    """Each event into the strand that its id chooses, which is any of them alike."""
    found: dict[int, list[float]] = {}
    for at in batch:
        found.setdefault(int(random.random() * strands), []).append(at)
    return found
