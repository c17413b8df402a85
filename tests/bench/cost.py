"""The cost of a million events on AWS, from the row to the checkpoint, counted in real runs of the sealer.

Events are written by the product's writer and sealed and published by the product's sealer, both over moto
with the meter of `calls.py` at the SDK's hooks, in batches of 10, 100 and 1,000. Prices are list prices of
us-east-1 and assumptions like those of `table.py`. The comparison: Amazon QLDB, ended in 2025,
asked $0.70 per million write I/Os, of which one update of a document took 4 to 12.
"""

import os
from dataclasses import dataclass

import boto3

from carevouch.kernel.ids import Doc, Key, about, part
from carevouch.kernel.jsontext import render
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.note import Ed25519InMemory
from carevouch.store.documents import ActPlan, ActRequest, Draft, StoredAnswer, Writer
from carevouch.store.log.objects import S3Objects
from carevouch.store.log.rows import DynamoEvents, DynamoLedger
from services.sealer.inbox import MAX_ENTRIES, calls, pack, wake
from services.sealer.log import LogStores as LedgerWorld
from services.sealer.strand import Sealer
from tests import people
from tests.acts import perform
from tests.bench.calls import BUCKET, DOCUMENTS, LEDGER, Counted, metered, moto_world
from tests.bench.latency import LATENCY, LINES, SEALER_CPU, SEALER_GB, seconds
from tests.bench.table import READ_UNITS_MILLION, S3_GET_THOUSAND, S3_PUT_THOUSAND, WRITE_UNITS_MILLION
from tests.bench.times import present, quiet
from tests.world import World

# Batches: how many events, signed by how many keys: one busy environment, or a crowd.
BATCHES = ((10, 1), (100, 1), (1_000, 1), (1_000, 500))
MILLION = 1_000_000
# Signatures with an asymmetric KMS key: those that are counted, and the lines of a checkpoint.
KMS_SIGN_TEN_THOUSAND = 0.15
SQS_FIFO_MILLION = 0.50
# Lambda on arm64: per GB-second, and per million calls.
LAMBDA_GB_SECOND, LAMBDA_MILLION = 0.0000133334, 0.20
DYNAMO_GB_MONTH, S3_GB_MONTH = 0.25, 0.023
QLDB_WRITE_MILLION, QLDB_IOS_OF_UPDATE = 0.70, (4, 12)


@dataclass(frozen=True)
class Sealed:
    """One batch: what writing, sealing and publishing it used, and the bytes it left in tables and bucket."""

    events: int
    keys: int
    written: Counted
    sealed: Counted
    published: Counted
    table_bytes: int
    object_bytes: int

    @property
    def write_units(self) -> float:
        """Write units per event, the document's own included."""
        return (self.written.write + self.sealed.write + self.published.write) / self.events

    @property
    def read_units(self) -> float:
        """Read units of sealing and publishing per event."""
        return (self.sealed.read + self.published.read) / self.events

    def calls(self, name: str) -> float:
        """How many calls of this kind the sealer made for the batch and the checkpoint after it."""
        return float(self.sealed.calls.get(name, 0) + self.published.calls.get(name, 0))

    def per_thousand(self, name: str) -> float:
        """The same per 1,000 events."""
        return 1_000 * self.calls(name) / self.events


@dataclass(frozen=True)
class Bill:
    """US dollars per million events."""

    dynamo: float
    s3: float
    kms: float
    lambda_: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.dynamo + self.s3 + self.kms + self.lambda_


def cost() -> list[Sealed]:
    """Every kind of batch, in a log of its own each."""
    return [_sealed(events, keys) for events, keys in BATCHES]


def bill(one: Sealed, cpu_seconds: float) -> Bill:
    """The bill of a million events in such batches; `cpu_seconds` is what an event takes on one whole core.

    A function is paid while it waits: its seconds are those of its calls, one after the other, and its own.
    """
    batches = MILLION / one.events
    dynamo = one.write_units * WRITE_UNITS_MILLION + one.read_units * READ_UNITS_MILLION
    s3 = one.calls("s3:PutObject") * S3_PUT_THOUSAND + one.calls("s3:GetObject") * S3_GET_THOUSAND
    waiting = seconds(one.sealed) + seconds(one.published) + LINES * LATENCY["kms:Sign"]
    gb_seconds = (batches * waiting + MILLION * cpu_seconds / SEALER_CPU) * SEALER_GB
    return Bill(
        dynamo,
        batches * s3 / 1_000,
        batches * (one.calls("kms:Sign") + LINES) * KMS_SIGN_TEN_THOUSAND / 10_000,
        gb_seconds * LAMBDA_GB_SECOND + batches * LAMBDA_MILLION / MILLION,
    )


def inbox_dollars(events: int, strands: int) -> float:
    """The inbox's cost per million events, if a stream's batch of `events` goes to this many strands.

    Requests to send, to receive and to delete, the last two by Lambda's poller in tens; one super-log wake-up
    a batch.
    """
    keys = [Key(f"P#{'a' * 26}", f"Observation#{'a' * 26}.{at:026d}#v#0000000001") for at in range(events)]
    messages = pack({strand: keys[strand::strands] for strand in range(min(strands, events))}, "salt")
    sends = len(list(calls(messages))) + len(list(calls([wake("2026-11-25T20:00:00.000Z")])))
    handled = 2 * -(-(len(messages) + 1) // MAX_ENTRIES)
    return MILLION / events * (sends + handled) * SQS_FIFO_MILLION / MILLION


def _sealed(events: int, keys: int) -> Sealed:
    with quiet(), metered() as meter:
        world = present(moto_world())
        sealer = _sealer(world)
        first, writers = _patient(world), [world.writer("records") for _ in range(keys)]
        # A log that has entries already, all keys known to it: neither genesis nor certificates are counted.
        sealer.seal([_act(writer, first) for writer in writers])
        sealer.publish()
        meter.reset()
        rows = [_act(writers[at % keys], first) for at in range(events)]
        written = meter.counted("written")
        meter.reset()
        before = sum(meter.sizes.known.values())
        done = sealer.seal(rows)
        assert done.events == events, done
        sealed, objects = meter.counted("sealed"), meter.stored
        meter.reset()
        sealer.publish()
        stored = sum(meter.sizes.known.values()) - before
        published = meter.counted("published")
        return Sealed(events, keys, written, sealed, published, stored, objects + meter.stored)


def _sealer(world: World) -> Sealer:
    dynamo = boto3.client("dynamodb")
    ledger, events = DynamoLedger(dynamo, LEDGER), DynamoEvents(dynamo, DOCUMENTS)
    outside = LedgerWorld(ledger, ledger, S3Objects(boto3.client("s3"), BUCKET), events, ledger, world.clock)
    log = LogSigner(Ed25519InMemory(world.log.private_bytes_raw()))
    return Sealer(0, world.genesis, outside, seal=world.seal, log=log)


def _patient(world: World) -> str:
    patient = part(os.urandom(16))
    world.reader.keys.create(patient)
    return patient


def _act(writer: Writer, patient: str) -> Key:
    doc = Doc("Observation", about(patient, part(os.urandom(16))))
    plan = ActPlan(
        "records.stored", (Draft(doc, render(people.observation(patient))),), StoredAnswer(201), (patient,)
    )
    perform(writer, ActRequest("Organization/of-the-bench", None, b""), lambda _: doc, lambda _: plan)
    return doc.key(1)
