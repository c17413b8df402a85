"""Events: exactly the members of version 1, each of its kind, and nothing about whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.catalogue import CATALOGUE
from shared.events.certificate import CERT_TYP
from shared.events.envelope import EVENT_TYP, MAX_COUNT, MAX_TAGS, event_payload, parse_event, strand_of, tag
from shared.kernel.encoding import b64u
from shared.kernel.errors import Malformed
from shared.kernel.ids import part
from shared.kernel.jws import KeyInMemory, key_from_seed, sign

KEY = KeyInMemory(key_from_seed(b"events", "test"))
ID = part(b"\x01" * 16)
GOOD = event_payload(
    id=ID,
    type="records.stored",
    producer="records",
    n=1,
    epoch=1,
    time="2026-11-22T10:00:00.000Z",
    seal_by="2026-11-22T10:10:00.000Z",
    count=2,
    root=bytes(32),
    tags=(b"\x02" * 32,),
)


def parse(**changes: Any) -> Any:
    payload = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return parse_event(sign(payload, EVENT_TYP, KEY))


def test_an_event_is_parsed_into_its_parts() -> None:
    text = sign(GOOD, EVENT_TYP, KEY)
    event = parse_event(text)
    assert (event.id, event.type, event.producer) == (ID, "records.stored", "records")
    assert (event.n, event.epoch, event.count) == (1, 1, 2)
    assert (event.root, event.tags, event.contract) == (bytes(32), (b"\x02" * 32,), None)
    assert (event.text, event.kid) == (text, KEY.kid)


def test_an_event_may_name_its_contract() -> None:
    assert parse(contract="0" * 64).contract == "0" * 64


@pytest.mark.parametrize("kind", sorted(CATALOGUE))
def test_every_type_of_the_catalogue_parses(kind: str) -> None:
    assert parse(type=kind).type == kind


@pytest.mark.parametrize("count", [1, MAX_COUNT])
def test_the_bounds_of_count_are_inside(count: int) -> None:
    assert parse(count=count, tags=[b64u(bytes(32))] * MAX_TAGS).count == count


BAD: list[dict[str, Any]] = [
    {"v": 2},
    {"v": True},
    {"v": "1"},
    {"v": None},
    {"extra": 1},
    {"id": ...},
    {"contract": None},
    {"patient": "x"},
    {"id": ID[:-1]},
    {"id": ID.upper()},
    {"id": f"{ID}.{ID}"},
    {"id": 1},
    {"id": f"{ID}\n"},
    {"type": "records.forged"},
    {"type": ["records.stored"]},
    {"type": ""},
    {"producer": 1},
    {"producer": None},
    {"n": 0},
    {"n": -1},
    {"n": True},
    {"n": "1"},
    {"n": None},
    {"epoch": 0},
    {"epoch": True},
    {"epoch": "1"},
    {"time": "2026-11-22T10:00:00Z"},
    {"time": 1},
    {"time": "2026-11-31T10:00:00.000Z"},
    {"seal_by": None},
    {"count": 0},
    {"count": MAX_COUNT + 1},
    {"count": True},
    {"root": b64u(bytes(31))},
    {"root": b64u(bytes(33))},
    {"root": None},
    {"root": b64u(bytes(32)) + "="},
    {"tags": []},
    {"tags": [b64u(bytes(32))] * (MAX_TAGS + 1)},
    {"tags": b64u(bytes(32))},
    {"tags": [b64u(bytes(16))]},
    {"tags": [None]},
    {"tags": {"0": b64u(bytes(32))}},
    {"contract": "0" * 63},
    {"contract": "0" * 65},
    {"contract": "G" * 64},
    {"contract": "A" * 64},
    {"contract": 1},
]


@pytest.mark.parametrize("changes", BAD, ids=repr)
def test_an_event_of_any_other_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse(**changes)


def test_another_kind_of_entry_is_no_event() -> None:
    with pytest.raises(Malformed, match="typ"):
        parse_event(sign(GOOD, CERT_TYP, KEY))


def test_only_who_has_the_secret_can_make_the_tag() -> None:
    secret = b"\x03" * 32
    assert tag(secret, ID) == tag(secret, ID)
    assert len({tag(secret, ID), tag(b"\x04" * 32, ID), tag(secret, part(bytes(16)))}) == 3


@given(st.binary(min_size=16, max_size=16), st.integers(1, 64))
def test_an_event_has_one_strand_in_each_epoch(random: bytes, strands: int) -> None:
    assert 0 <= strand_of(part(random), strands) < strands
    assert strand_of(part(random), 1) == 0


def test_events_spread_over_the_strands() -> None:
    found = [strand_of(part(number.to_bytes(16, "big")), 4) for number in range(400)]
    assert all(60 < found.count(strand) < 140 for strand in range(4))
