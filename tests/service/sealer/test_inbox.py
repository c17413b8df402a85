"""The inbox: packed keys come out again, in order per group, and once for a repeated call."""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from carevouch.kernel.errors import Malformed, OutcomeUnknown
from carevouch.kernel.ids import Key
from services.sealer.inbox import (
    MAX_BODY_BYTES,
    MAX_CALL_BYTES,
    SUPER_GROUP,
    Hint,
    Inbox,
    Wake,
    calls,
    nudge,
    pack,
    parse,
    wake,
)
from services.sealer.queue import SqsInbox
from tests.aws import client
from tests.contract.stores import ENVIRONMENT
from tests.fakes import Faults
from tests.service.sealer.queues import MemoryInbox

LOCAL_CLOUD = pytest.param("local cloud", marks=pytest.mark.local_cloud)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
KEYS = st.builds(Key, TEXTS, TEXTS)
FIFO = {
    "FifoQueue": "true",
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
}


def key(number: int) -> Key:
    return Key("P#" + "a" * 26, f"Observation#{'a' * 26}.{number:026d}#v#0000000001")


# --- packing


@given(st.dictionaries(st.integers(0, 63), st.lists(KEYS, min_size=1, max_size=30), max_size=5))
def test_what_is_packed_comes_out_again_in_its_order(found: dict[int, list[Key]]) -> None:
    came: dict[int, list[Key]] = {}
    for message in pack(found, "salt"):
        said = parse(message.group, message.body)
        assert isinstance(said, Hint)
        came.setdefault(said.strand, []).extend(said.keys)
    assert came == {strand: list(dict.fromkeys(keys)) for strand, keys in found.items()}


def test_many_keys_become_several_messages_none_over_its_limit() -> None:
    messages = pack({0: [key(number) for number in range(5_000)]}, "salt")
    assert len(messages) > 1
    # The last key may end a little over the limit of bodies, never over that of a call.
    assert all(message.size <= MAX_BODY_BYTES + 200 for message in messages)
    assert sum(len(json.loads(message.body)["keys"]) for message in messages) == 5_000


@settings(max_examples=25)
@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=40))
def test_every_call_is_one_that_sqs_takes(counts: list[int]) -> None:
    messages = pack(
        {strand: [key(n) for n in range(min(count, 900))] for strand, count in enumerate(counts)}, "s"
    )
    sent = list(calls(messages))
    assert [message for call in sent for message in call] == messages
    for call in sent:
        assert 1 <= len(call) <= 10
        assert sum(message.size for message in call) <= MAX_CALL_BYTES


def test_a_whole_stream_batch_for_one_strand_is_one_message() -> None:
    assert len(pack({3: [key(number) for number in range(1_000)]}, "salt")) == 1


def test_the_same_delivery_has_the_same_ids_and_another_delivery_others() -> None:
    found = {0: [key(1)], 1: [key(1)]}
    first, second = pack(found, "first"), pack(found, "second")
    assert pack(found, "first") == first
    assert len({message.dedup for message in [*first, *second]}) == 4


def test_a_nudge_says_nothing_but_its_strand() -> None:
    message = nudge(7, "salt")
    assert parse(message.group, message.body) == Hint(7, ())


def test_who_wakes_the_super_log_within_one_second_sends_one_message() -> None:
    first, last = wake("2026-11-25T20:00:00.000Z"), wake("2026-11-25T20:00:00.999Z")
    assert first == last
    assert parse(first.group, first.body) == Wake("2026-11-25T20:00:01.000Z")
    assert wake("2026-11-25T20:00:01.000Z").dedup != first.dedup


