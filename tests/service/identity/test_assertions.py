"""The memories of used assertions: the fake and the one in DynamoDB keep the same contract."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from carevouch.kernel.errors import Malformed
from services.identity.ports import Assertions
from services.identity.store import DynamoAssertions
from tests.service.identity.conftest import MemoryAssertions

TABLE, REGION = "assertions", "eu-central-1"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(params=["memory", "moto"])
def assertions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Assertions]:
    if request.param == "memory":
        yield MemoryAssertions()
        return
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        yield DynamoAssertions(client, TABLE)


def test_the_first_use_counts_and_no_later_one(assertions: Assertions) -> None:
    assert assertions.spend("d.a", "one", 1_800_000_000)
    assert not assertions.spend("d.a", "one", 1_800_000_000)
    assert not assertions.spend("d.a", "one", 1_900_000_000)


def test_two_clients_may_use_the_same_jti(assertions: Assertions) -> None:
    assert assertions.spend("d.a", "one", 1_800_000_000)
    assert assertions.spend("d.b", "one", 1_800_000_000)
    assert assertions.spend("d.a", "two", 1_800_000_000)


def test_the_border_between_client_and_jti_counts(assertions: Assertions) -> None:
    assert assertions.spend("d.a", "b\nc", 1_800_000_000)
    assert assertions.spend("d.a\nb", "c", 1_800_000_000)


@pytest.mark.parametrize("jti", ["x" * 255, "é" * 255, "\x00", "\U0001f512", "#"])
def test_any_text_is_a_jti(assertions: Assertions, jti: str) -> None:
    assert assertions.spend("d.a", jti, 1_800_000_000)
    assert not assertions.spend("d.a", jti, 1_800_000_000)


def test_a_lone_surrogate_is_refused(assertions: Assertions) -> None:
    with pytest.raises(Malformed):
        assertions.spend("d.a", "\ud800", 1_800_000_000)
