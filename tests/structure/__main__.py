"""`python -m tests.structure [FOLDER ...]`: measure the house and say what breaks its rules.

With folders it measures only what lies below them, and lists each place.
"""

import sys
from collections.abc import Sequence

from tests.structure import names, prose, rooms, sizes
from tests.structure.source import Source, length, read


def main() -> int:
    """Print the figures, then what is wrong."""
    folders = tuple(sys.argv[1:])
    sources = [source for source in read() if not folders or str(source.path).startswith(folders)]
    wrong: list[str] = []
    for what, part in (
        ("product", [source for source in sources if source.is_product]),
        ("tests", [source for source in sources if not source.is_product]),
    ):
        python = [source for source in part if source.path.suffix == ".py"]
        if python:
            wrong += [f"{what}: {line}" for line in _part(what, python, in_detail=bool(folders))]
        wrong += [
            f"{source.path} has {source.lines} lines; {sizes.MAX_FILE} at most"
            for source in part
            if source.lines > sizes.MAX_FILE
        ]
    python = [source for source in sources if source.path.suffix == ".py"]
    product = [source for source in python if source.is_product]
    wrong += [f"circle of imports: {circle}" for circle in rooms.circles(rooms.imports(python))]
    wrong += [f"two public classes of one name: {line}" for line in names.repeated_classes(product)]
    wrong += [f"a class that is a bare participle: {line}" for line in names.participles(product)]
    wrong += [line for line in rooms.unlisted() if not folders or line.startswith(folders)]
    print("\n".join(wrong) or "the house keeps its rules")
    return 1 if wrong else 0


def _part(what: str, python: Sequence[Source], *, in_detail: bool) -> list[str]:
    """The rules that are held for product and tests apart."""
    size, said = sizes.measure(python), prose.measure(python)
    print(
        f"{what}: {size.functions} functions, median {size.median:.0f}, p90 {size.p90:.0f}, "
        f"longest {size.longest} lines; called from one place {size.single_share:.1%}, "
        f"and at most {sizes.SHORT} lines long {size.short_share:.1%}; {said.sentences} sentences, "
        f"headless {said.headless_share:.1%}, median {said.median_words:.0f} words"
    )
    wrong = [
        f"{source.path}:{function.lineno} {function.name}: {length(function)} lines, not {sizes.MAX_FUNCTION}"
        for source in python
        for function in source.functions
        if length(function) > sizes.MAX_FUNCTION
    ]
    if size.p90 > sizes.MAX_P90:
        wrong.append(f"a tenth of the functions has more than {sizes.MAX_P90} lines")
    if size.single_share > sizes.MAX_SINGLE_SHARE:
        wrong.append(f"{size.single_share:.1%} of the functions are called from one place")
    if size.short_share > sizes.MAX_SHORT_SHARE:
        wrong.append(f"{size.short_share:.1%} have at most {sizes.SHORT} lines and are called from one place")
    if said.headless_share > prose.MAX_HEADLESS_SHARE:
        wrong.append(f"{said.headless_share:.1%} of the sentences begin without a subject")
    if said.median_words > prose.MAX_MEDIAN_WORDS:
        wrong.append(f"half of the sentences have more than {prose.MAX_MEDIAN_WORDS} words")
    wrong += [f"a docstring that only repeats a name: {place}" for place in said.repeating]
    if in_detail:
        wrong += [f"no subject: {line}" for line in said.headless]
        wrong += [
            f"called once: {source.path}:{function.lineno} {function.name} ({length(function)} lines)"
            for source, function in sizes.called_once(python)
        ]
    return wrong


if __name__ == "__main__":
    sys.exit(main())
