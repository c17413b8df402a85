"""Rooms: no circle of imports, and a README in each folder that names its files."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.structure.source import ROOT, Source, read


def module_of(path: Path) -> str:
    """The name that a file is imported by."""
    parts = path.with_suffix("").parts
    parts = parts[1:] if parts[0] == "shared" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(sources: Sequence[Source]) -> dict[str, set[str]]:
    """Each module of ours with those of ours that it imports, at the top or within functions."""
    modules = {module_of(source.path): source for source in sources}
    found: dict[str, set[str]] = {}
    for name, source in modules.items():
        named: set[str] = set()
        for node in source.nodes:
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    named.add(whole if whole in modules else node.module)
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
        found[name] = named & modules.keys() - {name}
    return found


def circles(arrows: Mapping[str, set[str]]) -> list[str]:
    """Modules that reach themselves, each with the first circle that leads back."""
    found, done = [], set[str]()
    for start in sorted(arrows):
        waiting, before = [start], dict[str, str]()
        while waiting:
            here = waiting.pop()
            for there in sorted(arrows[here]):
                if there == start and start not in done:
                    way = [here]
                    while way[-1] != start:
                        way.append(before[way[-1]])
                    done |= set(way)
                    found.append(" -> ".join([*reversed(way), start]))
                elif there not in before:
                    before[there] = here
                    waiting.append(there)
    return found


def unlisted(root: Path = ROOT) -> list[str]:
    """Files that the README of their folder does not name, and names there of files that are gone."""
    wrong = []
    folders: dict[Path, set[str]] = {}
    for source in read(root):
        if source.path.name != "__init__.py":
            folders.setdefault(source.path.parent, set()).add(source.path.name)
    for folder, files in sorted(folders.items()):
        page = root / folder / "README.md"
        if not page.exists():
            wrong.append(f"{folder} has no README.md")
            continue
        listed = set(re.findall(r"^\| `([^`/]+)` ", page.read_text("utf-8"), re.MULTILINE))
        wrong += [f"{folder}/README.md does not list {name}" for name in sorted(files - listed)]
        wrong += [
            f"{folder}/README.md lists {name}, which is not there"
            for name in sorted(listed)
            if not (root / folder / name).exists()
        ]
    return wrong
