"""The promises of every store, verb by verb: the fake, DynamoDB in moto, and the local cloud."""

import pytest

from carevouch.kernel.ids import Key
from carevouch.store.rows import KeyRow, Row, RowExists, TransactionRefused
from tests.contract.stores import Store, random_part


@pytest.fixture
def pk() -> str:
    return f"P#{random_part()}"


def row(pk: str, sk: str, state: str = "x") -> Row:
    return Row(Key(pk, sk), {"state": state})


def test_a_row_comes_back_with_every_kind_of_value(store: Store, pk: str) -> None:
    written = Row(
        Key(pk, "Patient#x#v#0000000001"),
        {
            "ct": bytes(range(256)),
            "path": b"",
            "index": 0,
            "n": 2**53,
            "act": "Ünï\U0001f600",
            "home": ["P#x", "act#y"],
            "rows": [],
        },
    )
    store.rows.put_new(written)
    read = store.rows.get(written.key)
    assert read is not None
    assert read.key == written.key
    assert dict(read.attributes) == dict(written.attributes)
    assert read.binary("ct") == bytes(range(256))
    assert read.number("n") == 2**53
    assert read.texts("home") == ("P#x", "act#y")


def test_a_missing_row_is_none(store: Store, pk: str) -> None:
    assert store.rows.get(Key(pk, "nothing")) is None
    assert store.rows.get_many([]) == {}
    assert store.rows.query(pk) == []


def test_a_row_is_put_once_and_never_overwritten(store: Store, pk: str) -> None:
    store.rows.put_new(row(pk, "a", "first"))
    with pytest.raises(RowExists):
        store.rows.put_new(row(pk, "a", "second"))
    store.rows.put_new(row(pk, "b"))
    read = store.rows.get(Key(pk, "a"))
    assert read is not None
    assert read.text("state") == "first"


def test_more_rows_than_one_call_takes_are_staged_and_fetched(store: Store, pk: str) -> None:
    rows = [row(pk, f"{number:03}") for number in range(130)]
    store.rows.stage(rows)
    store.rows.stage(rows[:30])
    keys = [each.key for each in rows]
    found = store.rows.get_many([*keys, Key(pk, "missing"), *keys[:5]])
    assert sorted(found) == keys
    assert len(store.rows.query(pk)) == 130


def test_a_query_takes_a_prefix_in_key_order(store: Store, pk: str) -> None:
    names = ["act#1", "Claim#b", "ClaimResponse#a", "Claim#a", "Zebra#1", "Claim", "\u00fcber"]
    for name in names:
        store.rows.put_new(row(pk, name))
    store.rows.put_new(row(f"{pk}2", "Claim#c"))
    assert [found.key.sk for found in store.rows.query(pk, "Claim#")] == ["Claim#a", "Claim#b"]
    # UTF-8 order: all upper-case letters before all lower-case ones, other scripts last.
    assert [found.key.sk for found in store.rows.query(pk)] == sorted(names, key=str.encode)
    assert store.rows.query(pk, "claim#") == []


def test_a_query_can_start_with_the_newest_and_stop_early(store: Store, pk: str) -> None:
    for version in range(1, 13):
        store.rows.put_new(row(pk, f"Patient#x#v#{version:010}"))
    newest = store.rows.query(pk, "Patient#x#v#", newest_first=True, limit=2)
    assert [found.key.sk[-2:] for found in newest] == ["12", "11"]
    oldest = store.rows.query(pk, "Patient#x#v#", limit=3)
    assert [found.key.sk[-2:] for found in oldest] == ["01", "02", "03"]


def test_a_query_goes_on_beyond_a_megabyte(store: Store, pk: str) -> None:
    for number in range(5):
        store.rows.put_new(Row(Key(pk, f"{number}"), {"ct": bytes(300_000)}))
    found = store.rows.query(pk)
    assert [len(each.binary("ct") or b"") for each in found] == [300_000] * 5


def test_a_transaction_writes_all_its_rows(store: Store, pk: str) -> None:
    store.key_rows.put_new(pk, b"wrapped")
    rows = [row(pk, "a"), row(f"I#{pk}", "id")]
    store.rows.transact(rows, alive=[pk])
    assert set(store.rows.get_many([each.key for each in rows])) == {each.key for each in rows}


