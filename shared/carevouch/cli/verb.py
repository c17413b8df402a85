"""A verb of the command as data: its name, its help text, its options, and the module that runs it.

This module and the tables of verbs (`verbs.py` of each family) import no library, so the help of a verb
needs none.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Option:
    """One option or argument, with the parameters of `ArgumentParser.add_argument`."""

    def __init__(self, *names: str, **keywords: "Any") -> None:
        self.names = names
        self.keywords = keywords


class Verb:
    """A verb, or one action of a verb with its `summary`. A verb with `actions` only groups them.

    `module` is imported when the verb runs; its function `run(args)` returns the exit status.
    """

    def __init__(
        self,
        name: str,
        module: str,
        description: str,
        epilog: str = "",
        *,
        summary: str = "",
        options: tuple[Option, ...] = (),
        actions: tuple["Verb", ...] = (),
    ) -> None:
        self.name = name
        self.module = module
        self.summary = summary
        self.description = description
        self.epilog = epilog
        self.options = options
        self.actions = actions
