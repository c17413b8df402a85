"""The repository as text and syntax trees: what the rules of the house are measured on."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("shared", "services", "infra")
CODE = (".py", ".html", ".js", ".mjs", ".ts")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file: its path below the root, and its text."""

    path: Path
    text: str

    @property
    def is_product(self) -> bool:
        """Whether users run it; everything else is a test."""
        return self.path.parts[0] in PRODUCT

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.text.count("\n")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of a Python file."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """Every function and method."""
        return tuple(node for node in self.nodes if isinstance(node, Function))

    @cached_property
    def classes(self) -> tuple[ast.ClassDef, ...]:
        """Every class."""
        return tuple(node for node in self.nodes if isinstance(node, ast.ClassDef))


def length(function: Function) -> int:
    """A function's lines, from `def` to the last of its body."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def read(root: Path = ROOT) -> list[Source]:
    """The files that git tracks or would track, in the four folders, code only."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "shared", "services", "infra", "tests"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [Path(line) for line in sorted(set(listed.stdout.splitlines()))]
    return [
        Source(path, (root / path).read_text("utf-8"))
        for path in paths
        if path.suffix in CODE and (root / path).is_file()
    ]
