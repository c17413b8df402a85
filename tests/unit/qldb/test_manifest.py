"""The manifests of an export: listed objects must be there, and all objects must be listed."""

import pytest
from amazon.ion import simpleion  # type: ignore[import-untyped]

from carevouch.kernel.errors import Malformed
from carevouch.qldb.manifest import findings_in_manifests, refuse_json
from tests.unit.qldb.journals import STRAND, read

EXPORT = "8UyXulxccYLAsbN1aon7e4"
NAMES = [f"2019/10/25/17/{STRAND}.{first}-{first + 4}.ion" for first in (0, 5, 10)]
STARTED, COMPLETED = f"{EXPORT}.started.manifest", f"{EXPORT}.{STRAND}.completed.manifest"


def started(form: str = "ION_TEXT") -> bytes:
    return f'{{ledgerName:"l",exportId:"{EXPORT}",prefix:"journalExport",outputFormat:"{form}"}}'.encode()


def completed(names: list[str] = NAMES, prefix: str = "journalExport/") -> bytes:
    keys = ",".join(f'"{prefix}{name}"' for name in names)
    return f"{{keys:[{keys}]}}".encode()


def codes(names: list[str], manifests: dict[str, bytes]) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in findings_in_manifests(names, manifests)]


def test_a_whole_export_has_no_findings() -> None:
    assert codes(NAMES, {STARTED: started(), COMPLETED: completed()}) == []
    binary = {COMPLETED: simpleion.dumps(read(completed().decode()), binary=True)}
    assert codes(NAMES, binary) == []


@pytest.mark.parametrize("prefix", ["", "a/b/", "journalExport/"])
@pytest.mark.parametrize("folder", ["", "a/b/", "copy/of/a/b/"])
def test_a_copy_may_have_lost_folders_or_lie_below_others(prefix: str, folder: str) -> None:
    here = [folder + name for name in NAMES]
    matches = not prefix or not folder or folder.endswith(prefix)
    assert (codes(here, {COMPLETED: completed(prefix=prefix)}) == []) == matches


def test_objects_without_their_folders_are_found() -> None:
    assert codes([name.rpartition("/")[2] for name in NAMES], {COMPLETED: completed()}) == []


def test_a_listed_object_that_is_not_there_is_named() -> None:
    findings = list(findings_in_manifests(NAMES[:2], {COMPLETED: completed()}))
    assert [(item.code, item.where) for item in findings] == [("missing", COMPLETED)]
    assert f"{STRAND}.10-14.ion" in findings[0].message


def test_an_object_in_no_manifest_is_named() -> None:
    assert codes(NAMES, {COMPLETED: completed(NAMES[:2])}) == [("unlisted", NAMES[2])]


def test_an_object_in_another_hour_is_another_object() -> None:
    moved = [*NAMES[:2], NAMES[2].replace("/17/", "/18/")]
    assert codes(moved, {COMPLETED: completed()}) == [("missing", COMPLETED), ("unlisted", moved[2])]


def test_an_export_that_was_never_completed_is_named() -> None:
    assert codes(NAMES, {STARTED: started()}) == [("unfinished", STARTED)]
    other = {"Other.started.manifest": started(), STARTED: started(), COMPLETED: completed()}
    assert codes(NAMES, other) == [("unfinished", "Other.started.manifest")]


def test_without_manifests_nothing_is_missing() -> None:
    assert codes(NAMES, {}) == []


@pytest.mark.parametrize(
    "source", [b"", b"[]", b"{keys:1}", b"{keys:[1]}", b'{keys:[""]}', b"{keys:[], keys:[]}"]
)
def test_a_manifest_that_is_none_is_malformed(source: bytes) -> None:
    with pytest.raises(Malformed):
        codes(NAMES, {COMPLETED: source})


def test_an_export_as_json_is_refused_by_its_objects_or_its_manifest() -> None:
    refuse_json(NAMES, {STARTED: started(), COMPLETED: completed()})
    refuse_json([*NAMES, "digest.json", "my-proof.1-2.json"], {})
    with pytest.raises(Malformed, match="JSON"):
        refuse_json([name.replace(".ion", ".json") for name in NAMES], {})
    with pytest.raises(Malformed, match="JSON"):
        refuse_json([], {STARTED: started("JSON")})
