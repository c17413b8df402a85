"""Events: exactly the members of version 1, each of its kind, and nothing about whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.events.catalogue import CATALOGUE
from carevouch.events.certificate import CERT_TYP
from carevouch.events.envelope import (
    EVENT_TYP,
    MAX_COUNT,
    MAX_TAGS,
    Event,
    event_payload,
    parse_event,
    parse_general,
    parse_usual,
    strand_of,
    tag,
)
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Malformed
from carevouch.kernel.ids import part
from carevouch.kernel.jws import KeyInMemory, key_from_seed, sign

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


# --- the two ways to parse

FULL = GOOD | {"contract": "0" * 64, "tags": [b64u(bytes([at]) * 32) for at in range(MAX_TAGS)]}
WORDS = [
    "",
    '"',
    "\\",
    "\\u0041",
    "0",
    "9",
    "1e3",
    "1.0",
    "-",
    " ",
    "\n",
    "é",
    "\ud800",
    ",",
    "{",
    "}",
    "[]",
    "null",
]


def spelled(payload: bytes, typ: str = EVENT_TYP) -> str:
    """A compact JWS over any bytes, signed by nobody."""
    header = jcs({"alg": "ES256", "kid": KEY.kid, "typ": typ})
    return f"{b64u(header)}.{b64u(payload)}.{b64u(bytes(64))}"


def agreed(text: str) -> Event | None:
    """The results of both parsers. The quick one may leave a text to the other, and never accept more."""
    try:
        general = parse_general(text)
    except Malformed:
        general = None
    usual = parse_usual(text)
    assert usual is None or usual == general
    return usual


@pytest.mark.parametrize(
    "payload", [GOOD, FULL, GOOD | {"n": 10**15 - 1, "epoch": 10**15 - 1, "count": MAX_COUNT}]
)
def test_a_good_event_is_read_the_quick_way(payload: dict[str, Any]) -> None:
    assert agreed(spelled(jcs(payload))) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"n":1,', '"n":9007199254740993,'),
        ('"n":1,', '"n":01,'),
        ('"n":1,', '"n":1.0,'),
        ('"count":2', f'"count":{MAX_COUNT + 1}'),
        (b64u(bytes(32)), b64u(bytes(32))[:-1] + "B"),
        ('"v":1}', '"v":1} '),
        ('"v":1}', '"v":1}{}'),
        ('{"count"', ' {"count"'),
        ('"count":2,', '"count":2, '),
        ("T10:00:00.000Z", "T24:00:00.000Z"),
        ("T10:10:00.000Z", "T10:60:00.000Z"),
        ("11-22T10:10", "02-30T10:10"),
        ("T10:00:00.000Z", "T10:00:00.000z"),
        ("T10:00:00.000Z", "T10:00:00.00Z"),
        ("T10:00:00.000Z", "T1\uff10:00:00.000Z"),
        ("records.stored", "records.forged"),
        ('"records"', '"Records"'),
        (ID, ID.upper()),
    ],
)
def test_the_quick_way_takes_nothing_that_the_general_one_refuses(old: str, new: str) -> None:
    text = jcs(GOOD).decode()
    assert old in text
    assert agreed(spelled(text.replace(old, new).encode())) is None


def test_the_quick_way_takes_no_other_typ_and_no_other_text() -> None:
    assert agreed(spelled(jcs(GOOD), CERT_TYP)) is None
    good = spelled(jcs(GOOD))
    for text in (
        good + "=",
        good + "\n",
        " " + good,
        good + ".",
        good + "é",
        good + "\ud800",
        good[:-1] + "B",
    ):
        assert agreed(text) is None


def test_both_ways_count_the_seconds_to_seal_by_alike() -> None:
    for seal_by in ("2026-11-22T10:10:00.001Z", "2026-11-23T09:59:59.999Z", "2026-11-22T09:00:00.000Z"):
        assert agreed(spelled(jcs(GOOD | {"seal_by": seal_by}))) is not None


@given(st.sampled_from([GOOD, FULL]), st.data())
def test_whatever_is_put_into_a_payload_both_ways_agree(payload: dict[str, Any], data: st.DataObject) -> None:
    text = jcs(payload).decode()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        new = data.draw(st.sampled_from(WORDS) | st.text(max_size=3))
        text = text[:at] + new + text[at + data.draw(st.integers(0, 3)) :]
    agreed(spelled(text.encode("utf-8", "surrogatepass")))
