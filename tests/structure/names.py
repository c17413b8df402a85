"""Names of classes: one class a name, and no class that is a bare participle."""

import re
from collections import defaultdict
from collections.abc import Sequence

from tests.structure.source import Source

# Every service calls what it asks of the world so.
MAY_REPEAT = frozenset({"Ports"})
# Nouns of the field that end as participles do.
NOUNS = frozenset({
    "Binding", "Finding", "Opening", "Standing", "Strand", "World", "Seed", "Feed", "Need", "Thread", "Ring",
})  # fmt: skip
_IRREGULAR = frozenset({
    "Held", "Kept", "Told", "Said", "Shown", "Seen", "Known", "Left", "Sent", "Given", "Drawn", "Made",
    "Met", "Done", "Sworn", "Taken", "Written", "Broken", "Bound", "Found", "Put", "Built", "Taught",
})  # fmt: skip


def repeated_classes(sources: Sequence[Source]) -> list[str]:
    """Public class names that more than one place defines, each with the files."""
    where: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        for found in source.classes:
            if not found.name.startswith("_") and found.name not in MAY_REPEAT:
                where[found.name].append(str(source.path))
    return [f"{name}: {', '.join(files)}" for name, files in sorted(where.items()) if len(files) > 1]


def participles(sources: Sequence[Source]) -> list[str]:
    """Classes that are no errors and are called by a participle alone."""
    errors = {"Exception", "BaseException"}
    classes = [(source, found) for source in sources for found in source.classes]
    for _ in range(5):  # Errors of errors of errors.
        for _, found in classes:
            if {getattr(base, "id", getattr(base, "attr", "")) for base in found.bases} & errors:
                errors.add(found.name)
    return [
        f"{source.path}: {found.name}"
        for source, found in classes
        if found.name not in errors | NOUNS and _is_participle(found.name.lstrip("_"))
    ]


def _is_participle(name: str) -> bool:
    one_word = re.fullmatch(r"[A-Z][a-z]+", name) is not None
    return one_word and (name.endswith(("ed", "ing")) or name in _IRREGULAR)
