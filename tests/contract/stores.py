"""The three stores that keep one contract, and the few acts that its tests are made of.

The fake, moto and the local cloud each give a `Rows` and a `KeyRows`. Tables of our own are made on moto
and on the local cloud; tests share the latter and so draw their people at random.
"""

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from carevouch.kernel.ids import Doc, Key, about, parse_reference, part
from carevouch.store.documents import (
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    StoredAnswer,
    StoredRevision,
    Writer,
)
from carevouch.store.dynamo import DynamoKeyRows, DynamoRows, document_model, key_model
from carevouch.store.rows import KeyRows, Row, Rows
from tests.acts import perform
from tests.fakes import MemoryKeyRows, MemoryRows
from tests.world import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION = "eu-central-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    # Else botocore puts the account into the host name, which neither moto nor the local cloud answers.
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
}
MEMORY, MOTO = "memory", "moto"
LOCAL_CLOUD = pytest.param("local cloud", marks=pytest.mark.local_cloud)
STORES = [MEMORY, MOTO, LOCAL_CLOUD]
# moto's conditional puts are not atomic across threads.
STORES_FOR_RACES = [MEMORY, LOCAL_CLOUD]


@dataclass(frozen=True)
class Store:
    """One implementation of the two seams."""

    rows: Rows
    key_rows: KeyRows

    def world(self) -> World:
        """A world with new keys over this store."""
        return World(self.rows, self.key_rows)


def open_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The store that the fixture's parameter names."""
    if request.param == MEMORY:
        key_rows = MemoryKeyRows()
        yield Store(MemoryRows(key_rows), key_rows)
        return
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    if request.param == MOTO:
        with mock_aws():
            _create_tables(MOTO)
            yield _dynamo(MOTO)
        return
    patch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("cloud").endpoint_url)
    _create_once(request.param)
    yield _dynamo(request.param)


# A botocore session takes longer to load than most tests to run: each kind of store has one for all tests.
@cache
def _dynamo(kind: str) -> Store:
    documents, keys = _tables(kind)
    models = document_model(documents, REGION), key_model(keys, REGION)
    return Store(DynamoRows(*models, REGION), DynamoKeyRows(models[1]))


@cache
def _client(_kind: str) -> "DynamoDBClient":
    return boto3.client("dynamodb", region_name=REGION)


@cache
def _tables(_kind: str) -> tuple[str, str]:
    suffix = secrets.token_hex(6)
    return f"contract-documents-{suffix}", f"contract-keys-{suffix}"


def _create_tables(kind: str) -> None:
    for table, names in zip(_tables(kind), (("pk", "sk"), ("pk",)), strict=True):
        _client(kind).create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind_of_key}  # type: ignore[typeddict-item]
                for name, kind_of_key in zip(names, ("HASH", "RANGE"), strict=False)
            ],
        )


_create_once = cache(_create_tables)


class Hooked:
    """Rows with something happening just before or after the n-th call of a verb, by a rival's hand."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._calls: Counter[str] = Counter()
        self._hooks: dict[tuple[str, str, int], Callable[[], object]] = {}

    def before(self, verb: str, hook: Callable[[], object], nth: int = 1) -> None:
        """Do `hook` before the `nth` call of `verb`."""
        self._hooks["before", verb, nth] = hook

    def after(self, verb: str, hook: Callable[[], object], nth: int = 1) -> None:
        """Do `hook` after the `nth` call of `verb`."""
        self._hooks["after", verb, nth] = hook

    @contextmanager
    def _around(self, verb: str) -> Iterator[None]:
        self._calls[verb] += 1
        call = self._calls[verb]
        self._hooks.get(("before", verb, call), lambda: None)()
        yield
        self._hooks.get(("after", verb, call), lambda: None)()

    def get(self, key: Key) -> Row | None:
        with self._around("get"):
            return self.rows.get(key)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Row]:
        with self._around("get_many"):
            return self.rows.get_many(keys)

    def query(
        self, pk: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        with self._around("query"):
            return self.rows.query(pk, prefix, newest_first=newest_first, limit=limit)

    def put_new(self, row: Row) -> None:
        with self._around("put_new"):
            self.rows.put_new(row)

    def stage(self, rows: Sequence[Row]) -> None:
        with self._around("stage"):
            self.rows.stage(rows)

    def transact(self, rows: Sequence[Row], *, alive: Sequence[str] = ()) -> None:
        with self._around("transact"):
            self.rows.transact(rows, alive=alive)

    def delete(self, key: Key) -> None:
        with self._around("delete"):
            self.rows.delete(key)


def random_part() -> str:
    """The random part of an id."""
    return part(os.urandom(16))


def new_person(world: World) -> str:
    """The id of a person who has a key and no documents yet."""
    patient = random_part()
    world.reader.keys.create(patient)
    return patient


def request(
    key: str | None = None, content: bytes = b"POST /fhir\n{}", caller: str = "d.caller"
) -> ActRequest:
    """A caller's request."""
    return ActRequest(caller, key, content)


