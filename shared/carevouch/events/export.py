"""The format of an export: objects of JSON Lines with a block a line, and two manifests.

The model is Amazon QLDB's ExportJournalToS3. An export has the blocks of all strands whose block time is in
[from, to). Its id follows from its span, so a second request for the same span continues the same export.
`<id>.started.manifest` fixes the export: a signed checkpoint of every strand, and the entries of the span.
`<id>.completed.manifest` names the objects, and has the proofs by which the export is verified alone
(`carevouch.verifier.export`). An export holds only the public log, so it has no secret and no personal data.

Every line and manifest is canonical JSON (RFC 8785). A manifest's `sha256` is the hash of its other members.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from carevouch.events.blocks import SealedBlock
from carevouch.kernel.canonical import JsonObject, is_whole, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, base32, sha256, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.merkle import HASH_LENGTH

STARTED, COMPLETED = "started", "completed"
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SCOPE = frozenset({"v", "kind", "id", "origin", "from", "to", "genesis", "epochs", "strands"})
_STRAND = frozenset({"strand", "checkpoint", "first", "end"})
_PROOFS = frozenset({"edge", "growth", "before", "after", "objects"})
_OBJECT = frozenset({"name", "sha256", "bytes", "first", "end"})

Value = TypeVar("Value")


class ExportFault(IntegrityFault):
    """An export does not agree with its manifest or its log. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class StrandScope:
    """The entries [first, end) of one strand, under a published checkpoint."""

    strand: int
    checkpoint: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class ExportScope:
    """The extent of an export. `genesis` and `epochs` are the texts of these public files."""

    origin: str
    start: str
    end: str
    genesis: str
    epochs: str
    strands: tuple[StrandScope, ...]

    @property
    def id(self) -> str:
        """The export's id."""
        return export_id(self.origin, self.start, self.end)


@dataclass(frozen=True, slots=True)
class ExportObject:
    """An object of whole blocks: the entries [first, end) of its strand."""

    name: str
    sha256: str
    size: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class SealProof:
    """A block's seal and its inclusion path under the strand's checkpoint."""

    entry: str
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StrandExport:
    """A strand's objects, with the proof that they are the whole span of the signed log.

    `edge` is the edge of the tree before the span. `growth` leads from the tree after the span to the
    checkpoint's tree. `before` and `after` are the seals of the blocks next to the span, or None.
    """

    scope: StrandScope
    objects: tuple[ExportObject, ...]
    edge: tuple[bytes, ...]
    growth: tuple[bytes, ...]
    before: SealProof | None
    after: SealProof | None


def export_id(origin: str, start: str, end: str) -> str:
    """The id of an export, from its log and span: 26 characters."""
    return base32(sha256(jcs(["carevouch.export.v1", origin, start, end]))[:16])


def manifest_name(id_: str, kind: str) -> str:
    """The name of a manifest, which lies beside the folder of the objects."""
    return f"{id_}.{kind}.manifest"


def object_name(id_: str, strand: int, first: int) -> str:
    """The name of the object that begins with entry `first`. A listing by name is in order."""
    return f"{id_}/{strand}/{first:015d}.jsonl"


def block_line(strand: int, block: SealedBlock, entries: Sequence[bytes]) -> bytes:
    """The line of a block, with its line feed."""
    line: JsonObject = {
        "v": 1,
        "strand": strand,
        **block.block.data,
        "time": block.time,
        "hash": b64u(block.hash),
        "entries": [entry.decode("ascii") for entry in entries],
    }
    return jcs(line) + b"\n"


def render_started(scope: ExportScope) -> bytes:
    """The bytes of the started manifest."""
    return _closed(_scope_json(scope, STARTED, [_strand_json(one) for one in scope.strands]))


def parse_started(data: bytes) -> ExportScope:
    """The scope that a started manifest fixes; raises `ExportFault`."""
    body = _opened(data, STARTED)
    return _scope(body, tuple(_strand(one) for one in _checked(body["strands"], _STRAND)))


def render_completed(scope: ExportScope, strands: Sequence[StrandExport]) -> bytes:
    """The bytes of the completed manifest."""
    return _closed(_scope_json(scope, COMPLETED, [_export_json(one) for one in strands]))


def parse_completed(data: bytes) -> tuple[ExportScope, tuple[StrandExport, ...]]:
    """The scope and the strands in a completed manifest, not verified; raises `ExportFault`."""
    body = _opened(data, COMPLETED)
    strands = tuple(_export(one) for one in _checked(body["strands"], _STRAND | _PROOFS))
    return _scope(body, tuple(one.scope for one in strands)), strands


def object_json(item: ExportObject) -> JsonObject:
    """The entry of an object in a manifest."""
    return {
        "name": item.name,
        "sha256": item.sha256,
        "bytes": item.size,
        "first": item.first,
        "end": item.end,
    }


