"""`carevouch export`: verifies an export of blocks.

It reads objects only below the folder of their manifest.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carevouch.cli.files import read_vkey
from carevouch.cli.frame import OK
from carevouch.kernel.errors import NotFound
from carevouch.kernel.jsontext import render
from carevouch.verifier.export import ExportReport, verify_export
from carevouch.verifier.mismatch import about

MANIFEST = "*.completed.manifest"


def run(args: Namespace) -> int:
    """Verify the exports, and return the exit status."""
    key = read_vkey(args.key)
    manifests = sorted(Path(args.folder).rglob(MANIFEST))
    if not manifests:
        raise NotFound(
            f"there is no {MANIFEST} in {args.folder}: give the folder into which an export was copied"
        )
    reports = []
    for manifest in manifests:
        folder = manifest.parent.resolve()

        def read(name: str, folder: Path = folder) -> bytes | None:
            path = (folder / name).resolve()
            return path.read_bytes() if path.is_relative_to(folder) and path.is_file() else None

        with about(manifest.name):
            reports.append(verify_export(manifest.read_bytes(), read, key))
    print(render([_json(one) for one in reports]).decode() if args.json else "\n".join(_words(reports)))
    return OK


def _words(exports: Sequence[ExportReport]) -> list[str]:
    lines = []
    for export in exports:
        lines += [f"export {export.id} of {export.origin}, from {export.start} to {export.end}"]
        for strand in export.strands:
            end = "" if strand.closed else "; the log ended there when it was made, so more may belong to it"
            lines += [f"  strand {strand.strand}: {strand.blocks} blocks, {strand.entries} entries{end}"]
    return [*lines, "nothing is wrong: these are the blocks that the log sealed in the span, all of them"]


def _json(export: ExportReport) -> dict[str, Any]:
    return {
        "id": export.id,
        "origin": export.origin,
        "from": export.start,
        "to": export.end,
        "strands": [
            {"strand": one.strand, "blocks": one.blocks, "entries": one.entries, "closed": one.closed}
            for one in export.strands
        ],
    }
