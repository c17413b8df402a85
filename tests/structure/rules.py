"""The rules of the house, for product and tests apart, and the sentences about each broken one."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.structure import names, prose, rooms, sizes
from tests.structure.source import ROOT, Source, length


def figures(sources: Sequence[Source]) -> Iterator[str]:
    """A line of figures for each part. The stricter count looks for a private name in its own file only."""
    for part, python in _parts(sources):
        size, said = sizes.measure(python), prose.measure(python)
        strict = sizes.called_once(python, by_file=True)
        short = sum(length(function) <= sizes.SHORT for _, function in strict)
        yield (
            f"{part}: {size.functions} functions, median {size.median:.0f}, p90 {size.p90:.0f}, "
            f"longest {size.longest} lines; called from one place {size.single_share:.1%} "
            f"(stricter: {len(strict) / size.functions:.1%}), and at most {sizes.SHORT} lines long "
            f"{size.short_share:.1%} (stricter: {short / size.functions:.1%}); {said.sentences} sentences, "
            f"headless {said.headless_share:.1%}, median {said.median_words:.0f} words"
        )


def broken(sources: Sequence[Source], folders: tuple[str, ...] = (), root: Path = ROOT) -> list[str]:
    """A sentence about each broken rule; with `folders`, of the READMEs only those below them."""
    wrong = [line for part, python in _parts(sources) for line in _part(part, python)]
    wrong += [
        f"{source.path} has {source.lines} lines; a file has at most {sizes.MAX_FILE}"
        for source in sources
        if source.lines > sizes.MAX_FILE
    ]
    python = [source for source in sources if source.path.suffix == ".py"]
    product = [source for source in python if source.is_product]
    wrong += [f"circle of imports: {circle}" for circle in rooms.circles(rooms.imports(python))]
    wrong += [f"two public classes of one name: {line}" for line in names.repeated_classes(product)]
    wrong += [f"a class that is a bare participle: {line}" for line in names.participles(product)]
    wrong += [f"{place} does not begin with a docstring" for place in prose.silent_files(python)]
    return wrong + [line for line in rooms.unlisted(root) if not folders or line.startswith(folders)]


def places(sources: Sequence[Source]) -> Iterator[str]:
    """Each headless sentence, and each function that one place calls."""
    for _, python in _parts(sources):
        yield from (f"headless: {line}" for line in prose.measure(python).headless)
        for source, function in sizes.called_once(python):
            yield f"called once: {source.path}:{function.lineno} {function.name} ({length(function)} lines)"


def _parts(sources: Sequence[Source]) -> Iterator[tuple[str, list[Source]]]:
    for part, is_product in (("product", True), ("tests", False)):
        python = [one for one in sources if one.path.suffix == ".py" and one.is_product == is_product]
        if any(source.functions for source in python):
            yield part, python


def _part(part: str, python: Sequence[Source]) -> Iterator[str]:
    size, said = sizes.measure(python), prose.measure(python)
    for source in python:
        for function in source.functions:
            if length(function) > sizes.MAX_FUNCTION:
                place = f"{source.path}:{function.lineno} {function.name}"
                yield f"{place} has {length(function)} lines; a function has at most {sizes.MAX_FUNCTION}"
    if size.p90 > sizes.MAX_P90:
        yield f"{part}: a tenth of the functions has more than {sizes.MAX_P90} lines"
    if size.single_share > sizes.MAX_SINGLE_SHARE:
        most = f"at most {sizes.MAX_SINGLE_SHARE:.0%}"
        yield f"{part}: one place calls {size.single_share:.1%} of the functions; {most}"
    if size.short_share > sizes.MAX_SHORT_SHARE:
        yield (
            f"{part}: one place calls {size.short_share:.1%} of the functions, and they have at most "
            f"{sizes.SHORT} lines; at most {sizes.MAX_SHORT_SHARE:.0%}"
        )
    if said.headless_share > prose.MAX_HEADLESS_SHARE:
        most = f"at most {prose.MAX_HEADLESS_SHARE:.0%}"
        yield f"{part}: {said.headless_share:.1%} of the sentences have no subject; {most}"
    if said.median_words > prose.MAX_MEDIAN_WORDS:
        yield f"{part}: half of the sentences have more than {prose.MAX_MEDIAN_WORDS} words"
    yield from (f"{place}: the docstring only repeats the name" for place in said.repeating)
