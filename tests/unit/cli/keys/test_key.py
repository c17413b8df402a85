"""`carevouch key`: a key pair whose private half stays in one file."""

import json
import stat
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.kernel.jws import KeyInMemory, private_key, thumbprint


def test_the_private_half_is_in_the_file_and_the_public_half_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.jwk.json"
    assert main(["key", "--out", str(file), "--client-id", "d.mine"]) == 0
    told, kept = json.loads(capsys.readouterr().out), json.loads(file.read_text())
    assert kept.pop("client_id") == "d.mine"
    assert "d" not in told
    assert told["kid"] == thumbprint(told) == KeyInMemory(private_key(kept)).kid
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_that_exists_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.jwk.json"
    file.write_text("precious")
    assert main(["key", "--out", str(file)]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert file.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "--out", str(tmp_path / "no" / "mine.json")]) == 2
    assert "mine.json" in capsys.readouterr().err
