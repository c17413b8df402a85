"""`carevouch audit`: a whole log checked from its public files, in a folder or behind a URL.

A door: it reads files and leaves everything to `shared.events.audit`. It believes the pinned key and
nothing else. A log that passes is whole and true to its rules; that it is the *only* log shown to anyone
takes comparing checkpoints (`--against`), and a dropped last event takes a receipt.
"""

import argparse
import sys
from dataclasses import replace
from typing import Any

from services.cli.files import read_text, read_vkey
from services.cli.progress import progress
from services.cli.source import Read, reader, said_of
from shared.events.audit import Finding, Report, audit_strand, find_gaps
from shared.events.genesis import Genesis
from shared.events.opening import open_genesis
from shared.kernel.encoding import b64u
from shared.kernel.errors import DomainError, IntegrityFault
from shared.kernel.jsontext import render
from shared.ledger.checkpoint import parse_checkpoint, strand_of_origin
from shared.ledger.note import Verifier, parse_note

SOUND, FAULTY, BAD_INPUT = 0, 1, 2

_DESCRIPTION = """\
Check a whole log: every tile against every entry, every block link, every certificate and
signature, that no number of any signing key is missing, and that the log continues an older
checkpoint which you kept."""

_EPILOG = """\
DIR holds the files as they are served under /ledger: genesis, 0/checkpoint, 0/tile/...
(a log of one strand may also lie in DIR itself). URL is the address of /ledger.

exit status:
  0  nothing is wrong
  1  there are findings; each is a line that says what and where
  2  the log or a file cannot be read, or the key is not one

examples:
  carevouch audit https://api.example/ledger --key 'carevouch.example+33d7b496+AeHT…'
  carevouch audit ./mirror --key key.txt --genesis genesis --against checkpoint.last-month"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "audit",
        help="check a whole log, from a folder or a URL",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("log", metavar="DIR|URL", help="where the log's files are")
    parser.add_argument("--key", required=True, metavar="VKEY", help="the log's key, or a file that holds it")
    parser.add_argument(
        "--genesis", metavar="FILE", help="a signed genesis that you kept (default: the log's)"
    )
    parser.add_argument("--against", metavar="OLD", help="an older checkpoint that the log must continue")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit as asked; the exit status."""
    try:
        key = read_vkey(args.key)
        read = reader(args.log)
        kept = read_text(args.genesis) if args.genesis else None
        against = read_text(args.against) if args.against else None
        reports, findings = _audit(read, key, kept, against)
    except IntegrityFault as fault:
        return _stop(f"refused: {fault.message}", FAULTY)
    except (DomainError, OSError) as error:
        return _stop(said_of(error, args.log), BAD_INPUT)
    _print(reports, findings, as_json=args.json)
    return FAULTY if findings else SOUND


def _audit(
    read: Read, key: Verifier, kept: bytes | None, against: bytes | None
) -> tuple[list[Report], list[Finding]]:
    findings = []
    served = read("genesis")
    note = kept if kept is not None else served
    if note is None:
        raise FileNotFoundError(2, "there is none in the log; give one with --genesis", "genesis")
    if served is not None and served != note:
        findings.append(Finding("genesis", "genesis", "the log serves another genesis than the one given"))
    genesis = open_genesis(note, key)
    old = None if against is None else _strand_of(against, genesis)
    reports: list[Report] = []
    # Strand 0 first: it says which epochs were opened, and so how many strands there are.
    while len(reports) < genesis.strand_count:
        strand = len(reports)
        report = audit_strand(
            genesis,
            strand,
            _of_strand(read, strand, genesis),
            against=against if strand == old else None,
            progress=progress(f"strand {strand}", "entries"),
        )
        reports.append(report)
        genesis = replace(genesis, epochs=reports[0].epochs)
    for report in reports:
        findings += report.findings
    return reports, findings + find_gaps(reports)


def _strand_of(checkpoint: bytes, genesis: Genesis) -> int:
    return strand_of_origin(genesis.origin, parse_checkpoint(parse_note(checkpoint).text).origin)


def _of_strand(read: Read, strand: int, genesis: Genesis) -> Read:
    if genesis.strands == 1 and read(f"{strand}/checkpoint") is None:
        return read
    return lambda path: read(f"{strand}/{path}")


def _print(reports: list[Report], findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        found = [{"code": item.code, "where": item.where, "message": item.message} for item in findings]
        print(render({"strands": [_json(report) for report in reports], "findings": found}).decode())
        return
    for report in reports:
        print(
            f"strand {report.strand}: {report.size} entries in {report.blocks} blocks; "
            f"{report.events} events by {len(report.numbers)} keys, {report.certificates} certificates, "
            f"{report.rejected} rejections"
        )
        if report.old_size is not None:
            print(f"  compared with the old checkpoint of {report.old_size} entries")
    for item in findings:
        print(f"{item.code}: {item.where}: {item.message}")
    print(f"{len(findings)} findings" if findings else "nothing is wrong")


def _json(report: Report) -> dict[str, object]:
    return {
        "strand": report.strand,
        "size": report.size,
        "root": b64u(report.root),
        "old_size": report.old_size,
        "blocks": report.blocks,
        "events": report.events,
        "certificates": report.certificates,
        "rejected": report.rejected,
        "keys": len(report.numbers),
    }


def _stop(said: str, status: int) -> int:
    print(f"carevouch audit: {said}", file=sys.stderr)
    return status
