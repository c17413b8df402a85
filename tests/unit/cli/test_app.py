"""The command as its user meets it: it teaches, it says what is wrong in one sentence, it never shows a
traceback."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.cli.app import main
from carevouch.cli.frame import BAD_INPUT, OK
from carevouch.kernel.jws import private_jwk
from carevouch.ledger.note import Ed25519InMemory, Verifier

VKEY = Verifier("carevouch.test", Ed25519InMemory(bytes(32)).public).vkey
LOG_VERBS = ("verify", "audit", "mirror", "scan", "witness", "export", "qldb")
VERBS = (*LOG_VERBS, "decide", "adjudicate", "key", "admit", "epoch", "assertion", "sign")


def test_without_a_verb_it_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == BAD_INPUT
    told = capsys.readouterr().err
    assert tuple(re.findall(r"^    ([a-z]+)\b", told, re.MULTILINE)) == VERBS
    assert "exit status" in told


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_teaches_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: carevouch {verb}")
    assert told.count("\n") > 10
    assert f"carevouch {verb}" in told.partition("\n\n")[2]


@pytest.mark.parametrize("words", [["nonsense"], ["assertion"], ["admit", "--role", "king"]])
def test_words_it_does_not_know_are_bad_input(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == BAD_INPUT
    assert "usage: carevouch" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe", b'{"kty":"EC"}'])
def test_a_bad_file_is_one_sentence_and_exit_2(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["assertion", "--key", str(file), "--aud", "https://x.example"]) == BAD_INPUT
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("carevouch assertion: ")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", bytes(64) + b"\x80"])
@pytest.mark.parametrize("verb", ["verify", "audit"])
def test_a_key_file_that_holds_no_text_is_one_sentence_and_exit_2(
    verb: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key.txt"
    file.write_bytes(content)
    words = [verb, str(tmp_path), "--key", str(file), "--genesis", str(file)]
    assert main(words) == BAD_INPUT
    _one_sentence(capsys, verb, "key.txt is")


@pytest.mark.parametrize("verb", ["verify", "audit"])
def test_a_key_file_that_is_not_there_is_said_to_be_missing(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [verb, str(tmp_path), "--key", "nofile", "--genesis", "x"]
    assert main(words) == BAD_INPUT
    _one_sentence(capsys, verb, "nofile: No such file")


@pytest.mark.parametrize(
    "url",
    [
        "http://a b/",
        "http://[::1/",
        "http://127.0.0.1:abc/",
        "http://127.0.0.1:99999/",
        "http://",
        "https:///ledger",
        "http://a..b/",
        "http://\u00e4.example/",
        "http://x/\n",
    ],
)
def test_what_is_no_address_is_one_sentence_and_exit_2(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", url, "--key", VKEY]) == BAD_INPUT
    _one_sentence(capsys, "audit", "")


@pytest.mark.parametrize(
    "audience", ["", " ", "x", "file:///etc/hosts", "https://", "https://a b/", "https://[/"]
)
def test_an_assertion_for_no_address_is_not_signed(
    audience: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key.json"
    key = private_jwk(ec.generate_private_key(ec.SECP256R1()))
    file.write_text(json.dumps({**key, "client_id": "d.x"}))
    assert main(["assertion", "--key", str(file), "--aud", audience]) == BAD_INPUT
    _one_sentence(capsys, "assertion", "--aud")


@pytest.mark.parametrize("zone", ["Foo/Bar", "", "../etc", "/etc/hosts"])
def test_a_zone_that_is_none_is_bad_input_with_cases_too(
    zone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(json.dumps({"n": "a", "consents": [], "rq": {}, "rs": {}, "exp": "deny"}))
    assert main(["decide", "--cases", str(file)]) == OK
    capsys.readouterr()
    assert main(["decide", "--cases", str(file), "--zone", zone]) == BAD_INPUT
    _one_sentence(capsys, "decide", "--zone")


def _one_sentence(capsys: pytest.CaptureFixture[str], verb: str, words: str) -> None:
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"carevouch {verb}: ")
    assert told.err.count("\n") == 1
    assert words in told.err


def test_the_project_installs_it_as_a_command() -> None:
    (script,) = [
        entry
        for entry in importlib.metadata.entry_points(group="console_scripts")
        if entry.name == "carevouch"
    ]
    assert script.value == "carevouch.cli.app:main"
