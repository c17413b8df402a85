"""`carevouch epoch`: an order that the sealer takes, and sentences for those that it would refuse."""

import json
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.events.epoch import check_order, opened, parse_order
from carevouch.events.genesis import genesis_text
from carevouch.kernel.jws import key_from_seed, private_jwk
from carevouch.ledger.checkpoint import MAX_STRANDS
from carevouch.ledger.note import sign_note
from tests.unit.sealing.acts import ORIGIN, START, House

OPERATOR = key_from_seed(b"operator of these tests", "tests")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    house = House(strands=2)
    house.operator = type(house.operator)(OPERATOR)
    (tmp_path / "genesis").write_bytes(sign_note(genesis_text(house.genesis), ORIGIN, house.log))
    (tmp_path / "operator.jwk.json").write_text(json.dumps(private_jwk(OPERATOR)))
    return tmp_path


def order(folder: Path, *more: str) -> int:
    files = ["--key", str(folder / "operator.jwk.json"), "--genesis", str(folder / "genesis")]
    return main(["epoch", *files, *more])


def test_the_order_is_one_that_the_sealer_takes_and_the_next_follows_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = House(strands=2)
    house.operator = type(house.operator)(OPERATOR)
    assert order(folder, "--strands", "4", "--from", START) == 0
    first = capsys.readouterr().out
    known = opened(house.genesis, parse_order(first.strip()))
    assert known.strand_count == 4
    (folder / "epochs").write_text(first)
    assert order(folder, "--strands", "8", "--epochs", str(folder / "epochs")) == 0
    second = parse_order(capsys.readouterr().out.strip())
    check_order(second, known)
    assert second.epoch.number == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--strands", "1"], "never shrinks"),
        (["--strands", f"{MAX_STRANDS + 1}"], f"1 to {MAX_STRANDS}"),
        (["--strands", "4", "--from", "today"], "--from is not an instant"),
    ],
)
def test_what_the_sealer_would_refuse_is_refused_here(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert order(folder, *more) == 2
    caught = capsys.readouterr()
    assert said in caught.err
    assert caught.out == ""


def test_another_key_than_the_operators_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "operator.jwk.json").write_text(json.dumps(private_jwk(key_from_seed(bytes(16), "other"))))
    assert order(folder, "--strands", "4") == 2
    assert "not ordered by the operator" in capsys.readouterr().err
