"""Signed acts made ahead, to be written into a deployed documents table as fast as it takes them.

The rows are what the records function writes: the product's writer signs each event with a key in memory that
the deployment's own KMS root certified, and the certificate's row comes first. Only the person is nobody's:
the key that encrypts these bodies stays here, so nothing of them can ever be read.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from carevouch.events.envelope import Event, parse_event
from carevouch.events.genesis import Genesis
from carevouch.kernel.ids import Doc, about, part
from carevouch.kernel.jsontext import render
from carevouch.store.documents import ActPlan, ActRequest, Draft, Reader, StoredAnswer, Writer
from carevouch.store.dynamo import DynamoRows, document_model, key_model
from carevouch.store.keys import KeyRing, Session
from carevouch.store.kms import KmsSigner
from carevouch.store.rows import Row
from carevouch.store.settings import genesis_source, system_clock
from infra.stack import STACK, Cloud
from tests.acts import perform
from tests.fakes import MemoryKeyRows, MemoryRows, MemoryWrapper
from tests.people import observation

SERVICE = "records"
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Backlog:
    """Acts in the order in which they were signed: a row and its event each, after the key's certificate."""

    genesis: Genesis
    certificate: Row
    rows: tuple[Row, ...]
    events: tuple[Event, ...]


@contextmanager
def reached(cloud: Cloud) -> Iterator[None]:
    """Within, this process's own AWS clients talk to `cloud`."""
    before = dict(os.environ)
    os.environ.update(cloud.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def backlog(cloud: Cloud, count: int) -> Backlog:
    """`count` acts of one fresh environment of the records function; to be called within `reached`."""
    root = KmsSigner(cloud.client("kms"), cloud.resource("RecordsRootKey"))
    source = genesis_source(cloud.ledger_bucket, cloud.region, SERVICE, root)
    key_rows = MemoryKeyRows()
    rows = MemoryRows(key_rows)
    reader = Reader(rows, KeyRing(key_rows, MemoryWrapper(), os.urandom), source, STACK)
    writer = Writer(reader, Session(SERVICE, root, rows, source, system_clock), os.urandom)
    patient = part(os.urandom(ID_BYTES))
    reader.keys.create(patient)
    events = tuple(_act(writer, patient) for _ in range(count))
    certificate, *acts = rows.rows.values()
    return Backlog(source(), certificate, tuple(acts), events)


def table(cloud: Cloud) -> DynamoRows:
    """The cloud's documents table as the functions see it; to be called within `reached`."""
    models = document_model(cloud.documents_table, cloud.region), key_model(cloud.keys_table, cloud.region)
    return DynamoRows(*models, cloud.region)


def write(rows: DynamoRows, acts: Backlog) -> None:
    """Write all of it: the certificate before anything that its key signed."""
    rows.put_new(acts.certificate)
    rows.stage(acts.rows)


def _act(writer: Writer, patient: str) -> Event:
    doc = Doc("Observation", about(patient, part(os.urandom(ID_BYTES))))
    plan = ActPlan(
        "records.stored", (Draft(doc, render(observation(patient))),), StoredAnswer(201), (patient,)
    )
    done = perform(writer, ActRequest("Organization/of-the-test", None, b""), lambda _: doc, lambda _: plan)
    return parse_event(done.event)
