"""Every promise of the log's ports, kept alike by the fakes, by moto, and by the local cloud."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto import mock_aws

from carevouch.kernel.ids import Key
from carevouch.kernel.jws import take_apart
from carevouch.ledger.merkle import leaf_hash
from carevouch.sealing.marks import Head, Mark
from carevouch.store.documents.model import SignedAct, event_attributes
from carevouch.store.log import items
from carevouch.store.log.marks import DynamoMarks
from carevouch.store.log.objects import S3Objects
from carevouch.store.log.ports import (
    Events,
    HeadMoved,
    Heads,
    Marks,
    Notes,
    ObjectDiffers,
    ObjectMoved,
    Objects,
    Retry,
)
from carevouch.store.log.rows import DynamoEvents, DynamoLedger
from carevouch.verifier.strand import audit_strand
from services.sealer.log import LogStores
from services.sealer.strand import Sealer
from services.sealer.sweep import Sweep
from tests.aws import client
from tests.contract.stores import ENVIRONMENT
from tests.fakes import Faults
from tests.service.sealer.fakes import MemoryHeads, MemoryMarks, MemoryNotes, MemoryObjects
from tests.unit.sealing.acts import PATIENT, START, House, Producer, event_id
from tests.world import StandingClock

BUCKET, LEDGER, DOCUMENTS = "ledger-bucket", "ledger-table", "documents-table"


@dataclass
class Ports:
    heads: Heads
    marks: Marks
    objects: Objects
    notes: Notes


LOCAL_CLOUD = pytest.param("local cloud", marks=pytest.mark.local_cloud)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        make_stores("")
        yield


def make_stores(suffix: str) -> None:
    """Make the tables and the bucket, as the template has them."""
    dynamodb = client("dynamodb")
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    text = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "kid")]
    index = [{"AttributeName": "kid", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}]
    dynamodb.create_table(
        TableName=LEDGER + suffix,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys,
        AttributeDefinitions=text[:2],
    )
    dynamodb.create_table(
        TableName=DOCUMENTS + suffix,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=keys,
        AttributeDefinitions=[*text, {"AttributeName": "n", "AttributeType": "N"}],
        GlobalSecondaryIndexes=[
            {"IndexName": "unsealed", "KeySchema": index, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
    )
    client("s3").create_bucket(
        Bucket=BUCKET + suffix, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )


@pytest.fixture(params=["memory", "moto", LOCAL_CLOUD])
def ports(request: pytest.FixtureRequest) -> Ports:
    if request.param == "memory":
        faults = Faults()
        return Ports(MemoryHeads(faults), MemoryMarks(faults), MemoryObjects(faults), MemoryNotes(faults))
    suffix = opened(request)
    ledger = DynamoLedger(client("dynamodb"), LEDGER + suffix)
    return Ports(ledger, ledger, S3Objects(client("s3"), BUCKET + suffix), ledger)


@pytest.fixture(params=["moto", LOCAL_CLOUD])
def suffix(request: pytest.FixtureRequest) -> str:
    """The end of the names of this test's tables and bucket, on moto and on the local cloud."""
    return opened(request)


def opened(request: pytest.FixtureRequest) -> str:
    if request.param == "moto":
        request.getfixturevalue("aws")
        return ""
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    patch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("cloud").endpoint_url)
    suffix = f"-{secrets.token_hex(6)}"
    make_stores(suffix)
    return suffix


def grown(head: Head, count: int) -> Head:
    leaves = [leaf_hash(b"%d" % number) for number in range(count)]
    return Head(head.log, head.edge.extended(leaves), head.block + 1, leaves[-1], START, count)


def test_a_strand_never_written_has_an_empty_head(ports: Ports) -> None:
    stored = ports.heads.read(3)
    assert (stored.head, stored.version, stored.pending) == (Head(3), 0, None)


def test_a_head_reads_back_as_it_was_written(ports: Ports) -> None:
    first = ports.heads.read(0)
    second = first.committed(grown(first.head, 5), "staging/0/x")
    ports.heads.swap(first, second)
    assert ports.heads.read(0) == second
    ports.heads.swap(second, second.applied())
    assert ports.heads.read(0) == second.applied()


