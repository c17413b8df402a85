"""The parser of the command line, built from the tables of verbs. It imports no library."""

import argparse
import os

from carevouch import __version__
from carevouch.cli.decisions.verbs import ADJUDICATE, DECIDE
from carevouch.cli.keys.verbs import ADMIT, ASSERTION, EPOCH, KEY, SIGN
from carevouch.cli.log.verbs import AUDIT, EXPORT, MIRROR, SCAN, VERIFY
from carevouch.cli.qldb.verbs import QLDB
from carevouch.cli.verb import Verb
from carevouch.cli.witness.verbs import WITNESS

VERBS = (
    *(VERIFY, AUDIT, MIRROR, SCAN, WITNESS, EXPORT, QLDB),
    *(DECIDE, ADJUDICATE, KEY, ADMIT, EPOCH, ASSERTION, SIGN),
)
_DESCRIPTION = """\
Verify, decide and adjudicate what Carevouch did, on your own machine: no cloud, no account, no network.
Trust nobody: check the files you were given against the one key you pinned."""
_EPILOG = """\
exit status: 0 yes, 1 a negative answer (it does not verify, it is denied), 2 bad input
`carevouch VERB --help` explains each verb, with examples."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Asks for the terminal's width without `shutil`, whose import takes longer than the help itself."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        try:
            width = int(columns) if columns.isdecimal() else os.get_terminal_size(1).columns
        except (ValueError, OSError):
            width = 80
        super().__init__(prog, width=max(width, 40) - 2)


def build_parser(words: list[str]) -> argparse.ArgumentParser:
    """The parser for these words: it lists every verb, and has the options of the one that `words` name."""
    parser = argparse.ArgumentParser(
        prog="carevouch", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=HelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"carevouch {__version__}")
    parser.set_defaults(verb="", module="", parser=parser)
    _add_verbs(parser, VERBS, words, ())
    return parser


def _add_verbs(
    parser: argparse.ArgumentParser, verbs: tuple[Verb, ...], words: list[str], path: tuple[str, ...]
) -> None:
    kind = "action" if path else "verb"
    listed = parser.add_subparsers(metavar=kind.upper(), title=f"{kind}s")
    for verb in verbs:
        own = listed.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.description,
            epilog=verb.epilog,
            formatter_class=HelpFormatter,
        )
        if verb.name not in words:
            continue
        names = (*path, verb.name)
        own.set_defaults(verb=" ".join(names), module=verb.module, parser=own)
        for option in verb.options:
            own.add_argument(*option.names, **option.keywords)
        if verb.actions:
            _add_verbs(own, verb.actions, words, names)
