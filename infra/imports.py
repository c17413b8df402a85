"""Finds the imports of a service in its source: our modules that go into its zip, and the libraries that it
needs. Imports inside functions count, and imports for type checkers do not. No code is executed.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from infra.faults import SetUpFault

# The file with the words about use cases, which no handler imports.
FOR_THE_GENERATOR = "api.py"
# The import roots of our own code, with their folders. All else but the standard library comes from wheels.
OURS = {"carevouch": Path("shared"), "services": Path()}


def source_files(root: Path, service: str) -> dict[str, Path]:
    """The service's files, the modules that they import, and the data files beside them, by name in a zip."""
    modules = _modules(root, service)
    folders = {module.parent for module in modules}
    data = {
        file
        for folder in folders
        for file in folder.iterdir()
        if file.is_file() and file.suffix not in {".py", ".pyc"} and file.name != "README.md"
    }
    # In a zip every import root is at the top.
    roots = {
        file: root / "shared" if file.is_relative_to(root / "shared") else root for file in modules | data
    }
    return {str(file.relative_to(top)): file for file, top in sorted(roots.items())}


def libraries(root: Path, service: str) -> set[str]:
    """The top-level names that the service imports and that are neither ours nor the standard library's."""
    names = {name.split(".")[0] for module in _modules(root, service) for name in _imports(module)}
    return names - set(OURS) - set(sys.stdlib_module_names)


def _modules(root: Path, service: str) -> set[Path]:
    start = root / "services" / service
    if not (start / "app.py").exists():
        raise SetUpFault(
            f"services/{service}/app.py is missing, and template.yaml runs it: restore the file."
        )
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
    """The files that an import of `a.b.c` runs: each package on the way, then `c` if it is a module."""
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
    """Every statement that may run, also within functions. Expressions are skipped: they import no module."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(block, field, ())
        for statement in inner if isinstance(inner, list) else ():
            test = statement.test if isinstance(statement, ast.If) else None
            if not (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"):
                yield statement
                yield from _statements(statement)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