def test_only_one_of_two_swaps_from_the_same_head_wins(ports: Ports) -> None:
    for before in (ports.heads.read(0), ports.heads.read(0).committed(grown(Head(0), 1), "m")):
        if before.version:
            assert ports.heads.read(0) == before
        ports.heads.swap(before, before.committed(grown(Head(0), 1), "m"))
        with pytest.raises(HeadMoved):
            ports.heads.swap(before, before.committed(grown(Head(0), 2), "n"))


def test_marks_read_back_and_may_be_written_again(ports: Ports) -> None:
    marks = [Mark(f"event#{number}", number, leaf_hash(b"%d" % number)) for number in range(130)]
    ports.marks.put(0, marks)
    ports.marks.put(0, marks)
    assert ports.marks.get(0, [mark.key for mark in marks] + ["event#none"]) == {m.key: m for m in marks}
    assert ports.marks.get(1, [marks[0].key]) == {}
    assert ports.marks.get(0, []) == {}


def test_a_mark_keeps_its_block_and_one_of_before_reads_without(ports: Ports) -> None:
    marks = [Mark("event#new", 7, leaf_hash(b"new"), 3, START), Mark("event#old", 2, leaf_hash(b"old"))]
    ports.marks.put(0, marks)
    assert ports.marks.get(0, ["event#new", "event#old"]) == {mark.key: mark for mark in marks}


def test_an_object_is_written_once(ports: Ports) -> None:
    ports.objects.create("0/tile/0/000", b"bytes")
    ports.objects.create("0/tile/0/000", b"bytes")
    with pytest.raises(ObjectDiffers):
        ports.objects.create("0/tile/0/000", b"other")
    found = ports.objects.get("0/tile/0/000")
    assert found is not None
    assert found.data == b"bytes"
    assert ports.objects.get("0/tile/0/001") is None


def test_the_checkpoint_is_replaced_only_as_it_was_read(ports: Ports) -> None:
    ports.objects.swap("0/checkpoint", None, b"one")
    with pytest.raises(ObjectMoved):
        ports.objects.swap("0/checkpoint", None, b"two")
    first = ports.objects.get("0/checkpoint")
    ports.objects.swap("0/checkpoint", first, b"two")
    with pytest.raises(ObjectMoved):
        ports.objects.swap("0/checkpoint", first, b"three")


def test_a_cursor_moves_over_what_joins_it_and_never_back(ports: Ports) -> None:
    for low, high, then in ((2, 3, 0), (1, 2, 2), (5, 6, 2), (3, 3, 3), (1, 2, 3), (2, 7, 7)):
        ports.notes.advance("kid", low, high)
        assert ports.notes.cursor("kid") == then


def test_what_waits_is_remembered_until_forgotten(ports: Ports) -> None:
    keys = [Key("P#a", f"Observation#{number}#v#0000000001") for number in range(3)]
    for key in [*keys, keys[0]]:
        ports.notes.remember(Retry(key))
    ports.notes.forget(keys[1])
    assert sorted(retry.key for retry in ports.notes.retries()) == [keys[0], keys[2]]


def test_all_that_waits_is_told_however_many_pages_it_fills(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "PAGE", 2)
    keys = [Key("P#a", f"Observation#{number}#v#0000000001") for number in range(5)]
    for key in keys:
        ports.notes.remember(Retry(key))
    assert sorted(retry.key for retry in ports.notes.retries()) == keys


def test_where_the_last_sweep_stopped_is_kept(ports: Ports) -> None:
    assert ports.notes.stopped() == ""
    for kid in ("one", "another"):
        ports.notes.stop(kid)
        assert ports.notes.stopped() == kid


