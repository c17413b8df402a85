"""Finds what a service imports, by reading the source: which packages of `shared` go into its zip, and which
libraries it names. Imports inside functions count too. Nothing is executed.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.faults import SetUpFault

# Our own code; everything else that is not the standard library comes from a wheel.
OURS = ("shared", "services")


def source_files(root: Path, service: str) -> list[Path]:
    """Every file of the service and of the `shared` packages in reach, data files too, sorted by path."""
    files = [root / "shared" / "__init__.py", root / "services" / "__init__.py"]
    for package in reached(root, service):
        files += [file for file in sorted((root / package).rglob("*")) if _belongs(file)]
    return sorted(set(files))


def reached(root: Path, service: str) -> list[Path]:
    """The folders below `root` that the service needs: its own, then packages of `shared`, transitively."""
    start = Path("services") / service
    if not (root / start / "app.py").exists():
        raise SetUpFault(
            f"{start}/app.py is not there, and template.yaml runs it: check the checkout out again."
        )
    found: list[Path] = []
    waiting = [start]
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        found.append(package)
        waiting += sorted({Path(*name.split(".")[:2]) for name in _imports(root / package) if _is_ours(name)})
    return found


def libraries(root: Path, service: str) -> set[str]:
    """Top-level names of what the service imports from outside: neither ours nor the standard library."""
    names = {name.split(".")[0] for package in reached(root, service) for name in _imports(root / package)}
    return names - set(OURS) - set(sys.stdlib_module_names)


def _imports(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        typing_only = {
            id(node) for block in ast.walk(tree) if _is_typing_block(block) for node in ast.walk(block)
        }
        for node in ast.walk(tree):
            if id(node) not in typing_only:
                yield from _names(node)


def _is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _is_ours(name: str) -> bool:
    parts = name.split(".")
    return parts[0] in OURS and len(parts) > 1


def _belongs(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts and file.name != "README.md"
