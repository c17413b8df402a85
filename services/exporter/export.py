"""The exporter: writes the blocks of a span of time into a bucket of its own, for whoever asks the operator.

It reads the public files of the log and nothing else, and verifies what it reads as any mirror would. What is
exported is fixed first, in the started manifest, so that a run that stops half way is continued by the next
one with the same words, object for object; the completed manifest is written last and once. An export that is
there is never written again. Bytes: `carevouch.events.export`.
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

# An object is closed once it has so many bytes: with its last block, of 12 MB at most, it fits the memory of
# a small function twice.
MAX_OBJECT_BYTES = 8_000_000
# After so many objects a note is made where to go on; what came after it, a crash makes be written again.
NOTE_EVERY = 10
# Two sweeps: what was sealed before has been published by then.
PUBLISHED_AFTER_SECONDS = 120
# A few bundles of 256 entries, for blocks that begin where others end.
_BUNDLES = 8
_PREFIX = re.compile(r"([A-Za-z0-9._=-]{1,60}/){0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which span (block time, `start` included, `end` not), and the folder in the bucket."""

    start: str
    end: str
    prefix: str


class NoMarks:
    """`ports.MarkReader` for who may not read the ledger's table and, going through entries, needs none."""

    def get(self, log: LogName, keys: object) -> Mapping[str, Mark]:
        """None."""
        return {}


def parse_request(event: Mapping[str, object], now: str) -> ExportRequest:
    """The request `{"from", "to", "prefix"?}`; raises `Invalid`, `Malformed` saying what to mend."""
    if not {"from", "to"} <= set(event) <= {"from", "to", "prefix"}:
        raise Invalid('an export is asked for by {"from": time, "to": time, "prefix": "folder/"}')
    start, end = (rfc3339(str(event[name]), name) for name in ("from", "to"))
    prefix, newest = str(event.get("prefix", "")), later(now, -PUBLISHED_AFTER_SECONDS)
    if start >= end:
        raise Invalid("from is not before to")
    if end > newest:
        raise Invalid(f"to is at most {newest}: what was sealed later may not be published yet")
    if not _PREFIX.fullmatch(prefix):
        raise Invalid("prefix is empty, or names of letters, digits and ._=- that each end with a slash")
    return ExportRequest(start, end, prefix)


class Exporter:
    """Exports to `objects`; `has_time` is asked after each object whether to go on."""

    def __init__(self, library: Library, objects: Objects, has_time: Callable[[], bool]) -> None:
        self._library = library
        self._objects = objects
        self._has_time = has_time

    def run(self, request: ExportRequest) -> JsonObject:
        """Export, or go on exporting: `{"id", "status", "manifest", "objects"}`.

        The status is `completed`, or `started` if time ran out: ask again for the same then. Raises
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
        """The scope that was fixed by whoever began this export; fixed now if nobody did."""
        id_ = export_id(self._library.genesis().origin, request.start, request.end)
        name = request.prefix + manifest_name(id_, STARTED)
        found = self._objects.get(name)
        if found is None:
            scope = self._fixed(request)
            try:
                self._objects.create(name, render_started(scope))
            except ObjectDiffers:
                found = self._objects.get(name)
            else:
                return scope
        if found is None:
            raise Busy("the export was begun elsewhere and is gone; ask again")
        return parse_started(found.data)

    def _fixed(self, request: ExportRequest) -> ExportScope:
        library = self._library
        genesis = library.genesis()
        strands = []
        for strand in range(genesis.strand_count):
            published = library.published(strand)
            size, bundle = published.checkpoint.size, _bundles(library, published)
            first, end = (first_since(time, size, bundle) for time in (request.start, request.end))
            strands.append(StrandScope(strand, published.note.decode("utf-8"), first, end))
        note = library.file(GENESIS).decode("utf-8")
        epochs = library.epochs().decode("utf-8")
        return ExportScope(genesis.origin, request.start, request.end, note, epochs, tuple(strands))


class _Work:
    """The objects of one export, those that are noted as written and those to come."""

    def __init__(self, prefix: str, scope: ExportScope, library: Library, objects: Objects) -> None:
        self._prefix = prefix
        self._scope = scope
        self._library = library
        self._objects = objects
        self._noted = objects.get(self._note_name)
        self._written: dict[int, list[ExportObject]] = defaultdict(list)
        if self._noted is not None:
            for strand, items in parse_jcs(self._noted.data, "the export's note").items():
                self._written[int(strand)] = list(parse_objects(items))

    @property
    def _note_name(self) -> str:
        return f"{self._prefix}{self._scope.id}.note"

    def objects(self) -> Iterator[ExportObject]:
        """Write what is missing, object by object."""
        for strand in self._scope.strands:
            written = self._written[strand.strand]
            start = written[-1].end if written else strand.first
            for item in self._of_strand(strand, start):
                written.append(item)
                if len(written) % NOTE_EVERY == 0:
                    self.note()
                yield item

    def note(self) -> None:
        """Note what is written; where somebody else notes the same export, their note does as well."""
        said = {str(strand): [object_json(one) for one in items] for strand, items in self._written.items()}
        with suppress(ObjectMoved):
            self._objects.swap(self._note_name, self._noted, jcs(said))
        self._noted = self._objects.get(self._note_name)

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
                yield self._put(strand.strand, first, block.block.end, b"".join(lines))
                lines, size, first = [], 0, block.block.end

    def _put(self, strand: int, first: int, end: int, data: bytes) -> ExportObject:
        name = object_name(self._scope.id, strand, first)
        self._objects.create(self._prefix + name, data)
        return ExportObject(name, sha256(data).hex(), len(data), first, end)

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
        """The checkpoint of the scope, verified: it comes out of the bucket like everything else."""
        note = strand.checkpoint.encode("utf-8")
        origin = self._library.origin(strand.strand)
        return PublishedCheckpoint(strand.strand, self._library.keys.open(note, origin), note)


def _bundles(library: Library, published: PublishedCheckpoint) -> Bundle:
    return lru_cache(_BUNDLES)(lambda number: library.bundle(published, number))
