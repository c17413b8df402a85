"""Genesis: two lines, exactly; whoever pins one key can check all the others."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.events.genesis import Genesis, genesis_text, parse_genesis
from carevouch.kernel.canonical import jcs, parse_jcs
from carevouch.kernel.errors import Malformed
from carevouch.kernel.jws import KeyInMemory, key_from_seed
from carevouch.ledger.checkpoint import MAX_STRANDS

JWK = KeyInMemory(key_from_seed(b"genesis", "test")).jwk
GENESIS = Genesis(
    "test", "carevouch.test", JWK, {"records": JWK}, JWK, bytes(32), 1, 600, "2026-11-22T10:00:00.000Z"
)
TEXT = genesis_text(GENESIS)
FIRST, LINE, _ = TEXT.split("\n")


def with_members(**changes: Any) -> str:
    body = parse_jcs(LINE.encode(), "genesis") | changes
    return f"{FIRST}\n{jcs({name: value for name, value in body.items() if value is not ...}).decode()}\n"


def test_genesis_survives_its_text() -> None:
    assert parse_genesis(TEXT) == GENESIS
    assert genesis_text(parse_genesis(TEXT)) == TEXT
    assert GENESIS.epoch == 1
    assert parse_genesis(with_members()) == GENESIS


def test_every_fact_is_in_the_text() -> None:
    assert genesis_text(replace(GENESIS, strands=2)) != TEXT
    assert genesis_text(replace(GENESIS, log=b"\x01" * 32)) != TEXT
    assert genesis_text(replace(GENESIS, roots={})) != TEXT


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "x",
        "\n" + TEXT,
        f"{LINE}\n{FIRST}\n",
        TEXT.replace("/v1", "/v2"),
        TEXT.replace(":", ": ", 1),
        f"{FIRST}\n[]\n",
        f"{FIRST}\n\n",
        TEXT.replace("\n", "\r\n"),
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_genesis(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"extra": 1},
        {"seal": ...},
        {"operator": {}},
        {"operator": {**JWK, "d": "x"}},
        {"seal": None},
        {"roots": []},
        {"roots": {"records": None}},
        {"strands": 0},
        {"strands": MAX_STRANDS + 1},
        {"strands": True},
        {"strands": "1"},
        {"seal_by_seconds": 0},
        {"log": "AA"},
        {"log": None},
        {"deployment": 1},
        {"origin": None},
        {"time": "now"},
    ],
    ids=repr,
)
def test_members_of_any_other_form_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_genesis(with_members(**changes))
