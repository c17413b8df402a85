"""The patient records of the story: every FHIR R4 Bundle below a folder, plain or gzipped.

Batches, which hold directories of organisations and practitioners, come first, because transactions refer to
them. A file that cannot be posted is named with the reason and left out. The reasons come from the server's
own code, so a folder is judged before the cloud starts.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carevouch.fhir import references
from carevouch.fhir.bundle import read_bundle
from carevouch.kernel.errors import Invalid, Malformed
from carevouch.kernel.jsontext import parse
from infra.faults import SetUpFault

SAMPLE = Path(__file__).resolve().parent.parent / "sample"
ENDINGS = (".json", ".json.gz")

Say = Callable[[str], None]
# The target of a conditional reference: type, system and value of an identifier.
Asked = tuple[str, str, str]


class Unplayable(Exception):
    """A file that the story cannot post. The message says why, without any of its content."""


@dataclass(frozen=True, slots=True)
class Records:
    """One file: its Bundle as bytes and parsed. Every entry has a resource with a type."""

    name: str
    raw: bytes
    bundle: dict[str, Any]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources of its entries."""
        return [entry["resource"] for entry in self.bundle.get("entry", [])]

    @property
    def patient(self) -> dict[str, Any] | None:
        """The Patient in the Bundle, or None for a directory."""
        return next((item for item in self.resources if item["resourceType"] == "Patient"), None)

    def counts(self) -> dict[str, int]:
        """The number of resources of each type."""
        counts: dict[str, int] = {}
        for resource in self.resources:
            counts[resource["resourceType"]] = counts.get(resource["resourceType"], 0) + 1
        return counts


def read_folder(folder: Path, say: Say = print) -> list[Records]:
    """All Bundles below `folder`, batches first. It prints each file that it leaves out, and why.

    Raises `SetUpFault` if no Bundle with a Patient is left.
    """
    read = list(_readable(folder, say))
    held = set(_held(records for records in read if records.patient is None))
    found = [records for records in read if _complete(records, held, say)]
    if not any(records.patient for records in found):
        raise SetUpFault(
            f"{folder} has no FHIR R4 Bundle with a Patient that can be posted (*.json or *.json.gz, batch "
            "or transaction): name another DATA=."
        )
    return sorted(found, key=lambda records: (records.bundle["type"] != "batch", records.name))


def choose_folder(named: str | None, beside: Path) -> Path:
    """The folder of DATA=, or the data beside the project, or our own sample."""
    if named:
        if not Path(named).is_dir():
            raise SetUpFault(f"DATA={named} is not a folder.")
        return Path(named)
    return beside if beside.is_dir() else SAMPLE


def _readable(folder: Path, say: Say) -> Iterator[Records]:
    for path in sorted(path for path in folder.rglob("*") if path.name.endswith(ENDINGS) and path.is_file()):
        name = str(path.relative_to(folder))
        try:
            yield _read(path, name)
        except Unplayable as why:
            say(f"left out {name}: {why}")


def _read(path: Path, name: str) -> Records:
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        bundle = parse(raw, "it")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unplayable("it is not gzip, or cut short") from error
    except OSError as error:
        raise Unplayable(f"it cannot be read ({error.strerror})") from error
    except Malformed as error:
        raise Unplayable(error.message) from error
    _check(bundle)
    return Records(name.removesuffix(".gz").removesuffix(".json"), raw, bundle)


def _check(bundle: Any) -> None:
    try:
        asked = read_bundle(bundle)
    except Invalid as error:
        raise Unplayable(error.message) from error
    for entry in asked.entries:
        if entry.issues:
            raise Unplayable(f"{entry.issues[0].where}: {entry.issues[0].message}")


def _complete(records: Records, held: set[Asked], say: Say) -> bool:
    """Whether the directories of the folder have every target of its conditional references."""
    missing = {asked for asked in _asked(records) if asked not in held}
    if missing:
        types = ", ".join(sorted({type_ for type_, _, _ in missing}))
        say(
            f"left out {records.name}: it refers to {len(missing)} resources ({types}) by identifiers that "
            "no directory in this folder holds; put the directory's Bundle there too"
        )
    return not missing


def _asked(records: Records) -> Iterator[Asked]:
    for resource in records.resources:
        for _, text in references.walk(resource):
            target = references.parse_target(text)
            if target.form == "conditional":
                try:
                    yield (str(target.type), *references.identifier_query(target))
                except Invalid:
                    # A condition that is not an identifier; the server refuses it in its own words.
                    continue


def _held(directories: Iterable[Records]) -> Iterator[Asked]:
    for records in directories:
        for resource in records.resources:
            given = resource.get("identifier")
            for item in given if isinstance(given, list) else []:
                if isinstance(item, dict):
                    yield resource["resourceType"], str(item.get("system")), str(item.get("value"))
