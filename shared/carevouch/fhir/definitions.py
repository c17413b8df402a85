"""What R4 (4.0.1) says about each type: its elements, how often they occur, their types and required codes.

The facts lie in `r4.json` (made by `tests/vectors/fhir_facts.py`, one element a line: `"1..1
code(draft,active)"`) and are read when first asked for, never at import: a function that answers without
FHIR does not pay for them. Reading goes through the package's loader, so a zip serves as well as a
folder.
"""

import json
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A type an element may have; `allowed` holds the codes of a code, the target types of a Reference."""

    type: str
    allowed: tuple[str, ...] = ()

    @property
    def primitive(self) -> bool:
        """Whether JSON spells it as a string, number or boolean (extensions in a `_name` sibling)."""
        return self.type[0].islower()


@dataclass(frozen=True, slots=True)
class Element:
    """One element: `name` is the JSON name, or the stem of a choice such as `value` of `value[x]`."""

    name: str
    required: bool
    many: bool
    choice: bool
    kinds: tuple[Kind, ...]

    def names(self) -> dict[str, Kind]:
        """Each JSON property the element can appear as, with its type there."""
        if not self.choice:
            return {self.name: self.kinds[0]}
        return {self.name + kind.type[0].upper() + kind.type[1:]: kind for kind in self.kinds}


@cache
def resource_types() -> frozenset[str]:
    """The 146 concrete resource types of R4."""
    return frozenset(_table()["resources"])


@cache
def elements(type_: str) -> tuple[Element, ...]:
    """The elements of a type, those it inherits first; raises `KeyError` for a type R4 does not have."""
    described = _table()["types"][type_]
    inherited = elements(described["is"]) if described["is"] else ()
    return inherited + tuple(_element(name, text) for name, text in described["has"].items())


def ancestors(type_: str) -> tuple[str, ...]:
    """The type and what it specialises, nearest first: `Patient`, `DomainResource`, `Resource`."""
    base = _table()["types"][type_]["is"]
    return (type_, *ancestors(base)) if base else (type_,)


@cache
def _table() -> Any:
    data = pkgutil.get_data("carevouch.fhir", "r4.json")
    if data is None:
        raise FileNotFoundError("shared/carevouch/fhir/r4.json is not in this installation")
    return json.loads(data)


def _element(name: str, text: str) -> Element:
    times, kinds = text.split(" ", 1)
    return Element(
        name=name.removesuffix("[x]"),
        required=times[0] == "1",
        many=times[-1] == "*",
        choice=name.endswith("[x]"),
        kinds=tuple(_kind(kind) for kind in kinds.split("|")),
    )


def _kind(text: str) -> Kind:
    type_, _, allowed = text.rstrip(")").partition("(")
    return Kind(type_, tuple(allowed.split(",")) if allowed else ())
