"""Finds what a service imports, by reading the source: which of our modules go into its zip, and which
libraries it names. Imports inside functions count too; those for type checkers do not. Nothing is executed.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from infra.faults import SetUpFault

# The words about use cases; no handler reads them.
FOR_THE_GENERATOR = "api.py"
# Our own code and the folder it lies in; everything else that is not the standard library comes from a wheel.
OURS = {"carevouch": Path("shared"), "services": Path()}


def source_files(root: Path, service: str) -> dict[str, Path]:
    """The service's files, the modules in reach, and the data files beside those, by their names in a zip."""
    modules = _modules(root, service)
    folders = {module.parent for module in modules}
    data = {file for folder in folders for file in folder.iterdir() if _is_data(file)}
    return {_packaged(file.relative_to(root)): file for file in sorted(modules | data)}


def _packaged(file: Path) -> str:
    """A file's name in a zip, where every import root stands at the top."""
    return str(file.relative_to("shared") if file.parts[0] == "shared" else file)


def libraries(root: Path, service: str) -> set[str]:
    """Top-level names of what the service imports from outside: neither ours nor the standard library."""
    names = {name.split(".")[0] for module in _modules(root, service) for name in _imports(module)}
    return names - set(OURS) - set(sys.stdlib_module_names)


def _modules(root: Path, service: str) -> set[Path]:
    start = root / "services" / service
    if not (start / "app.py").exists():
        raise SetUpFault(f"services/{service}/app.py is not there, but template.yaml runs it: restore it.")
    found: set[Path] = set()
    handlers = (file for file in start.rglob("*.py") if file.name != FOR_THE_GENERATOR)
    waiting = [root / "services" / "__init__.py", *handlers]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [file for name in _imports(module) for file in _files_of(root, name)]
    return found


def _files_of(root: Path, name: str) -> list[Path]:
    """The files that importing `a.b.c` runs: each package on the way, then `c` unless it is a value."""
    parts = name.split(".")
    base = OURS.get(parts[0])
    if base is None:
        return []
    paths = [root.joinpath(base, *parts[:end]) for end in range(1, len(parts) + 1)]
    files = [path / "__init__.py" for path in paths] + [path.with_suffix(".py") for path in paths]
    return [file for file in files if file.is_file()]


@cache
def _imports(module: Path) -> frozenset[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"), str(module))
    return frozenset(name for statement in _statements(tree) for name in _names(statement))


def _statements(block: ast.AST) -> Iterator[ast.AST]:
    """What runs, also within functions; expressions import nothing, and are most of what there is to read."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(block, field, ())
        for statement in inner if isinstance(inner, list) else ():
            if not _is_for_typing(statement):
                yield statement
                yield from _statements(statement)


def _is_for_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_data(file: Path) -> bool:
    return file.is_file() and file.suffix not in {".py", ".pyc"} and file.name != "README.md"
