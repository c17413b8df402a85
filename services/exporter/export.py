"""Exports the blocks of a span of time into a bucket of its own, on the operator's request.

It reads only the public files of the log, and verifies them as any mirror would. The started manifest first
fixes the scope. After a run that stopped half way, the same request therefore continues, object for object.
The completed manifest is written last, and only once. A complete export is never written again. Bytes:
`carevouch.events.export`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from carevouch.events.blocks import Bundle, block_at, blocks_from, first_since
from carevouch.events.export import (
    COMPLETED,
    STARTED,
    ExportObject,
    ExportScope,
    SealProof,
    StrandExport,
    StrandScope,
    block_line,
    export_id,
    manifest_name,
    object_json,
    object_name,
    parse_objects,
    parse_started,
    render_completed,
    render_started,
)
from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Busy, Invalid
from carevouch.kernel.times import later, rfc3339
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.merkle import consistency_proof, edge_at, verify_consistency
from carevouch.ledger.tiles import WIDTH
from carevouch.sealing.marks import Mark
from carevouch.store.log.library import Library, PublishedCheckpoint
from carevouch.store.log.names import GENESIS
from carevouch.store.log.ports import ObjectDiffers, ObjectMoved, Objects

# An object is closed once it has so many bytes. Its last block adds 12 MB at most, so that a small function
# can hold it twice.
MAX_OBJECT_BYTES = 8_000_000
# After so many objects a note says where to go on. After a crash the objects since the last note are written
# again.
NOTE_EVERY = 10
# Two sweeps, after which every sealed block is published.
PUBLISHED_AFTER_SECONDS = 120
# A few bundles of 256 entries, for blocks that begin where others end.
_BUNDLES = 8
_PREFIX = re.compile(r"([A-Za-z0-9._=-]{1,60}/){0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The span (of block time, `start` included, `end` not), and the folder in the bucket."""

    start: str
    end: str
    prefix: str


class NoMarks:
    """A `ports.MarkReader` without marks: the exporter may not read the ledger's table, and walks entries."""

    def get(self, log: LogName, keys: object) -> Mapping[str, Mark]:
        """No mark for any key."""
        return {}


def parse_request(event: Mapping[str, object], now: str) -> ExportRequest:
    """The request `{"from", "to", "prefix"?}`. Raises `Invalid` or `Malformed`, saying what to mend."""
    if not {"from", "to"} <= set(event) <= {"from", "to", "prefix"}:
        raise Invalid('ask for an export with {"from": time, "to": time, "prefix": "folder/"}')
    start, end = (rfc3339(str(event[name]), name) for name in ("from", "to"))
    prefix, newest = str(event.get("prefix", "")), later(now, -PUBLISHED_AFTER_SECONDS)
    if start >= end:
        raise Invalid("from must be before to")
    if end > newest:
        raise Invalid(f"to must be {newest} at most: later blocks may not be published yet")
    if not _PREFIX.fullmatch(prefix):
        raise Invalid("prefix must be empty, or names of letters, digits and ._=- that each end with a slash")
    return ExportRequest(start, end, prefix)


class Exporter:
    """Exports to `objects`. After each object, `has_time` says whether there is time for another."""

    def __init__(self, library: Library, objects: Objects, has_time: Callable[[], bool]) -> None:
        self._library = library
        self._objects = objects
        self._has_time = has_time

    def run(self, request: ExportRequest) -> JsonObject:
        """Export, or continue an export. Returns `{"id", "status", "manifest"}`.

        The status is `completed`, or `started` if time ran out; then the caller repeats the request. Raises
        `NotFound` before genesis and the first checkpoints.
        """
        id_ = export_id(self._library.genesis().origin, request.start, request.end)
        name = request.prefix + manifest_name(id_, COMPLETED)
        if self._objects.get(name) is not None:
            return {"id": id_, "status": COMPLETED, "manifest": name}
        scope = self._scope(request)
        work = _Work(request.prefix, scope, self._library, self._objects)
        for _ in work.objects():
            if not self._has_time():
                work.note()
                return {
                    "id": id_,
                    "status": STARTED,
                    "manifest": request.prefix + manifest_name(id_, STARTED),
                }
        self._objects.create(name, work.manifest())
        return {"id": id_, "status": COMPLETED, "manifest": name}

    def _scope(self, request: ExportRequest) -> ExportScope:
        """The scope in the started manifest. Without that manifest, it is fixed and stored now."""
        library = self._library
        genesis = library.genesis()
        id_ = export_id(genesis.origin, request.start, request.end)
        name = request.prefix + manifest_name(id_, STARTED)
        found = self._objects.get(name)
        if found is not None:
            return parse_started(found.data)
        strands = []
        for strand in range(genesis.strand_count):
            published = library.published(strand)
            size, bundle = published.checkpoint.size, _bundles(library, published)
            first, end = (first_since(time, size, bundle) for time in (request.start, request.end))
            strands.append(StrandScope(strand, published.note.decode("utf-8"), first, end))
        note, epochs = library.file(GENESIS).decode("utf-8"), library.epochs().decode("utf-8")
        scope = ExportScope(genesis.origin, request.start, request.end, note, epochs, tuple(strands))
        try:
            self._objects.create(name, render_started(scope))
        except ObjectDiffers:
            # Another run began the same export at the same time: its scope counts.
            found = self._objects.get(name)
            if found is None:
                raise Busy("another run began this export and its manifest is gone; ask again") from None
            return parse_started(found.data)
        return scope


