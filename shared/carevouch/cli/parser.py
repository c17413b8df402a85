"""The parser of the command line, from the tables of verbs. It imports no library."""

import argparse
import os
from importlib import import_module

from carevouch import __version__
from carevouch.cli.verbs import VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carevouch.cli.verb import Verb

_DESCRIPTION = """\
Verify, decide and adjudicate what Carevouch did, on your own machine: no cloud, no account, no network.
Trust nobody: check the files you were given against the one key you pinned."""
_EPILOG = """\
exit status: 0 yes, 1 a negative answer (it does not verify, it is denied), 2 bad input
`carevouch VERB --help` explains each verb, with examples."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """A formatter without `shutil` and `textwrap`, whose imports take longer than the help itself."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        try:
            width = int(columns) if columns.isdecimal() else os.get_terminal_size(1).columns
        except (ValueError, OSError):
            width = 80
        super().__init__(prog, width=max(width, 40) - 2)

    def _split_lines(self, text: str, width: int) -> list[str]:
        lines = [""]
        for word in text.split():
            if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".lstrip()
        return lines


def parse(words: list[str]) -> argparse.Namespace:
    """The parsed words: `verb`, the `module` that runs it, and the options.

    If no verb is to run, `module` is empty, and `parser` can print the help. It exits as argparse does.
    """
    if not words or words[0] not in VERBS:
        summaries = {name: summary for name, (_, summary) in VERBS.items()}
        parser = _list_parser("carevouch", "verb", _DESCRIPTION, _EPILOG, summaries)
        parser.add_argument("--version", action="version", version=f"carevouch {__version__}")
        return parser.parse_args(words)
    path, rest = words[0], words[1:]
    verb: Verb = getattr(import_module(VERBS[path][0]), path.upper())
    while verb.actions:
        actions = {action.name: action for action in verb.actions}
        if not rest or rest[0] not in actions:
            return _list_parser(
                f"carevouch {path}",
                "action",
                verb.description,
                verb.epilog,
                {name: action.summary for name, action in actions.items()},
            ).parse_args(rest)
        verb, path, rest = actions[rest[0]], f"{path} {rest[0]}", rest[1:]
    parser = argparse.ArgumentParser(
        prog=f"carevouch {path}",
        description=verb.description,
        epilog=verb.epilog,
        formatter_class=HelpFormatter,
    )
    for option in verb.options:
        parser.add_argument(*option.names, **option.keywords)
    parser.set_defaults(verb=path, module=verb.module)
    return parser.parse_args(rest)


def _list_parser(
    name: str, kind: str, description: str, epilog: str, summaries: dict[str, str]
) -> argparse.ArgumentParser:
    """A parser that only lists verbs or actions. A full parser for each would take most of the time."""
    lines = [f"    {one:<10}  {summary}" for one, summary in summaries.items()]
    parser = argparse.ArgumentParser(
        prog=name,
        usage=f"{name} [-h] {kind.upper()} ...",
        description=description,
        epilog="\n".join([f"{kind}s:", *lines, "", epilog]),
        formatter_class=HelpFormatter,
    )
    parser.add_argument("name", nargs="?", choices=summaries, metavar=kind.upper(), help=argparse.SUPPRESS)
    parser.set_defaults(module="", parser=parser)
    return parser
