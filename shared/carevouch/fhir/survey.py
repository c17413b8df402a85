"""One walk through one resource: a copy that the schema library can read, and what rules want to look at.

The library reads plain JSON types only, so a number with a fraction or exponent becomes 0.5: no R4 rule
bounds a decimal, and 1.0 is then refused where an integer is due, as it must be. What is not JSON at all
(a float that is no number, a lone surrogate, endless nesting) is found here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any

from carevouch.kernel.errors import Issue
from carevouch.kernel.jsontext import MAX_DEPTH

Path = tuple[str | int, ...]
_STAND_IN = 0.5

# Data types that are told by their members alone, which is cheaper than carrying types along. Expression and
# DetectedIssue have a URI of the name `reference` too, but also members that a Reference never has.
REFERENCE = frozenset(
    ("id", "extension", "reference", "_reference", "type", "_type", "identifier", "display", "_display")
)
_PERIOD = frozenset(("id", "extension", "start", "end", "_start", "_end"))
_RANGE = frozenset(("id", "extension", "low", "high"))


class NotJson(Exception):
    """A value, or the nesting, that no JSON text of ours has."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(slots=True)
class ResourceSurvey:
    """What one walk found. Paths are relative to the resource."""

    fragments: list[tuple[Path, str]] = field(default_factory=list)
    periods: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    ranges: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    narratives: list[tuple[Path, str]] = field(default_factory=list)
    blanks: list[Path] = field(default_factory=list)
    size: int = 0  # members and items, counted through

    def read(self, value: dict[str, Any]) -> Any:
        """The readable copy of `value` (parts without decimals are shared with it); raises `NotJson`."""
        return self._object(value, ())

    def _object(self, value: dict[str, Any], path: Path) -> dict[str, Any]:
        if len(path) > MAX_DEPTH:
            raise NotJson(path[:8], f"nesting deeper than {MAX_DEPTH} levels")
        self.size += len(value)
        copy = value
        for key, item in value.items():
            kind = type(item)
            if kind is str:
                if key == "reference":
                    if item[:1] == "#" and REFERENCE.issuperset(value):
                        self.fragments.append((path, item[1:]))
                elif key == "div":
                    self.narratives.append(((*path, key), item))
                continue
            if kind is bool or kind is int:
                continue
            if kind is dict:
                read: Any = self._object(item, (*path, key))
            elif kind is list:
                read = self._array(item, (*path, key), value)
            else:
                read = _scalar(item, (*path, key))
            if read is not item:
                copy = dict(copy) if copy is value else copy
                copy[key] = read
        if "start" in value or "low" in value:
            self._shape(value, path)
        return copy

    def _shape(self, value: dict[str, Any], path: Path) -> None:
        if _PERIOD.issuperset(value):
            self.periods.append((path, value))
        elif _RANGE.issuperset(value):
            self.ranges.append((path, value))

    def _array(self, value: list[Any], path: Path, owner: dict[str, Any]) -> list[Any]:
        if len(path) > MAX_DEPTH:
            raise NotJson(path[:8], f"nesting deeper than {MAX_DEPTH} levels")
        self.size += len(value)
        copy = value
        for index, item in enumerate(value):
            kind = type(item)
            if kind is str or kind is bool or kind is int:
                continue
            if kind is dict:
                read: Any = self._object(item, (*path, index))
            elif kind is list:
                read = self._array(item, (*path, index), owner)
            else:
                read = _scalar(item, (*path, index))
                if item is None and _blank(owner, str(path[-1]), index):
                    self.blanks.append((*path, index))
            if read is not item:
                copy = list(copy) if copy is value else copy
                copy[index] = read
        return copy


def _blank(owner: dict[str, Any], name: str, index: int) -> bool:
    """Null in an array must hold the place of something in the array beside it."""
    sibling = owner.get(name[1:] if name[:1] == "_" else f"_{name}")
    return not isinstance(sibling, list) or index >= len(sibling) or sibling[index] is None


def _scalar(item: Any, path: Path) -> Any:
    if item is None or isinstance(item, str | int):
        return item
    if isinstance(item, Decimal) and item.is_finite():
        return _STAND_IN
    if isinstance(item, float) and isfinite(item):
        return _STAND_IN
    raise NotJson(path, "this is not a JSON value")


def spelled(path: Iterable[str | int], root: str) -> str:
    """`root.name[0].given`: the FHIRPath-like place of a path."""
    parts = [root]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            parts.append("." + (step if len(step) <= 64 and step.isidentifier() else "?"))
    return "".join(parts)


def finding(path: Iterable[str | int], root: str, message: str, code: str = "invariant") -> Issue:
    """One issue at a path."""
    return Issue(message, spelled(path, root), code)
