"""`carevouch qldb verify` as its user meets it: a folder in, words or JSON out, and a status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.cli.frame import BAD_INPUT, NEGATIVE, OK
from tests.unit.qldb import aws_examples as known
from tests.unit.qldb.journals import STRAND, blob, ledger

EXPORT = "8UyXulxccYLAsbN1aon7e4"
WHOLE = ledger(9)
TIP = f'{{strandId:"{STRAND}",sequenceNo:8}}'


@pytest.fixture(params=[False, True], ids=["text", "binary"])
def export(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an export, its manifests included."""
    folder = tmp_path / "export"
    objects = WHOLE.objects(4, binary=request.param)
    for name, data in objects.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    keys = ",".join(f'"journalExport/{name}"' for name in objects)
    (folder / f"{EXPORT}.started.manifest").write_text(f'{{exportId:"{EXPORT}",outputFormat:"ION"}}')
    (folder / f"{EXPORT}.{STRAND}.completed.manifest").write_text(f"{{keys:[{keys}]}}")
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> list[str]:
    """Options for what was kept: the digest, a revision's proof and a block's."""
    files = {
        "digest": f"{{digest:{blob(WHOLE.digest())},digestTipAddress:{TIP}}}".encode(),
        "revision": known.answer(
            Revision=WHOLE.revision(2, 1), Proof=f"[{','.join(map(blob, WHOLE.way_out(2, 1, 8)))}]"
        ),
        "block": known.answer(Block=WHOLE.blocks[5], Proof=f"[{','.join(map(blob, WHOLE.way_up(5, 8)))}]"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    options = ("--digest", "digest"), ("--revision", "revision"), ("--revision", "block")
    return [word for option, name in options for word in (option, str(tmp_path / name))]


def verify(*words: str | Path) -> int:
    return main(["qldb", "verify", *map(str, words)])


def test_an_honest_export_passes_and_says_what_that_rests_on(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(export) == OK
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"strand {STRAND}: blocks 0 to 8",
        "9 blocks, 19 revisions, 1 of them redacted; 18 entries are here by their hash alone",
        "no digest: that the journal is the one that QLDB had rests on nothing but itself",
        "nothing is wrong",
    ]
    assert told.err == ""


def test_with_what_was_kept_it_says_so(
    export: Path, kept: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(export, *kept) == OK
    assert f"compared with the digest of block {STRAND}/8 and 2 proofs" in capsys.readouterr().out


def test_for_programs_it_says_the_same(
    export: Path, kept: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(export, *kept, "--json") == OK
    assert json.loads(capsys.readouterr().out) == {
        "strands": [{"strand": STRAND, "first": 0, "tip": 8, "blockHash": blob(WHOLE.hashes[8])[2:-2]}],
        "blocks": 9,
        "revisions": 19,
        "redacted": 1,
        "opaque": 18,
        "digest": {"strand": STRAND, "tip": 8},
        "proofs": 2,
        "findings": [],
    }


def test_a_changed_object_is_a_line_and_exit_1(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    object_ = sorted(export.rglob("*.ion"))[1]
    object_.write_bytes(object_.read_bytes().replace(b"Ada Example", b"Eve Example", 1))
    assert verify(export) == NEGATIVE
    said = capsys.readouterr().out.splitlines()[-2:]
    assert said[0].startswith(f"revision: block {STRAND}/4, revision ") or said[0].startswith(
        f"revision: block {STRAND}/5, revision "
    )
    assert said[1] == "1 findings"
    assert verify(export, "--json") == NEGATIVE
    assert [item["code"] for item in json.loads(capsys.readouterr().out)["findings"]] == ["revision"]


def test_no_document_is_ever_quoted(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for object_ in export.rglob("*.ion"):
        data = bytearray(object_.read_bytes())
        for at in range(200, len(data), 400):
            data[at] ^= 1
        object_.write_bytes(data)
    assert verify(export) == NEGATIVE
    told = capsys.readouterr()
    assert "Example" not in told.out + told.err


def test_a_missing_object_is_named(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sorted(export.rglob("*.ion"))[2].unlink()
    assert verify(export) == NEGATIVE
    assert (
        f"missing: {EXPORT}.{STRAND}.completed.manifest: the object {STRAND}.8-8.ion"
        in capsys.readouterr().out
    )


def test_another_digest_and_another_proof_are_findings(
    export: Path, kept: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(kept[1]).write_text(f"{{digest:{blob(bytes(32))},digestTipAddress:{TIP}}}")
    Path(kept[5]).write_bytes(Path(kept[5]).read_bytes().replace(b".50,", b".51,"))
    assert verify(export, *kept, "--json") == NEGATIVE
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [(item["code"], item["where"]) for item in found] == [
        ("proof", kept[5]),
        ("digest", f"block {STRAND}/8"),
        ("proof", kept[3]),
    ]


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert verify(*words) == BAD_INPUT
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("carevouch qldb verify: ")
    assert told.err.count("\n") == 1
    return told.err


def test_bad_input_is_one_sentence(
    export: Path, kept: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert "not a folder" in refused(capsys, tmp_path / "nowhere")
    assert "not a folder" in refused(capsys, kept[1])
    assert "no object" in refused(capsys, tmp_path / "empty")
    assert "--digest" in refused(capsys, export, *kept[2:])
    assert "the digest" in refused(capsys, export, "--digest", kept[3])
    assert "nowhere" in refused(capsys, export, "--digest", tmp_path / "nowhere")
    assert "empty" in refused(capsys, export, *kept[:2], "--revision", _empty(tmp_path))
    (export / f"{EXPORT}.{STRAND}.completed.manifest").write_text("[")
    assert "completed.manifest" in refused(capsys, export)


def _empty(folder: Path) -> Path:
    (folder / "nothing").touch()
    return folder / "nothing"


def test_an_export_as_json_is_refused_with_the_reason(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for object_ in export.rglob("*.ion"):
        object_.rename(object_.with_suffix(".json"))
    assert "lost Ion's types" in refused(capsys, export)


def test_without_an_action_it_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qldb"]) == BAD_INPUT
    assert "carevouch qldb verify" in capsys.readouterr().err


def test_the_help_says_what_cannot_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        verify("--help")
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "no check can tell the following" in told
    assert "exit status" in told


def test_without_the_extra_it_says_how_to_get_it(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("carevouch.qldb.", "carevouch.cli.qldb."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amazon.ion", None)
    assert "pip install 'carevouch[qldb]'" in refused(capsys, export)


def test_the_command_starts_without_amazon_ion() -> None:
    code = "import sys, carevouch.cli.app; sys.exit(any(name.startswith('amazon') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_progress_is_shown_to_a_terminal_alone(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert verify(export) == OK
    assert "journal: 3 of 3 objects\n" in capsys.readouterr().err
