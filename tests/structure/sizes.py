"""Sizes: lines of functions and files, and functions that only one place calls."""

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.structure.source import Function, Source, length

MAX_FUNCTION, MAX_P90, MAX_FILE = 60, 30, 400
# A helper of so few lines that one place calls belongs into that place, unless it names an idea.
SHORT, MAX_SHORT_SHARE, MAX_SINGLE_SHARE = 5, 0.05, 0.20


@dataclass(frozen=True)
class Sizes:
    """The figures of one part of the repository."""

    functions: int
    median: float
    p90: float
    longest: int
    called_once: int
    short_called_once: int

    @property
    def single_share(self) -> float:
        """The share of functions that one place calls."""
        return self.called_once / max(self.functions, 1)

    @property
    def short_share(self) -> float:
        """The share of functions that one place calls and that have hardly any lines."""
        return self.short_called_once / max(self.functions, 1)


def measure(sources: Sequence[Source]) -> Sizes:
    """The figures of these Python files."""
    found = [function for source in sources for function in source.functions]
    lengths = [length(function) for function in found]
    once = called_once(sources)
    return Sizes(
        len(found),
        median(lengths),
        quantiles(lengths * 2, n=10)[-1] if len(lengths) == 1 else quantiles(lengths, n=10)[-1],
        max(lengths),
        len(once),
        sum(length(function) <= SHORT for _, function in once),
    )


def called_once(sources: Sequence[Source], *, by_file: bool = False) -> list[tuple[Source, Function]]:
    """The functions and methods whose name stands in exactly one place besides the definition.

    Two functions of one name count as called more often than they are. With `by_file` a private name is
    looked for in its own file only, which is stricter. Dunders and decorated functions are left out: Python
    or a framework calls them.
    """
    everywhere = Counter(name for source in sources for name in _named(source))
    found = []
    for source in sources:
        here = Counter(_named(source)) if by_file else everywhere
        for function in source.functions:
            names = here if function.name.startswith("_") else everywhere
            if (
                names[function.name] == 1
                and not function.name.startswith("__")
                and not _is_for_others(function)
            ):
                found.append((source, function))
    return found


def _named(source: Source) -> Iterable[str]:
    """Names and attributes that are read, each as often as it stands there; imports are no calls."""
    for node in source.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr


def _is_for_others(function: Function) -> bool:
    called = [ast.unparse(one).split("(")[0].rpartition(".")[2] for one in function.decorator_list]
    return any(name not in ("cache", "property", "cached_property", "staticmethod") for name in called)
