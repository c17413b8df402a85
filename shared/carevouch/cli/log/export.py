"""`carevouch export`: an export of blocks, checked by whoever was handed its files.

A door: it finds the manifests in a folder and leaves the rest to `carevouch.verifier.export`. Objects are
only ever read below the folder of their manifest.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carevouch.cli.files import read_vkey
from carevouch.kernel.errors import DomainError, IntegrityFault, NotFound
from carevouch.kernel.jsontext import render
from carevouch.ledger.note import Verifier
from carevouch.verifier.export import ExportReport, verify_export

SOUND, FAULTY, BAD_INPUT = 0, 1, 2
MANIFEST = "*.completed.manifest"

_DESCRIPTION = """\
Check an export of blocks (the exporter function's, out of the exports bucket): that its objects
hold exactly the blocks of each strand that the log sealed in the span, entry for entry as the
log's own signed checkpoints have them, and that none was left out at either end."""

_EPILOG = """\
DIR is a copy of the export (aws s3 sync), in any depth of folders: NAME.completed.manifest and,
beside it, the folder NAME. An export that was begun and not completed has no such manifest; ask
the operator to run it again with the same words, and it goes on where it stopped.

Whether each event in it is true is a question for `carevouch audit`, which reads a whole log.

exit status:
  0  every export in DIR is whole, and is what the log sealed
  1  something is not; the sentence names the file, and the line where that can be told
  2  there is no export in DIR, or the key is not one

example:
  carevouch export ./export --key 'carevouch.example+33d7b496+AeHT…'"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "export",
        help="verify an export of blocks",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="where the export's files are")
    parser.add_argument("--key", metavar="VKEY", required=True, help="the log's key, or a file that holds it")
    parser.add_argument("--json", action="store_true", help="what was verified, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify as asked; the exit status."""
    try:
        key, manifests = read_vkey(args.key), _manifests(Path(args.folder))
    except DomainError as error:
        print(f"carevouch export: {error.message}", file=sys.stderr)
        return BAD_INPUT
    found = []
    for manifest in manifests:
        try:
            found.append(_verified(manifest, key))
        except IntegrityFault as fault:
            print(f"refused: {manifest.name}: {fault.message}", file=sys.stderr)
            return FAULTY
    print(render([_json(one) for one in found]).decode() if args.json else "\n".join(_words(found)))
    return SOUND


def _manifests(folder: Path) -> list[Path]:
    found = sorted(folder.rglob(MANIFEST))
    if not found:
        raise NotFound(f"there is no {MANIFEST} in {folder}: give the folder that an export was copied to")
    return found


def _verified(manifest: Path, key: Verifier) -> ExportReport:
    folder = manifest.parent.resolve()

    def read(name: str) -> bytes | None:
        path = (folder / name).resolve()
        return path.read_bytes() if path.is_relative_to(folder) and path.is_file() else None

    return verify_export(manifest.read_bytes(), read, key)


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
