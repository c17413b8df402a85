"""The command `carevouch`: its verbs, and what its exit status means."""

import argparse
import sys
from collections.abc import Sequence
from functools import cache

from carevouch.cli.decisions import adjudicate, decide
from carevouch.cli.keys import admit, assertion, epoch, key, sign
from carevouch.cli.log import audit, export, mirror, scan, verify
from carevouch.cli.qldb import verify as qldb
from carevouch.cli.witness import witness
from carevouch.kernel.errors import DomainError

OK, NEGATIVE, BAD_INPUT = 0, 1, 2
_DESCRIPTION = """\
Verify, decide and adjudicate what Carevouch did, on your own machine: no cloud, no account, no network.
Trust nobody: hold the files you were given against the one key you pinned."""
_EPILOG = """\
exit status: 0 yes, 1 a negative answer (it does not verify, it is denied), 2 bad input
`carevouch VERB --help` teaches each verb, with examples."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; bad input is one sentence on standard error, never a traceback."""
    chosen = _parser().parse_args(arguments)
    if chosen.verb is None:
        _parser().print_help(sys.stderr)
        return BAD_INPUT
    try:
        status: int = chosen.run(chosen)
    except (DomainError, OSError) as error:
        print(f"carevouch {chosen.verb}: {_sentence(error)}", file=sys.stderr)
        return BAD_INPUT
    return status


@cache
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="carevouch",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    log = (verify, audit, mirror, scan, witness, export, qldb)
    for verb in (*log, decide, adjudicate, key, admit, epoch, assertion, sign):
        verb.add_parser(verbs)
    return parser


def _sentence(error: DomainError | OSError) -> str:
    if isinstance(error, DomainError):
        return error.message
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)


if __name__ == "__main__":
    sys.exit(main())