def test_a_refused_transaction_names_exactly_the_taken_rows_and_writes_none(store: Store, pk: str) -> None:
    store.rows.put_new(row(pk, "b", "first"))
    store.rows.put_new(row(pk, "d", "first"))
    with pytest.raises(TransactionRefused) as refusal:
        store.rows.transact([row(pk, name) for name in "abcde"])
    assert refusal.value.taken == (Key(pk, "b"), Key(pk, "d"))
    assert refusal.value.dead == ()
    assert [found.text("state") for found in store.rows.query(pk)] == ["first", "first"]


def test_a_refused_transaction_names_exactly_the_people_not_alive(store: Store, pk: str) -> None:
    alive, closing, erased, unknown = (f"{pk}{number}" for number in range(4))
    for person in (alive, closing, erased):
        store.key_rows.put_new(person, b"wrapped")
    store.key_rows.close(closing)
    store.key_rows.entomb(erased, "2026-11-22T10:00:00.000Z", [])
    with pytest.raises(TransactionRefused) as refusal:
        store.rows.transact([row(pk, "a")], alive=[alive, closing, erased, unknown])
    assert refusal.value.taken == ()
    assert refusal.value.dead == (closing, erased, unknown)
    assert store.rows.get(Key(pk, "a")) is None
    store.rows.transact([row(pk, "a")], alive=[alive])


def test_a_transaction_refused_for_both_reasons_names_both(store: Store, pk: str) -> None:
    store.rows.put_new(row(pk, "a"))
    with pytest.raises(TransactionRefused) as refusal:
        store.rows.transact([row(pk, "a"), row(pk, "b")], alive=[f"{pk}nobody"])
    assert refusal.value.taken == (Key(pk, "a"),)
    assert refusal.value.dead == (f"{pk}nobody",)
    assert store.rows.get(Key(pk, "b")) is None


def test_a_removed_row_is_gone_and_may_be_put_again(store: Store, pk: str) -> None:
    store.rows.put_new(row(pk, "id", "one"))
    store.rows.delete(Key(pk, "id"))
    store.rows.delete(Key(pk, "id"))
    assert store.rows.get(Key(pk, "id")) is None
    store.rows.put_new(row(pk, "id", "two"))


def test_a_person_key_is_put_once(store: Store, pk: str) -> None:
    assert store.key_rows.get(pk) is None
    store.key_rows.put_new(pk, b"one")
    with pytest.raises(RowExists):
        store.key_rows.put_new(pk, b"two")
    assert store.key_rows.get(pk) == KeyRow(pk, b"one")


TIME, LATER = "2026-11-22T10:00:00.000Z", "2026-11-22T11:00:00.000Z"


def test_an_erasure_goes_through_its_states_and_each_step_may_be_repeated(store: Store, pk: str) -> None:
    store.key_rows.put_new(pk, b"one")
    for _ in range(2):
        store.key_rows.close(pk)
        assert store.key_rows.get(pk) == KeyRow(pk, b"one", closing=True)
    store.key_rows.entomb(pk, TIME, ["I#a", "I#b"])
    store.key_rows.entomb(pk, LATER, [])
    store.key_rows.close(pk)
    tomb = store.key_rows.get(pk)
    assert tomb is not None
    assert (tomb.wrapped, tomb.erased, tomb.identifiers) == (None, TIME, ("I#a", "I#b"))
    for _ in range(2):
        store.key_rows.settle(pk)
        tomb = store.key_rows.get(pk)
        assert tomb is not None
        assert (tomb.wrapped, tomb.erased, tomb.identifiers) == (None, TIME, ())
    with pytest.raises(RowExists):
        store.key_rows.put_new(pk, b"again")


def test_the_steps_of_an_erasure_make_no_rows_of_their_own(store: Store, pk: str) -> None:
    store.key_rows.close(pk)
    store.key_rows.entomb(pk, TIME, [])
    store.key_rows.settle(pk)
    assert store.key_rows.get(pk) is None


def test_a_living_key_is_not_settled(store: Store, pk: str) -> None:
    store.key_rows.put_new(pk, b"one")
    store.key_rows.settle(pk)
    assert store.key_rows.get(pk) == KeyRow(pk, b"one")
