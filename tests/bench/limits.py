"""Where the first limit of 64 strands at 64,000 events a second lies: the simulation, calibrated.

A batch's calls to AWS are counted (`cost.py`), and our own code's time is measured in this run. The time
of each call (`latency.py`) and the quotas of an account, which are AWS's published defaults, are
assumptions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from tests.bench.cost import Sealed
from tests.bench.latency import CALL_SECONDS, LATENCY, LINES, SEALER_CPU, seconds
from tests.bench.strands import Design, Load, Outcome, Work, distinct, highest, simulate

STRANDS, RATE, SECONDS, SEED = 64, 64_000, 10.0, 64
# The search for the highest rate that a design keeps up with: how long it looks, from where, and the share of
# its time that a server works which has more than it can do. Waits are told at a rate somewhat below.
SEARCH_SECONDS, LOWEST, OVERLOAD, BELOW = 8.0, 500, 0.99, 0.8
# Keys in a BatchGetItem, messages in a SendMessageBatch.
BATCH_GET, BATCH_SEND = 100, 10
# How full a partition of documents is kept, for people are not asked for evenly.
FILL = 0.7
# How long an act holds the key that signs it, and with it one environment of a door.
ACT_SECONDS = 0.1
# Per second, and raised by nobody: units of a partition, of a new table, puts under a prefix of S3, calls of
# a group of SQS FIFO, records of a shard of Kinesis.
PARTITION_UNITS, NEW_TABLE_UNITS, PREFIX_PUTS, GROUP_CALLS, SHARD_RECORDS = 1_000, 4_000, 3_500, 300, 1_000
# An account's defaults, which AWS raises when asked: units of a table, signatures, calls at once, and calls
# of a FIFO queue in Frankfurt (70,000 in Ireland).
TABLE_UNITS, KMS_ECC, KMS_MLDSA, CONCURRENCY, FIFO_CALLS = 40_000, 1_000, 1_000, 1_000, 19_000
# What the designs that are not deployed would do: keys in one call, calls side by side.
SHARD_BATCH, SIDE_BY_SIDE = 10_000, 4


@dataclass(frozen=True)
class Use:
    """How much of a resource is used, of how much; `asked` if AWS gives more when asked."""

    resource: str
    used: float
    limit: float
    asked: bool = False

    @property
    def share(self) -> float:
        """1 is all of it."""
        return self.used / self.limit


@dataclass(frozen=True)
class Found:
    """One design: up to which rate it keeps up, what it does just below that and at the full rate."""

    name: str
    keeps_up: float
    below: Outcome
    full: Outcome
    uses: tuple[Use, ...]

    @property
    def first(self) -> Use:
        """The limit that is met first, of those that no request to AWS moves."""
        return max((use for use in self.uses if not use.asked), key=lambda use: use.share)


def limits(sealed: Sequence[Sealed], cpu_seconds: float) -> list[Found]:
    """The design that is deployed, and what it could become step by step, each on top of the one before."""
    deployed = design(sealed, cpu_seconds)
    work, cpu = deployed.seal, cpu_seconds / SEALER_CPU
    shared = replace(deployed, seal=Work(work.fixed, work.event))
    ordered = replace(shared, messages=SHARD_BATCH)
    wide = replace(ordered, seal=Work(work.fixed, cpu + (work.event - cpu) / SIDE_BY_SIDE))
    designs = {
        "A: as deployed": deployed,
        "B: certificates remembered, cursors left to the sweep": shared,
        "C: B, and a Kinesis shard a strand": ordered,
        f"D: C, and {SIDE_BY_SIDE} calls of a batch side by side": wide,
    }
    return [_found(name, one, sealed) for name, one in designs.items()]


def design(sealed: Sequence[Sealed], cpu_seconds: float) -> Design:
    """The deployed path; `cpu_seconds` is what sealing one event takes on one whole core."""
    by = {(one.events, one.keys): one for one in sealed}
    small, large = by[10, 1], by[1_000, 1]
    crowd = max(sealed, key=lambda one: one.keys)
    key = (seconds(crowd.sealed) - seconds(large.sealed)) / (crowd.keys - 1)
    event = (seconds(large.sealed) - seconds(small.sealed)) / (large.events - small.events)
    fixed = seconds(small.sealed) - small.events * event - key
    cpu = cpu_seconds / SEALER_CPU
    send, get = LATENCY["sqs:SendMessageBatch"], LATENCY["dynamodb:BatchGetItem"]
    return Design(
        forward=Work(CALL_SECONDS, get / BATCH_GET + cpu / 2, send / BATCH_SEND),
        seal=Work(fixed, event + cpu, key),
        publish=seconds(large.published) + LINES * LATENCY["kms:Sign"] + send,
        call=CALL_SECONDS,
    )


def load_of(rate: float, units: float) -> Load:
    """The rate over as many shards as the table needs partitions, signed by as many keys as it keeps busy."""
    shards = ceil(max(rate * units / FILL, NEW_TABLE_UNITS) / PARTITION_UNITS)
    return Load(rate, shards, STRANDS, max(1, round(rate * ACT_SECONDS)))


def uses(found: "Found", load: Load, path: Design, sealed: Sealed) -> tuple[Use, ...]:
    """The use of each resource at the full rate, per second or at once."""
    outcome, units = found.full, sealed.written.write / sealed.events
    seals = max(outcome.seals, outcome.messages / path.messages)
    cursors = seals * distinct(round(load.rate / seals), load.keys) if path.seal.other else 0.0
    sealing, publishing = sealed.sealed.calls, sealed.published.calls
    puts = seals * sealing["s3:PutObject"] + outcome.checkpoints * publishing.get("s3:PutObject", 0)
    # Of a checkpoint the Ed25519 line and the signed head in COSE; the super-log has no such head.
    heads = outcome.checkpoints * (1 + publishing.get("kms:Sign", 0)) + 1
    # A strand that does not keep up works all the time, and would need that many times as much.
    works = max(outcome.strand_works, load.rate / found.keeps_up if found.keeps_up < load.rate else 0.0)
    held = load.strands * max(outcome.strand_held, works)
    records = outcome.messages / load.strands
    per_strand = GROUP_CALLS if path.messages < SHARD_BATCH else SHARD_RECORDS
    return (
        Use("a strand's one sealer", works, 1),
        Use("a shard's one forwarder", outcome.shard_busy, 1),
        Use("DynamoDB: a partition of documents", load.rate * units / load.shards, PARTITION_UNITS),
        Use("inbox: sent to one strand", records, per_strand),
        Use("S3: puts under a strand's prefix", puts / load.strands, PREFIX_PUTS),
        Use("KMS: ECC signatures", seals * sealing.get("kms:Sign", 0) + heads, KMS_ECC, asked=True),
        Use("KMS: ML-DSA signatures", outcome.checkpoints + 1, KMS_MLDSA, asked=True),
        Use("DynamoDB: the table of documents", load.rate * units, TABLE_UNITS, asked=True),
        Use("DynamoDB: the ledger's table", load.rate + cursors, TABLE_UNITS, asked=True),
        Use("inbox: calls that send", outcome.messages / BATCH_SEND, FIFO_CALLS, asked=True),
        Use(
            "Lambda: forwarders and sealers", outcome.shard_busy * load.shards + held, CONCURRENCY, asked=True
        ),
        Use("Lambda: doors", load.rate * ACT_SECONDS, CONCURRENCY, asked=True),
    )


def _found(name: str, path: Design, sealed: Sequence[Sealed]) -> Found:
    large = max(sealed, key=lambda one: (one.events, one.keys))
    units = large.written.write / large.events

    def run(rate: float, seconds: float) -> Outcome:
        return simulate(load_of(rate, units), path, seconds, SEED)

    def keeps_up(rate: float) -> bool:
        outcome = run(rate, SEARCH_SECONDS)
        return max(outcome.strand_works, outcome.shard_busy) < OVERLOAD

    limit = highest(keeps_up, LOWEST, RATE)
    found = Found(name, limit, run(BELOW * limit, SECONDS), run(RATE, SECONDS), ())
    return replace(found, uses=uses(found, load_of(RATE, units), path, large))