def store_observations(
    world: World,
    patient: str,
    count: int = 1,
    *,
    asked: ActRequest | None = None,
    staged: bool = False,
    body: bytes = b"{}",
    writer: Writer | None = None,
    **options: Any,
) -> CommittedAct:
    """Append `count` new Observations about `patient` in one act of the records service."""

    def first(naming: ActNames) -> Doc:
        return Doc("Observation", about(patient, naming.part(0)))

    def build(naming: ActNames) -> ActPlan:
        docs = [Doc("Observation", about(patient, naming.part(index))) for index in range(count)]
        drafts = tuple(Draft(doc, body) for doc in docs)
        answer = StoredAnswer(201, tuple(map(str, docs)))
        return ActPlan("records.stored", drafts, answer, (patient,), staged=staged, **options)

    return perform((writer or world.writer("records")), asked or request(), first, build)


def register(world: World, blind: str, asked: ActRequest) -> CommittedAct:
    """Register a person under an identifier, or note an enrolment if the identifier leads to one already."""

    def existing() -> str | None:
        row = world.rows.get(Key(blind, "id"))
        return parse_reference(row.text("doc") or "").id if row else None

    def first(naming: ActNames) -> Doc:
        known = existing()
        if known is None or known == naming.part(0):
            return Doc("Patient", naming.part(0))
        return Doc("Enrolment", about(known, naming.part(1)))

    def build(naming: ActNames) -> ActPlan:
        doc = first(naming)
        if doc.type == "Enrolment":
            patient = doc.subject or ""
            return ActPlan(
                "patient.enrolled", (Draft(doc, b"{}"),), StoredAnswer(200, (patient,)), (patient,)
            )
        world.reader.keys.create(doc.id)
        drafts = (Draft(doc, b"{}"),)
        answer = StoredAnswer(201, (doc.id,))
        return ActPlan("patient.registered", drafts, answer, (doc.id,), identifiers=((blind, doc),))

    return perform(world.writer("identity"), asked, first, build)


def update(
    world: World,
    current: StoredRevision,
    body: bytes,
    *,
    asked: ActRequest | None = None,
    service: str = "records",
) -> CommittedAct:
    """Append the next version of a document."""
    plan = ActPlan(
        "record.updated", (Draft(current.doc, body, current),), StoredAnswer(200), _subjects(current.doc)
    )
    return perform(world.writer(service), asked or request(), lambda _: current.doc, lambda _: plan)


def _subjects(doc: Doc) -> tuple[str, ...]:
    return (doc.subject,) if doc.subject else ()


def only(world: World, patient: str) -> StoredRevision:
    """The one document about the person."""
    [stored] = world.reader.person(patient).latest()
    return stored


def seen_through(world: World, rows: Hooked) -> World:
    """The same world over other rows."""
    keys = (world.roots, world.operator, world.seal, world.log)
    return World(rows, world.key_rows, world.wrapper, world.clock, *keys)


def hooked(world: World) -> tuple[World, Hooked]:
    """The same world seen through rows in whose calls something happens."""
    hooks = Hooked(world.rows)
    return seen_through(world, hooks), hooks


def visible(world: World, patient: str) -> int:
    return len(world.reader.person(patient).latest())


def late_commit(world: World, meanwhile: Callable[[Callable[[], None]], None]) -> World:
    """The same world, where `meanwhile` runs in the place of a transaction and is handed the transaction."""

    class Late(Hooked):
        def transact(self, rows: Sequence[Row], *, alive: Sequence[str] = ()) -> None:
            meanwhile(lambda: self.rows.transact(rows, alive=alive))

    return seen_through(world, Late(world.rows))


def before_the_transaction(world: World, rival: Callable[[], object]) -> World:
    other, hooks = hooked(world)
    hooks.before("transact", rival)
    return other
