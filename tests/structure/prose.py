"""Docstrings as sentences: how they begin, how long they are, and those that only repeat a name."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.structure.source import Function, Source

# A sentence that begins with one of these has no subject a reader could hold on to.
HEADLESS = re.compile(r"(What|Who|Whoever|Whatever|Those|None|Nothing|Anything)\b")
MAX_HEADLESS_SHARE, MAX_MEDIAN_WORDS = 0.02, 12
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z`(])|\n\s*\n")


@dataclass(frozen=True)
class Docstring:
    """A docstring and where it stands."""

    place: str
    name: str
    text: str

    @property
    def sentences(self) -> list[str]:
        """Its sentences of more than two words, without examples and tables."""
        prose = "\n".join(
            line for line in self.text.splitlines() if not re.match(r"\s*(>>>|\||\.\.\.)", line)
        )
        parts = [" ".join(part.split()) for part in _SENTENCE.split(prose)]
        return [part for part in parts if len(part.split()) > 2]

    @property
    def repeats_the_name(self) -> bool:
        """Whether it has at most three words, all of them out of the name."""
        words = re.findall(r"[a-z]+", self.text.lower())
        named = set(re.findall(r"[a-z]+", re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()))
        return 0 < len(words) <= 3 and set(words) - {"the", "a", "an", "of", "its"} <= named


@dataclass(frozen=True)
class Prose:
    """The figures of a set of docstrings."""

    sentences: int
    headless: tuple[str, ...]
    median_words: float
    repeating: tuple[str, ...]

    @property
    def headless_share(self) -> float:
        """The share of sentences without a head."""
        return len(self.headless) / max(self.sentences, 1)


def docstrings(sources: Sequence[Source]) -> Iterator[Docstring]:
    """Every docstring of these files."""
    for source in sources:
        for node in source.nodes:
            if isinstance(node, Function | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node)
                if text:
                    line = getattr(node, "lineno", 1)
                    name = getattr(node, "name", source.path.stem)
                    yield Docstring(f"{source.path}:{line}", name, text)


def silent_files(sources: Sequence[Source]) -> list[str]:
    """Files with code that do not begin with a docstring."""
    return [str(one.path) for one in sources if one.text.strip() and not ast.get_docstring(one.tree)]


def measure(sources: Sequence[Source]) -> Prose:
    """The figures of the docstrings in these files."""
    found = list(docstrings(sources))
    said = [(doc.place, sentence) for doc in found for sentence in doc.sentences]
    return Prose(
        len(said),
        tuple(f"{place}: {sentence}" for place, sentence in said if HEADLESS.match(sentence)),
        median(len(sentence.split()) for _, sentence in said) if said else 0,
        tuple(doc.place for doc in found if doc.repeats_the_name),
    )