class _Work:
    """The objects of one export: those that a note names as written, and those that are still to come."""

    def __init__(self, prefix: str, scope: ExportScope, library: Library, objects: Objects) -> None:
        self._prefix = prefix
        self._scope = scope
        self._library = library
        self._objects = objects
        self._stored_note = objects.get(self._note_name)
        self._written: dict[int, list[ExportObject]] = defaultdict(list)
        if self._stored_note is not None:
            for strand, items in parse_jcs(self._stored_note.data, "the export's note").items():
                self._written[int(strand)] = list(parse_objects(items))

    @property
    def _note_name(self) -> str:
        return f"{self._prefix}{self._scope.id}.note"

    def objects(self) -> Iterator[ExportObject]:
        """Write the missing objects, and yield each."""
        for strand in self._scope.strands:
            written = self._written[strand.strand]
            start = written[-1].end if written else strand.first
            for item in self._of_strand(strand, start):
                written.append(item)
                if len(written) % NOTE_EVERY == 0:
                    self.note()
                yield item

    def note(self) -> None:
        """Note the written objects. If another run notes the same export, its note is as good."""
        note = {str(strand): [object_json(one) for one in items] for strand, items in self._written.items()}
        with suppress(ObjectMoved):
            self._objects.swap(self._note_name, self._stored_note, jcs(note))
        self._stored_note = self._objects.get(self._note_name)

    def manifest(self) -> bytes:
        """The completed manifest, each of its proofs verified."""
        return render_completed(self._scope, [self._export(strand) for strand in self._scope.strands])

    def _of_strand(self, strand: StrandScope, start: int) -> Iterator[ExportObject]:
        bundle = _bundles(self._library, self._published(strand))
        lines: list[bytes] = []
        size, first = 0, start
        for block in blocks_from(start, strand.end, bundle):
            entries = [bundle(at // WIDTH)[at % WIDTH] for at in range(block.block.first, block.block.end)]
            lines.append(block_line(strand.strand, block, entries))
            size += len(lines[-1])
            if size >= MAX_OBJECT_BYTES or block.block.end == strand.end:
                data, name = b"".join(lines), object_name(self._scope.id, strand.strand, first)
                self._objects.create(self._prefix + name, data)
                yield ExportObject(name, sha256(data).hex(), len(data), first, block.block.end)
                lines, size, first = [], 0, block.block.end

    def _export(self, strand: StrandScope) -> StrandExport:
        published = self._published(strand)
        head, reader = published.checkpoint, self._library.reader(published)
        edge, growth = edge_at(reader, strand.first), consistency_proof(reader, strand.end, head.size)
        before = consistency_proof(reader, strand.first, head.size)
        verify_consistency(strand.first, edge.root(), head.size, head.root, before)
        verify_consistency(strand.end, edge_at(reader, strand.end).root(), head.size, head.root, growth)
        following = None
        if strand.end < head.size:
            bundle = _bundles(self._library, published)
            following = block_at(strand.end, head.size, bundle).block.end - 1
        return StrandExport(
            strand,
            tuple(self._written[strand.strand]),
            edge.hashes,
            tuple(growth),
            self._seal(published, strand.first - 1 if strand.first else None),
            self._seal(published, following),
        )

    def _seal(self, published: PublishedCheckpoint, index: int | None) -> SealProof | None:
        if index is None:
            return None
        placed = self._library.place(published, index)
        return SealProof(placed.entry.decode("ascii"), placed.proof.path)

    def _published(self, strand: StrandScope) -> PublishedCheckpoint:
        """The checkpoint of the scope, verified: the bucket it comes from is not trusted."""
        note = strand.checkpoint.encode("utf-8")
        origin = self._library.origin(strand.strand)
        return PublishedCheckpoint(strand.strand, self._library.keys.open(note, origin), note)


def _bundles(library: Library, published: PublishedCheckpoint) -> Bundle:
    return lru_cache(_BUNDLES)(lambda number: library.bundle(published, number))
