"""The manifests of an export: which objects it wrote, and in which format.

`<exportId>.started.manifest` holds the request; `<exportId>.<strandId>.completed.manifest` lists the keys of
the objects that were written. Both are in the format of the export. Like the journal, they are not signed.
(https://docs.aws.amazon.com/qldb/latest/developerguide/export-journal.output.html)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from carevouch.kernel.errors import Malformed
from carevouch.ledger.walk import Finding
from carevouch.qldb.ion import items, member, only_value, struct

STARTED, COMPLETED, OBJECT = ".started.manifest", ".completed.manifest", ".ion"
_JSON_OBJECT = re.compile(r"[0-9A-Za-z]+\.[0-9]+-[0-9]+\.json")
_JSON = (
    "this export is JSON: it lost Ion's types, and with them every hash; only an Ion export can be verified"
)


def refuse_json(names: Sequence[str], manifests: Mapping[str, bytes]) -> None:
    """Raise `Malformed` for an export as JSON, by the names of its objects or a manifest."""
    if any(_JSON_OBJECT.fullmatch(PurePosixPath(name).name) for name in names):
        raise Malformed(_JSON)
    for name, source in manifests.items():
        if name.endswith(STARTED) and member(_manifest(source, name), "outputFormat") == "JSON":
            raise Malformed(_JSON)


def findings_in_manifests(names: Sequence[str], manifests: Mapping[str, bytes]) -> Iterator[Finding]:
    """Findings for missing or unlisted objects, and for exports that were never completed.

    `names` are the paths of the objects below the folder. `manifests` maps paths to bytes. Without a manifest
    there are no findings. Raises `Malformed` for a manifest that cannot be read.
    """
    listed: dict[str, list[str]] = {}
    for manifest, source in manifests.items():
        if manifest.endswith(COMPLETED):
            keys = items(_manifest(source, manifest), "keys", manifest)
            if not all(isinstance(key, str) and PurePosixPath(key).name for key in keys):
                raise Malformed(f"{manifest} lists an entry that is no key")
            listed[manifest] = [str(key) for key in keys]
    paths: dict[str, list[str]] = {}
    for name in names:
        paths.setdefault(PurePosixPath(name).name, []).append(name)
    unlisted = set(names)
    for manifest, keys in sorted(listed.items()):
        for key in keys:
            last = PurePosixPath(key).name
            objects = [name for name in paths.get(last, ()) if _may_be(name, key)]
            unlisted.difference_update(objects)
            if not objects:
                yield Finding("missing", manifest, f"the object {last} is not in the folder")
    if listed:
        for name in sorted(unlisted):
            yield Finding("unlisted", name, "no manifest lists this object")
    completed = {PurePosixPath(manifest).name.partition(".")[0] for manifest in listed}
    for manifest in sorted(manifests):
        is_started = manifest.endswith(STARTED)
        if is_started and PurePosixPath(manifest).name.removesuffix(STARTED) not in completed:
            yield Finding("unfinished", manifest, "no manifest says that this export was completed")


def _may_be(name: str, key: str) -> bool:
    """Whether the object at a path may be that of a key.

    A copy may have lost leading folders of the key, or lie below others.
    """
    path, parts = PurePosixPath(name).parts, PurePosixPath(key).parts
    return parts[-len(path) :] == path or path[-len(parts) :] == parts


def _manifest(source: bytes, name: str) -> Any:
    return struct(only_value(source, name), name)
