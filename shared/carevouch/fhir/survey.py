"""One walk through a resource: a copy for the schema library, and the parts that rules check.

The library reads plain JSON types only, so a decimal becomes 0.5. No R4 rule bounds a decimal. 1.0 is still
refused where an integer is due, as it must be. The walk also finds values that are not JSON: NaN, a lone
surrogate, endless nesting.
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

# These data types are recognised by their members alone, which is cheaper than carrying types along.
# Expression and DetectedIssue have a URI named `reference` too, but also members that a Reference never has.
REFERENCE = frozenset(
    ("id", "extension", "reference", "_reference", "type", "_type", "identifier", "display", "_display")
)
_PERIOD = frozenset(("id", "extension", "start", "end", "_start", "_end"))
_RANGE = frozenset(("id", "extension", "low", "high"))


class NotJson(Exception):
    """A value, or a depth of nesting, that no JSON text of ours has."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(slots=True)
class ResourceSurvey:
    """The findings of one walk; paths are relative to the resource."""

    fragments: list[tuple[Path, str]] = field(default_factory=list)
    periods: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    ranges: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    narratives: list[tuple[Path, str]] = field(default_factory=list)
    blanks: list[Path] = field(default_factory=list)
    size: int = 0  # the number of members and items at all depths

    def read(self, value: dict[str, Any]) -> Any:
        """The readable copy of `value`, which shares parts without decimals; raises `NotJson`."""
        return self._object(value, ())

    def _object(self, value: dict[str, Any], path: Path) -> dict[str, Any]:
        if len(path) > MAX_DEPTH:
            raise NotJson(path[:8], f"nesting deeper than {MAX_DEPTH} levels")
        self.size += len(value)
        copy = value
        for key, item in value.items():
            kind = type(item)
            if kind is str:
                if key == "reference" and item[:1] == "#" and REFERENCE.issuperset(value):
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
        if "start" in value and _PERIOD.issuperset(value):
            self.periods.append((path, value))
        elif "low" in value and _RANGE.issuperset(value):
            self.ranges.append((path, value))
        return copy

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
                if item is None:
                    # Null must hold the place of a value in the array beside this one.
                    name = str(path[-1])
                    sibling = owner.get(name[1:] if name[:1] == "_" else f"_{name}")
                    if not isinstance(sibling, list) or index >= len(sibling) or sibling[index] is None:
                        self.blanks.append((*path, index))
            if read is not item:
                copy = list(copy) if copy is value else copy
                copy[index] = read
        return copy


def _scalar(item: Any, path: Path) -> Any:
    if item is None or isinstance(item, str | int):
        return item
    if isinstance(item, Decimal) and item.is_finite():
        return _STAND_IN
    if isinstance(item, float) and isfinite(item):
        return _STAND_IN
    raise NotJson(path, "this is not a JSON value")


def place_of(path: Iterable[str | int], root: str) -> str:
    """The place of a path, close to FHIRPath: `root.name[0].given`."""
    parts = [root]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            parts.append("." + (step if len(step) <= 64 and step.isidentifier() else "?"))
    return "".join(parts)


def finding(path: Iterable[str | int], root: str, message: str, code: str = "invariant") -> Issue:
    """One issue at the place of a path."""
    return Issue(message, place_of(path, root), code)
