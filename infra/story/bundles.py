"""The patient records that the story plays with: every FHIR R4 Bundle of a folder, plain or gzipped.

Batches (a directory of organisations and practitioners) come first, because transactions refer to what they
hold.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.faults import SetUpFault
from shared.kernel.errors import Malformed
from shared.kernel.jsontext import parse

SAMPLE = Path(__file__).resolve().parent.parent / "sample"


@dataclass(frozen=True, slots=True)
class Records:
    """One file: its Bundle as sent and as read."""

    name: str
    raw: bytes
    bundle: dict[str, Any]

    @property
    def patient(self) -> dict[str, Any] | None:
        """The Patient in it, or None for a directory."""
        resources = (entry.get("resource", {}) for entry in self.bundle.get("entry", []))
        return next((resource for resource in resources if resource.get("resourceType") == "Patient"), None)

    def counts(self) -> dict[str, int]:
        """How many resources of each type."""
        counts: dict[str, int] = {}
        for entry in self.bundle.get("entry", []):
            type_ = entry["resource"]["resourceType"]
            counts[type_] = counts.get(type_, 0) + 1
        return counts


def read_folder(folder: Path) -> list[Records]:
    """All Bundles of `folder`, batches first; raises `SetUpFault` where there is none."""
    files = sorted(path for path in folder.glob("*.json*") if path.name.endswith((".json", ".json.gz")))
    found = [records for path in files if (records := _read(path)) is not None]
    if not any(records.patient for records in found):
        raise SetUpFault(
            f"{folder} holds no FHIR R4 Bundle with a Patient (*.json or *.json.gz): name another DATA=."
        )
    return sorted(found, key=lambda records: (records.bundle["type"] != "batch", records.name))


def choose_folder(named: str | None, beside: Path) -> Path:
    """The folder of DATA=, else the data beside the project where there is some, else our own sample."""
    if named:
        if not Path(named).is_dir():
            raise SetUpFault(f"DATA={named} is not a folder.")
        return Path(named)
    return beside if beside.is_dir() else SAMPLE


def _read(path: Path) -> Records | None:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        value = parse(raw, path.name)
    except Malformed:
        return None
    if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
        return None
    return (
        Records(path.name.partition(".")[0], raw, value)
        if value.get("type") in ("batch", "transaction")
        else None
    )
