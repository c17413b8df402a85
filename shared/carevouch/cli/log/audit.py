"""`carevouch audit`: audits a whole log by its public files, in a folder or behind a URL.

It trusts only the pinned key. A log that passes is whole and follows its rules. Older checkpoints
(`--against`) or witnesses (`--policy`) are needed to show that everybody sees the same log. A receipt is
needed to find a dropped last event.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from carevouch.cli.files import read_text
from carevouch.cli.frame import NEGATIVE, OK
from carevouch.cli.log.pinned import key_and_policy
from carevouch.cli.log.report import LocatedFinding, json_of, log_progress, words_of
from carevouch.cli.log.source import one_by_one, read_log
from carevouch.kernel.jsontext import render
from carevouch.verifier.holdings import verify_holdings
from carevouch.verifier.log import audit_log
from carevouch.verifier.opened import open_log, sort_checkpoints


def run(args: Namespace) -> int:
    """Audit the log, and return the exit status."""
    key, policy = key_and_policy(args.key, args.policy)
    kept = read_text(args.genesis) if args.genesis else None
    older = [read_text(name) for name in args.against]
    log = open_log(one_by_one(read_log(args.log)), key, kept)
    holdings = verify_holdings(files_in(args.receipts), files_in(args.opening), read_text, log.genesis)
    audit = audit_log(
        log.genesis,
        log.read,
        against=sort_checkpoints(older, log.genesis),
        policy=policy,
        watch=holdings.event_ids,
        super_log=not args.no_super,
        progress=log_progress,
    )
    findings: list[LocatedFinding] = [
        *audit.all_findings,
        *((None, finding) for finding in (*log.findings, *holdings.faults(audit))),
    ]
    if args.json:
        print(render(json_of(audit, holdings, findings)).decode())
    else:
        print("\n".join(words_of(audit, holdings, findings)))
    return NEGATIVE if findings else OK


def files_in(folders: Sequence[str]) -> list[str]:
    """The files in these folders, in order; raises `OSError` if one is not a folder."""
    files = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise NotADirectoryError(20, "is no folder", str(folder))
        files += [str(path) for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(files)
