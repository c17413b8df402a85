"""`carevouch audit`: a whole log checked from its public files, in a folder or behind a URL.

A door: it reads files and leaves everything to `carevouch.verifier.log`. It believes the pinned key and
nothing else. A log that passes is whole and true to its rules; that it is the *only* log shown to anyone
takes comparing checkpoints (`--against`) or witnesses (`--policy`), and a dropped last event takes a receipt.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carevouch.cli.files import read_text
from carevouch.cli.log.holdings import Holdings, read_held
from carevouch.cli.log.quorum import key_and_policy
from carevouch.cli.log.report import json_of, words_of
from carevouch.cli.log.source import Read, reader, said_of
from carevouch.cli.progress import progress
from carevouch.events.genesis import Genesis
from carevouch.events.opening import open_genesis
from carevouch.kernel.errors import DomainError, IntegrityFault
from carevouch.kernel.jsontext import render
from carevouch.ledger.checkpoint import SUPER, LogName, log_origin, parse_checkpoint, strand_of_origin
from carevouch.ledger.note import Verifier, parse_note
from carevouch.ledger.policy import Policy
from carevouch.ledger.walk import Finding
from carevouch.verifier.log import Audit, audit_log
from carevouch.verifier.mismatch import telling

SOUND, FAULTY, BAD_INPUT = 0, 1, 2
# What the option says that forgives a log for having no super-log.
NO_SUPER = "the log may have no super-log: it is from before there were any, or one strand"

_DESCRIPTION = """\
Check a whole log: every tile against every entry, every block link, every certificate and
signature, that no number of any signing key is missing and no event is there twice, that the
super-log says of each strand what the strand really was, and that the log continues each older
checkpoint which you kept."""

_EPILOG = """\
DIR holds the files as they are served under /ledger: genesis, epochs, 0/checkpoint, 0/tile/...,
super/checkpoint, ... URL is the address of /ledger. A large log is checked faster in a mirror of
it (carevouch mirror). That there is no super-log is a finding once a strand has entries; only with
--no-super may it be missing, for a log from before there were super-logs, or for one strand that
lies in DIR itself.

With a policy, the super-log's checkpoint must have the cosignatures that it asks for, and their
time is the log's time; without one it is the time of the blocks of every strand. By it a missing
number counts as a gap, and a receipt that the log ignores as evidence. A log line of the policy
(the vkey of `<origin>/super`, of a strand or of `<origin>`) pins the key as --key does.

--receipts and --opening take folders in which each file is one. Receipts must be answered by the
log; openings must be of events in it, and the versions of each document without gap or repeat.

exit status:
  0  nothing is wrong
  1  there are findings; each is a line that says what and where
  2  the log or a file cannot be read, or the key is not one

examples:
  carevouch audit https://api.example/ledger --key 'carevouch.example+33d7b496+AeHT…'
  carevouch audit ./mirror --key key.txt --genesis genesis --against checkpoint.last-month
  carevouch audit ./mirror --policy witnesses.policy --receipts ./receipts --opening ./openings"""


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
    parser.add_argument("--key", metavar="VKEY", help="the log's key, or a file that holds it")
    parser.add_argument("--policy", metavar="FILE", help="whose cosignatures it takes (C2SP tlog-policy)")
    parser.add_argument(
        "--genesis", metavar="FILE", help="a signed genesis that you kept (default: the log's)"
    )
    for option, name, words in (
        ("--against", "OLD", "an older checkpoint, of any of its logs, that the log must continue"),
        ("--receipts", "DIR", "receipts that the log must have answered"),
        ("--opening", "DIR", "openings, whose events must be in the log"),
    ):
        parser.add_argument(option, action="append", default=[], metavar=name, help=words)
    parser.add_argument("--no-super", action="store_true", help=NO_SUPER)
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit as asked; the exit status."""
    try:
        given = _given(args)
        audited = examine(given)
    except IntegrityFault as fault:
        return _stop(f"refused: {fault.message}", FAULTY)
    except (DomainError, OSError) as error:
        return _stop(said_of(error, args.log), BAD_INPUT)
    held = given.held
    findings = audited.all_findings + [
        (None, finding) for finding in (*given.findings, *held.faults(audited))
    ]
    if args.json:
        print(render(json_of(audited, held, findings)).decode())
    else:
        print("\n".join(words_of(audited, held, findings)))
    return FAULTY if findings else SOUND


@dataclass(frozen=True, slots=True)
class AuditInput:
    """A log and what it is held against; `findings` are what was wrong with that from the start.

    Without `super_log` it may be a log that has none.
    """

    read: Read
    genesis: Genesis
    policy: Policy | None
    against: dict[LogName, list[bytes]]
    held: Holdings
    findings: tuple[Finding, ...]
    super_log: bool


def examine(given: AuditInput) -> Audit:
    """The audit of the log, showing its progress."""
    return audit_log(
        given.genesis,
        given.read,
        against=given.against,
        policy=given.policy,
        watch=given.held.event_ids,
        super_log=given.super_log,
        progress=lambda log: progress(f"strand {log}" if isinstance(log, int) else "super-log", "entries"),
    )


def opened_log(log: str, key: Verifier, kept: bytes | None) -> tuple[Read, Genesis, list[Finding]]:
    """How the log is read, and its genesis: the one that was kept, or else its own."""
    read, findings = reader(log), []
    served = read("genesis")
    note = kept if kept is not None else served
    if note is None:
        raise FileNotFoundError(2, "there is none in the log; give one with --genesis", "genesis")
    if served is not None and served != note:
        findings.append(Finding("genesis", "genesis", "the log serves another genesis than the one given"))
    with telling("genesis"):
        genesis = open_genesis(note, key)
    return _rooted(read, genesis), genesis, findings


def _given(args: argparse.Namespace) -> AuditInput:
    key, policy = key_and_policy(args.key, args.policy)
    kept = read_text(args.genesis) if args.genesis else None
    older = [read_text(name) for name in args.against]
    read, genesis, findings = opened_log(args.log, key, kept)
    held = read_held(args.receipts, args.opening, genesis)
    return AuditInput(
        read, genesis, policy, _by_log(older, genesis), held, tuple(findings), super_log=not args.no_super
    )


def _by_log(checkpoints: Sequence[bytes], genesis: Genesis) -> dict[LogName, list[bytes]]:
    """Old checkpoints by the log that each is of; raises `IntegrityFault` for one of another deployment."""
    found: dict[LogName, list[bytes]] = {}
    for note in checkpoints:
        origin = parse_checkpoint(parse_note(note).text).origin
        above = origin == log_origin(genesis.origin, SUPER)
        found.setdefault(SUPER if above else strand_of_origin(genesis.origin, origin), []).append(note)
    return found


def _rooted(read: Read, genesis: Genesis) -> Read:
    """As `read`; a log of one strand may lie in the folder itself."""
    if genesis.strands == 1 and read("0/checkpoint") is None and read("checkpoint") is not None:
        return lambda path: read(path.removeprefix("0/"))
    return read


def _stop(said: str, status: int) -> int:
    print(f"carevouch audit: {said}", file=sys.stderr)
    return status
