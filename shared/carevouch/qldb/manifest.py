"""The manifests of an export: which objects it wrote, and in which format.

`<exportId>.started.manifest` says what was asked for, `<exportId>.<strandId>.completed.manifest` lists the
keys of the objects that were written; both are in the format of the export. They are no more signed than the
journal is. (https://docs.aws.amazon.com/qldb/latest/developerguide/export-journal.output.html)
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
    """Raise `Malformed` for an export as JSON, told by the names of its objects or by a manifest."""
    if any(_JSON_OBJECT.fullmatch(PurePosixPath(name).name) for name in names):
        raise Malformed(_JSON)
    for name, source in manifests.items():
        if name.endswith(STARTED) and member(_manifest(source, name), "outputFormat") == "JSON":
            raise Malformed(_JSON)


def findings_in_manifests(names: Sequence[str], manifests: Mapping[str, bytes]) -> Iterator[Finding]:
    """Objects that are listed and not there, or there and not listed; exports that were never completed.

    `names` are the paths of the objects below the folder, `manifests` the bytes of each by its path. Nothing
    is found where there is no manifest at all. Raises `Malformed` for one that cannot be read.
    """
    listed = {name: _keys(source, name) for name, source in manifests.items() if name.endswith(COMPLETED)}
    folder = _Folder(names)
    for manifest, keys in sorted(listed.items()):
        for key in keys:
            if not folder.holds(key):
                message = f"the object {PurePosixPath(key).name} is not in the folder"
                yield Finding("missing", manifest, message)
    yield from _unlisted(folder, listed)
    yield from _unfinished(manifests, listed)


class _Folder:
    """The objects that are there, and which of them a manifest listed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.unlisted = set(names)
        self._paths: dict[str, list[str]] = {}
        for name in names:
            self._paths.setdefault(PurePosixPath(name).name, []).append(name)

    def holds(self, key: str) -> bool:
        """Whether an object is there that a key may be.

        A copy has lost leading folders of the key, or is itself below others.
        """
        parts = PurePosixPath(key).parts
        found = False
        for name in self._paths.get(parts[-1], ()):
            path = PurePosixPath(name).parts
            if parts[-len(path) :] == path or path[-len(parts) :] == parts:
                self.unlisted.discard(name)
                found = True
        return found


def _unlisted(folder: _Folder, listed: Collection[str]) -> Iterator[Finding]:
    for name in sorted(folder.unlisted) if listed else ():
        yield Finding("unlisted", name, "no manifest lists this object")


def _unfinished(manifests: Collection[str], listed: Collection[str]) -> Iterator[Finding]:
    completed = {PurePosixPath(name).name.partition(".")[0] for name in listed}
    for name in sorted(manifests):
        if name.endswith(STARTED) and PurePosixPath(name).name.removesuffix(STARTED) not in completed:
            yield Finding("unfinished", name, "no manifest says that this export was completed")


def _keys(source: bytes, name: str) -> list[str]:
    keys = items(_manifest(source, name), "keys", name)
    if not all(isinstance(key, str) and PurePosixPath(key).name for key in keys):
        raise Malformed(f"{name} lists what is no key")
    return [str(key) for key in keys]


def _manifest(source: bytes, name: str) -> Any:
    return struct(only_value(source, name), name)