def parse_objects(value: Any) -> tuple[ExportObject, ...]:
    """The objects that a manifest names; raises `ExportFault`."""
    found = []
    for one in _checked(value, _OBJECT):
        if not _HEX.fullmatch(_typed(one["sha256"], str)):
            raise ExportFault("the manifest gives an object a sha256 that is not 64 hexadecimal digits")
        numbers = [_whole(one[name]) for name in ("bytes", "first", "end")]
        found.append(ExportObject(_typed(one["name"], str), one["sha256"], *numbers))
    return tuple(found)


def _closed(body: JsonObject) -> bytes:
    return jcs({**body, "sha256": sha256(jcs(body)).hex()})


def _opened(data: bytes, kind: str) -> JsonObject:
    try:
        body = parse_jcs(data, "the manifest")
    except Malformed as error:
        raise ExportFault(error.message) from error
    stated = body.pop("sha256", None)
    if stated != sha256(jcs(body)).hex():
        raise ExportFault("the manifest was changed: its members do not have the hash in its sha256")
    if set(body) != _SCOPE or not is_whole(body["v"], 1, 1) or body["kind"] != kind:
        raise ExportFault(f"the file is not a {kind} manifest with exactly the members of version 1")
    return body


def _scope_json(scope: ExportScope, kind: str, strands: list[JsonObject]) -> JsonObject:
    return {
        "v": 1,
        "kind": kind,
        "id": scope.id,
        "origin": scope.origin,
        "from": scope.start,
        "to": scope.end,
        "genesis": scope.genesis,
        "epochs": scope.epochs,
        "strands": strands,
    }


def _scope(body: JsonObject, strands: tuple[StrandScope, ...]) -> ExportScope:
    origin, start, end, genesis, epochs = (
        _typed(body[name], str) for name in ("origin", "from", "to", "genesis", "epochs")
    )
    scope = ExportScope(origin, start, end, genesis, epochs, strands)
    if body["id"] != scope.id:
        raise ExportFault("the manifest's id is not that of its log and span")
    return scope


def _strand_json(scope: StrandScope) -> JsonObject:
    return {
        "strand": scope.strand,
        "checkpoint": scope.checkpoint,
        "first": scope.first,
        "end": scope.end,
    }


def _strand(value: JsonObject) -> StrandScope:
    strand, first, end = (_whole(value[name]) for name in ("strand", "first", "end"))
    return StrandScope(strand, _typed(value["checkpoint"], str), first, end)


def _export_json(strand: StrandExport) -> JsonObject:
    return {
        **_strand_json(strand.scope),
        "objects": [object_json(item) for item in strand.objects],
        "edge": [b64u(hash_) for hash_ in strand.edge],
        "growth": [b64u(hash_) for hash_ in strand.growth],
        "before": _seal_json(strand.before),
        "after": _seal_json(strand.after),
    }


def _export(value: JsonObject) -> StrandExport:
    return StrandExport(
        _strand(value),
        parse_objects(value["objects"]),
        _hashes(value["edge"]),
        _hashes(value["growth"]),
        _seal(value["before"]),
        _seal(value["after"]),
    )


def _seal_json(proof: SealProof | None) -> JsonObject | None:
    return None if proof is None else {"entry": proof.entry, "path": [b64u(hash_) for hash_ in proof.path]}


def _seal(value: Any) -> SealProof | None:
    if value is None:
        return None
    (proof,) = _checked([value], frozenset({"entry", "path"}))
    return SealProof(_typed(proof["entry"], str), _hashes(proof["path"]))


def _hashes(value: Any) -> tuple[bytes, ...]:
    try:
        found = tuple(unb64u(_typed(item, str), "a hash in the manifest") for item in _typed(value, list))
    except Malformed as error:
        raise ExportFault(error.message) from error
    if any(len(hash_) != HASH_LENGTH for hash_ in found):
        raise ExportFault("a hash in the manifest is not 32 bytes")
    return found


def _checked(value: Any, members: frozenset[str]) -> list[JsonObject]:
    items: list[JsonObject] = _typed(value, list)
    if not all(isinstance(item, dict) and set(item) == members for item in items):
        raise ExportFault(
            f"the manifest has an item without exactly the members {', '.join(sorted(members))}"
        )
    return items


def _typed(value: Any, kind: type[Value]) -> Value:
    if not isinstance(value, kind):
        raise ExportFault(f"the manifest has a value of another type where a {kind.__name__} is expected")
    return value


def _whole(value: Any) -> int:
    if not is_whole(value, 0, 2**53):
        raise ExportFault("the manifest has a number that is negative or not whole")
    return int(value)