def put_act(producer: Producer, number: int, suffix: str = "") -> Key:
    """Store an act of two rows as the document store lays it out."""
    dynamodb = client("dynamodb")
    text = producer.event(number)
    signed = take_apart(text)
    ids = [f"{PATIENT}.{event_id(10 * number + at)}" for at in (0, 1)]
    keys = [Key(f"P#{PATIENT}", f"Observation#{name}#v#0000000001") for name in ids]
    facts = event_attributes(SignedAct(text, signed.kid, signed.payload["n"]), keys[0], keys)
    event_id_ = signed.payload["id"]
    rows: list[dict[str, Any]] = [
        {"act": {"S": event_id_}, **{name: _value(value) for name, value in facts.items()}},
        {"act": {"S": event_id_}, "home": {"L": [{"S": keys[0].pk}, {"S": keys[0].sk}]}},
    ]
    for key, row in zip(keys, rows, strict=True):
        item = {"pk": {"S": key.pk}, "sk": {"S": key.sk}, "ct": {"B": b"sealed"}, **row}
        dynamodb.put_item(TableName=DOCUMENTS + suffix, Item=item)
    put_certificate(producer, suffix)
    return keys[0]


def put_certificate(producer: Producer, suffix: str) -> None:
    item: dict[str, Any] = {
        "pk": {"S": f"K#{producer.signer.kid}"},
        "sk": {"S": "cert"},
        "event": {"S": producer.certificate},
        "kid": {"S": f"certs#{producer.service}"},
        "n": {"N": "1800000000000"},
    }
    client("dynamodb").put_item(TableName=DOCUMENTS + suffix, Item=item)


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    return {"N": str(value)} if isinstance(value, int) else {"L": [{"S": item} for item in value]}


def test_event_rows_are_found_by_key_and_by_number(suffix: str) -> None:
    events: Events = DynamoEvents(client("dynamodb"), DOCUMENTS + suffix)
    producer = Producer(House())
    keys = [put_act(producer, number, suffix) for number in (1, 2, 3)]
    other = Key(keys[0].pk, "Observation#absent#v#0000000001")
    fetched = events.fetch([*keys, keys[0], other, Key(f"K#{producer.signer.kid}", "cert")])
    assert sorted(row.key for row in fetched) == sorted(keys)
    assert all(len(row.rows) == 2 for row in fetched)
    assert [item.n for item in events.after(producer.signer.kid, 1)] == [2, 3]
    assert [item.key.pk for item in events.after("certs#records", 0)] == [f"K#{producer.signer.kid}"]


def test_all_rows_under_a_number_are_found_however_many_pages_they_fill(
    suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "PAGE", 2)
    events, producer = DynamoEvents(client("dynamodb"), DOCUMENTS + suffix), Producer(House())
    keys = set()
    for number in range(1, 6):
        producer.n = 0
        keys.add(put_act(producer, number, suffix))
    assert {item.key for item in events.after(producer.signer.kid, 0)} == keys


