"""The patient records that the story plays with: every FHIR R4 Bundle below a folder, plain or gzipped.

Batches (a directory of organisations and practitioners) come first, because transactions refer to what they
hold. What cannot be played is named with its reason and left out: nothing is dropped in silence. The reasons
are the server's own, from the same code, so that a folder is judged before the cloud starts.
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
# What a conditional reference asks for: type, system and value of an identifier.
Asked = tuple[str, str, str]


class Unplayable(Exception):
    """A file that the story cannot post; the message says why, without a word of its contents."""


@dataclass(frozen=True, slots=True)
class Records:
    """One file: its Bundle as sent and as read; every entry has a resource with a type."""

    name: str
    raw: bytes
    bundle: dict[str, Any]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources of its entries."""
        return [entry["resource"] for entry in self.bundle.get("entry", [])]

    @property
    def patient(self) -> dict[str, Any] | None:
        """The Patient in it, or None for a directory."""
        return next((item for item in self.resources if item["resourceType"] == "Patient"), None)

    def counts(self) -> dict[str, int]:
        """How many resources of each type."""
        counts: dict[str, int] = {}
        for resource in self.resources:
            counts[resource["resourceType"]] = counts.get(resource["resourceType"], 0) + 1
        return counts


def read_folder(folder: Path, say: Say = print) -> list[Records]:
    """All Bundles below `folder`, batches first; says what it leaves out, and why.

    Raises `SetUpFault` where no Bundle with a Patient is left.
    """
    read = list(_readable(folder, say))
    held = set(_held(records for records in read if records.patient is None))
    found = [records for records in read if _complete(records, held, say)]
    if not any(records.patient for records in found):
        raise SetUpFault(
            f"{folder} holds no FHIR R4 Bundle with a Patient that can be played (*.json or *.json.gz, batch "
            "or transaction): name another DATA=."
        )
    return sorted(found, key=lambda records: (records.bundle["type"] != "batch", records.name))


def choose_folder(named: str | None, beside: Path) -> Path:
    """The folder of DATA=, else the data beside the project where there is some, else our own sample."""
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
    """Whether all that its conditional references ask for is in some directory of the folder."""
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
                    # Another condition than an identifier: the server has the words for that.
                    continue


def _held(directories: Iterable[Records]) -> Iterator[Asked]:
    for records in directories:
        for resource in records.resources:
            given = resource.get("identifier")
            for item in given if isinstance(given, list) else []:
                if isinstance(item, dict):
                    yield resource["resourceType"], str(item.get("system")), str(item.get("value"))