@pytest.mark.parametrize(
    ("group", "body"),
    [
        ("strand-1", "no json"),
        ("strand-1", "{}"),
        ("strand-1", "[]"),
        ("strand-1", '{"keys":[["a"]]}'),
        ("strand-1", '{"keys":[["a",1]]}'),
        ("strand-1", '{"keys":[["a",""]]}'),
        ("strand-1", '{"keys":"ab"}'),
        ("strand-x", '{"keys":[]}'),
        ("strand-", '{"keys":[]}'),
        ("strand-1234567", '{"keys":[]}'),
        ("strand-\uff11", '{"keys":[]}'),
        ("other", '{"keys":[]}'),
        (SUPER_GROUP, '{"keys":[]}'),
        (SUPER_GROUP, '{"until":"soon"}'),
    ],
)
def test_what_this_module_did_not_write_is_malformed(group: str, body: str) -> None:
    with pytest.raises(Malformed):
        parse(group, body)


# --- the promise of every inbox

Receive = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture(params=["memory", "moto", LOCAL_CLOUD])
def opened(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Inbox, Receive]]:
    """An inbox, and a function that receives from it as (group, body, receipt)."""
    if request.param == "memory":
        inbox = MemoryInbox()
        yield inbox, lambda: _seen(inbox.receive())
        return
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    if request.param == "moto":
        with mock_aws():
            yield _sqs()
        return
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("cloud").endpoint_url)
    yield _sqs()


def _sqs() -> tuple[Inbox, Receive]:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=f"inbox-{secrets.token_hex(6)}.fifo", Attributes=FIFO)["QueueUrl"]

    def receive() -> list[tuple[str, str, str]]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
        return [
            (one["Attributes"]["MessageGroupId"], one["Body"], one["ReceiptHandle"])
            for one in found.get("Messages", [])
        ]

    return SqsInbox(sqs, url), receive


def _seen(records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["attributes"]["MessageGroupId"], one["body"], one["receiptHandle"]) for one in records]


def test_a_group_keeps_its_order(opened: tuple[Inbox, Receive]) -> None:
    inbox, receive = opened
    for number in range(5):
        inbox.send(pack({2: [key(number)]}, f"{number}"))
    came = [parse(group, body) for group, body, _ in receive()]
    assert came == [Hint(2, (key(number),)) for number in range(5)]


def test_a_call_that_was_repeated_is_one_message(opened: tuple[Inbox, Receive]) -> None:
    inbox, receive = opened
    inbox.send(pack({2: [key(1)]}, "one delivery"))
    inbox.send(pack({2: [key(1)]}, "one delivery"))
    inbox.send(pack({2: [key(1)]}, "another delivery"))
    assert len(receive()) == 2


def test_a_group_in_flight_is_handed_to_nobody_else(opened: tuple[Inbox, Receive]) -> None:
    inbox, receive = opened
    inbox.send(pack({2: [key(1)]}, "first"))
    assert len(receive()) == 1
    inbox.send(pack({2: [key(2)]}, "second"))
    assert receive() == []


def test_sixty_four_strands_are_sent_in_as_many_calls_as_it_takes(opened: tuple[Inbox, Receive]) -> None:
    inbox, receive = opened
    inbox.send(pack({strand: [key(strand)] for strand in range(64)}, "salt"))
    groups = set()
    while found := receive():
        groups |= {group for group, _, _ in found}
    assert len(groups) >= 10


def test_asking_again_for_what_is_gone_is_harmless(opened: tuple[Inbox, Receive]) -> None:
    inbox, _ = opened
    inbox.again(["no receipt"])
    inbox.again([])


def test_an_inbox_that_does_not_answer_leaves_the_outcome_unknown() -> None:
    client: Any = boto3.client(
        "sqs", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with mock_aws(), pytest.raises(OutcomeUnknown):
        SqsInbox(client, "https://sqs.eu-central-1.amazonaws.com/1/absent.fifo").send([nudge(0, "salt")])


def test_a_send_that_is_lost_in_the_middle_left_the_first_call_in() -> None:
    inbox = MemoryInbox(Faults({2: "dropped"}))
    with pytest.raises(OutcomeUnknown):
        inbox.send(pack({strand: [key(strand)] for strand in range(15)}, "salt"))
    assert inbox.sent == 10