class Counting:
    """A client that remembers what BatchGetItem was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def batch_get_item(self, **question: Any) -> Any:
        self.asked.append(str(question))
        return client("dynamodb").batch_get_item(**question)


def test_certificates_are_read_a_hundred_at_a_time(suffix: str) -> None:
    counting: Any = Counting()
    events: Events = DynamoEvents(counting, DOCUMENTS + suffix)
    producers = [Producer(House(), name=f"environment {number}") for number in range(3)]
    for producer in producers:
        put_certificate(producer, suffix)
    asked = [*(f"nobody {number}" for number in range(199)), *(one.signer.kid for one in producers)]
    assert events.certificates(asked) == {one.signer.kid: one.certificate for one in producers}
    assert len(counting.asked) == 3
    assert events.certificates([]) == {}


def test_a_row_with_a_key_as_long_as_dynamodb_takes_stops_nobody(suffix: str) -> None:
    ledger, key = DynamoLedger(client("dynamodb"), LEDGER + suffix), Key("P#a", "x" * 1_024)
    DynamoEvents(client("dynamodb"), DOCUMENTS + suffix).answer(Key(key.pk, f"{key.sk}#rejected"), "seal")
    ledger.remember(Retry(key))
    assert list(ledger.retries()) == []
    assert client("dynamodb").scan(TableName=DOCUMENTS + suffix)["Items"] == []


def test_a_key_longer_than_dynamodb_takes_has_no_certificate_and_no_mark(suffix: str) -> None:
    counting: Any = Counting()
    longest = "k" * 2_046
    assert DynamoEvents(counting, DOCUMENTS + suffix).certificates(["k" + longest, longest]) == {}
    assert DynamoLedger(counting, LEDGER + suffix).get(0, [f"cert#{longest}"]) == {}
    assert (len(counting.asked), "k" + longest in counting.asked[0]) == (1, False)


def test_marks_of_several_strands_are_found_in_one_call(suffix: str) -> None:
    counting: Any = Counting()
    ledger = DynamoLedger(client("dynamodb"), LEDGER + suffix)
    marks = {(strand, "event#a"): Mark("event#a", strand, leaf_hash(b"%d" % strand)) for strand in (0, 7, 63)}
    for (strand, _), mark in marks.items():
        ledger.put(strand, [mark])
    found = DynamoMarks(counting, LEDGER + suffix).find([*marks, (1, "event#a"), (0, "event#none")])
    assert found == marks
    assert len(counting.asked) == 1
    assert DynamoMarks(counting, LEDGER + suffix).find([]) == {}


def test_a_rejection_is_put_beside_the_rows_of_its_own_act_only(suffix: str) -> None:
    events = DynamoEvents(client("dynamodb"), DOCUMENTS + suffix)
    producer = Producer(House())
    mine, theirs = (events.fetch([put_act(producer, number, suffix)])[0] for number in (1, 2))
    claims_both = type(mine)(mine.key, mine.text, mine.kid, mine.n, (*mine.rows, *theirs.rows))
    assert events.own_rows(claims_both) == sorted(mine.rows)


def test_a_row_of_nonsense_is_an_event_row_without_rows(suffix: str) -> None:
    rows = {"L": [{"S": "#9 "}, {"S": "y"}]}
    item: dict[str, Any] = {"pk": {"S": "P#a"}, "sk": {"S": "x"}, "event": {"S": "?"}, "rows": rows}
    client("dynamodb").put_item(TableName=DOCUMENTS + suffix, Item=item)
    found = DynamoEvents(client("dynamodb"), DOCUMENTS + suffix).fetch([Key("P#a", "x")])
    assert [(row.text, row.rows) for row in found] == [("?", ())]


def test_the_life_of_a_batch_on_dynamodb_and_s3_passes_the_audit(suffix: str) -> None:
    house = House()
    ledger = DynamoLedger(client("dynamodb"), LEDGER + suffix)
    objects = S3Objects(client("s3"), BUCKET + suffix)
    events = DynamoEvents(client("dynamodb"), DOCUMENTS + suffix)
    world = LogStores(ledger, ledger, objects, events, ledger, StandingClock())
    sealer = Sealer(0, house.genesis, world, seal=house.seal, log=house.logs)
    producer = Producer(house)
    assert sealer.seal([put_act(producer, 1, suffix), put_act(producer, 2, suffix)]).events == 2
    sealer.publish()
    put_act(producer, 3, suffix)
    bad = put_act(producer, 4, suffix)
    client("dynamodb").update_item(
        TableName=DOCUMENTS + suffix,
        Key={"pk": {"S": bad.pk}, "sk": {"S": bad.sk}},
        UpdateExpression="SET event = :e",
        ExpressionAttributeValues={":e": {"S": producer.event(4, epoch=2)}},
    )
    swept = Sweep(house.genesis, world, [sealer]).run().sealed
    assert (swept.events, swept.rejected) == (1, 1)
    sealer.publish()

    def read(path: str) -> bytes | None:
        found = objects.get(f"0/{path}")
        return None if found is None else found.data

    report = audit_strand(house.genesis, 0, read)
    assert (report.findings, report.events, report.rejected) == ([], 3, 1)
    marker = client("dynamodb").get_item(
        TableName=DOCUMENTS + suffix, Key={"pk": {"S": bad.pk}, "sk": {"S": bad.sk + "#rejected"}}
    )["Item"]
    assert marker.keys() == {"pk", "sk", "event"}
    assert take_apart(marker["event"]["S"]).payload["type"] == "event.rejected"
