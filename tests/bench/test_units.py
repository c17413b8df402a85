"""The rules of DynamoDB's bill, each with its nearest neighbour over the border."""

from typing import Any

import pytest

from tests.bench.units import Sizes, Units, consumed, item_bytes


def item(size: int, **more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """An item of exactly `size` bytes."""
    base: dict[str, dict[str, Any]] = {"pk": {"S": "p"}, "sk": {"S": "s"}, "ct": {"B": b""}, **more}
    base["ct"] = {"B": bytes(size - item_bytes(base))}
    return base


def put(size: int, sizes: Sizes | None = None, **more: dict[str, Any]) -> Units:
    asked = {"TableName": "t", "Item": item(size, **more)}
    return consumed("PutItem", asked, {}, sizes or Sizes())


@pytest.mark.parametrize(
    ("value", "size"),
    [({"S": "é"}, 2), ({"B": b"abc"}, 3), ({"N": "1234"}, 3), ({"BOOL": True}, 1), ({"L": [{"S": "ab"}]}, 6)],
)
def test_a_value_has_its_documented_size(value: dict[str, Any], size: int) -> None:
    assert item_bytes({"a": value}) == 1 + size


@pytest.mark.parametrize(("size", "units"), [(30, 1), (1024, 1), (1025, 2), (5000, 5)])
def test_a_write_costs_a_unit_per_started_kilobyte(size: int, units: int) -> None:
    assert put(size) == Units(write=units)


def test_a_smaller_item_over_a_larger_one_costs_the_larger() -> None:
    sizes = Sizes()
    put(3000, sizes)
    assert put(30, sizes) == Units(write=3)
    assert put(30, sizes) == Units(write=1)


def test_a_refused_write_costs_what_is_there_and_changes_nothing() -> None:
    sizes = Sizes()
    put(3000, sizes)
    refused = consumed("PutItem", {"TableName": "t", "Item": item(30)}, {"Error": {}}, sizes)
    assert refused == Units(write=3)
    assert sizes.of("t", item(30)) == 3000


def test_an_item_of_the_index_costs_one_more() -> None:
    assert put(100, kid={"S": "k"}, n={"N": "1"}) == Units(write=2)
    assert put(100, kid={"S": "k"}) == Units(write=1)


def test_a_transaction_costs_twice_and_so_do_its_checks() -> None:
    sizes = Sizes()
    put(1500, sizes)
    asked = {
        "TransactItems": [
            {"ConditionCheck": {"TableName": "t", "Key": item(30)}},
            {"Put": {"TableName": "other", "Item": item(1025)}},
        ]
    }
    assert consumed("TransactWriteItems", asked, {}, sizes) == Units(write=4 + 4)


@pytest.mark.parametrize(("consistent", "units"), [(True, 2), (False, 1)])
def test_a_read_costs_a_unit_per_started_four_kilobytes(consistent: bool, units: int) -> None:
    sizes = Sizes()
    put(4097, sizes)
    asked = {"TableName": "t", "Key": item(30), "ConsistentRead": consistent}
    assert consumed("GetItem", asked, {}, sizes) == Units(read=units)


def test_a_query_adds_sizes_up_and_a_batch_rounds_each() -> None:
    sizes = Sizes()
    items = [{**item(1500), "sk": {"S": str(n)}} for n in range(4)]
    for one in items:
        consumed("PutItem", {"TableName": "t", "Item": one}, {}, sizes)
    keys = [{"pk": one["pk"], "sk": one["sk"]} for one in items]
    query = {"TableName": "t", "ConsistentRead": True}
    batch = {"RequestItems": {"t": {"Keys": keys, "ConsistentRead": True}}}
    # What a query projects does not make it cheaper: the items' own sizes count.
    assert consumed("Query", query, {"Items": keys}, sizes) == Units(read=2)
    assert consumed("BatchGetItem", batch, {}, sizes) == Units(read=4)


def test_an_empty_read_costs_one_unit() -> None:
    asked = {"TableName": "t", "Key": item(30), "ConsistentRead": True}
    assert consumed("GetItem", asked, {}, Sizes()) == Units(read=1)
    assert consumed("Query", asked, {"Items": []}, Sizes()) == Units(read=1)
