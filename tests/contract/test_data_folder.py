"""`make run DATA=folder` takes every R4 Bundle below the folder, and says why of each file it leaves out."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from infra.faults import SetUpFault
from infra.story.bundles import SAMPLE, choose_folder, read_folder


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with the sample in it, to which a test adds something odd."""
    for path in SAMPLE.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def _patient(**changed: Any) -> bytes:
    bundle: dict[str, Any] = json.loads((SAMPLE / "patient-1.json").read_bytes())
    return json.dumps(bundle | changed).encode()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("odd.json.gz", b"not gzip", "not gzip"),
        ("odd.json.gz", gzip.compress(_patient(), mtime=0)[:-9], "cut short"),
        ("odd.json.gz", gzip.compress(b"{", mtime=0), "it"),
        ("odd.json", b"{", "it"),
        ("odd.json", b"\xff\xfe", "it"),
        ("odd.json", b'{"resourceType": "Bundle", "resourceType": "Bundle"}', "it"),
        ("odd.json", b"[]", "must be a Bundle"),
        ("odd.json", b'{"resourceType": "Patient"}', "must be a Bundle"),
        ("odd.json", _patient(type="collection"), "a transaction or a batch"),
        ("odd.json", _patient(type=7), "a transaction or a batch"),
        ("odd.json", _patient(entry={}), "Bundle.entry"),
        ("odd.json", _patient(entry=[{"request": {"method": "GET", "url": "Patient"}}]), "POST, PUT only"),
        ("odd.json", _patient(entry=[{"request": {"method": "POST", "url": "Patient"}}]), "Bundle.entry[0]"),
        ("odd.json", _patient(type="batch", entry=[{"request": {"method": "POST", "url": "Claim"}}]), "[0]"),
        ("odd.json", _patient(entry=[{"resource": {}}]), "Bundle.entry[0]"),
        ("odd.json", _patient(entry=[7]), "Bundle.entry[0]"),
        ("deep/er/odd.json", b"[]", "must be a Bundle"),
    ],
)
def test_what_cannot_be_played_is_named_in_one_line_and_the_rest_is_played(
    sample: Path, name: str, content: bytes, why: str
) -> None:
    (sample / name).parent.mkdir(parents=True, exist_ok=True)
    (sample / name).write_bytes(content)
    said: list[str] = []
    found = read_folder(sample, said.append)
    assert [records.name for records in found] == ["directory", "patient-1", "patient-2"]
    (line,) = said
    assert line.startswith(f"left out {name}: ")
    assert why in line
    assert "\n" not in line


def test_bundles_in_folders_below_are_found_gzipped_or_not(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "directory.json").write_bytes((SAMPLE / "directory.json").read_bytes())
    (tmp_path / "a" / "one.json").write_bytes(_patient())
    (tmp_path / "a" / "b" / "two.json.gz").write_bytes(gzip.compress(_patient(), mtime=0))
    said: list[str] = []
    assert [r.name for r in read_folder(tmp_path, said.append)] == ["directory", "a/b/two", "a/one"]
    assert said == []


def test_a_transaction_whose_directory_is_missing_is_left_out_with_a_sentence(sample: Path) -> None:
    (sample / "directory.json").unlink()
    said: list[str] = []
    with pytest.raises(SetUpFault, match="no FHIR R4 Bundle with a Patient"):
        read_folder(sample, said.append)
    assert len(said) == 2
    assert all("put the directory's Bundle there too" in line for line in said)
    assert all("Practitioner" in line for line in said)
    assert not any("p-001" in line for line in said), "types and numbers, no identifiers"


def test_a_directory_that_lacks_one_of_those_referred_to_is_named_as_incomplete(sample: Path) -> None:
    directory = json.loads((sample / "directory.json").read_bytes())
    directory["entry"] = [e for e in directory["entry"] if e["resource"]["resourceType"] != "Location"]
    (sample / "directory.json").write_text(json.dumps(directory))
    said: list[str] = []
    with pytest.raises(SetUpFault):
        read_folder(sample, said.append)
    assert all("(Location)" in line for line in said)


def test_an_empty_folder_and_none_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetUpFault, match="name another DATA="):
        read_folder(tmp_path)
    with pytest.raises(SetUpFault, match="is not a folder"):
        choose_folder(str(tmp_path / "absent"), SAMPLE)
