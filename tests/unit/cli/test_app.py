"""The command as its user meets it: it teaches, it says what is wrong in one sentence, it never shows a
traceback."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

from services.cli import app

VERBS = ("verify", "audit", "decide", "adjudicate", "admit", "assertion", "sign")


def test_without_a_verb_it_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([]) == app.BAD_INPUT
    told = capsys.readouterr().err
    assert tuple(re.findall(r"^    ([a-z]+)\b", told, re.MULTILINE)) == VERBS
    assert "exit status" in told


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_teaches_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        app.main([verb, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: carevouch {verb}")
    assert told.count("\n") > 10
    assert f"carevouch {verb}" in told.partition("\n\n")[2]


@pytest.mark.parametrize("words", [["nonsense"], ["assertion"], ["admit", "--role", "king"]])
def test_words_it_does_not_know_are_bad_input(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        app.main(words)
    assert left.value.code == app.BAD_INPUT
    assert "usage: carevouch" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe", b'{"kty":"EC"}'])
def test_a_bad_file_is_one_sentence_and_exit_2(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_bytes(content)
    assert app.main(["assertion", "--key", str(file), "--aud", "https://x.example"]) == app.BAD_INPUT
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("carevouch assertion: ")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", json.dumps({"a": [1]}).encode()])
def test_files_that_prove_nothing_are_refused_without_a_traceback(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.tlog-proof"
    file.write_bytes(content)
    key = "carevouch.test+00000000+AQ=="
    words = ["verify", str(file), "--key", key, "--genesis", str(file)]
    assert app.main(words) in (app.NEGATIVE, app.BAD_INPUT)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert said.out + said.err


def test_the_project_installs_it_as_a_command() -> None:
    (script,) = [
        entry
        for entry in importlib.metadata.entry_points(group="console_scripts")
        if entry.name == "carevouch"
    ]
    assert script.value == "services.cli.app:main"
