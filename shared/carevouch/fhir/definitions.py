"""R4 (4.0.1) as a table: the elements of each type, with cardinalities, types and required codes.

`tests/vectors/fhir_facts.py` makes the table, `r4.json`. Each element has a line, such as `"1..1
code(draft,active)"`. The facts are read at first use, never at import. A function that answers without FHIR
does not pay for them. The package's loader reads them, from a zip as well as from a folder.
"""

import json
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A type that an element may have.

    `allowed` holds the codes of a code, or the target types of a Reference.
    """

    type: str
    allowed: tuple[str, ...] = ()

    @property
    def primitive(self) -> bool:
        """Whether JSON writes it as a string, number or boolean. Extensions stand in a `_name` sibling."""
        return self.type[0].islower()


@dataclass(frozen=True, slots=True)
class Element:
    """One element. `name` is its JSON name, or the stem of a choice (`value` of `value[x]`)."""

    name: str
    required: bool
    many: bool
    choice: bool
    kinds: tuple[Kind, ...]

    def names(self) -> dict[str, Kind]:
        """Each JSON property that the element can appear as, with its type there."""
        if not self.choice:
            return {self.name: self.kinds[0]}
        return {self.name + kind.type[0].upper() + kind.type[1:]: kind for kind in self.kinds}


@cache
def resource_types() -> frozenset[str]:
    """The 146 concrete resource types of R4."""
    return frozenset(_table()["resources"])


@cache
def elements(type_: str) -> tuple[Element, ...]:
    """The elements of a type, inherited ones first. Raises `KeyError` for an unknown type."""
    definition = _table()["types"][type_]
    inherited = elements(definition["is"]) if definition["is"] else ()
    own = []
    for name, text in definition["has"].items():
        cardinality, types = text.split(" ", 1)
        kinds = []
        for kind in types.split("|"):
            type_name, _, allowed = kind.rstrip(")").partition("(")
            kinds.append(Kind(type_name, tuple(allowed.split(",")) if allowed else ()))
        own.append(
            Element(
                name=name.removesuffix("[x]"),
                required=cardinality[0] == "1",
                many=cardinality[-1] == "*",
                choice=name.endswith("[x]"),
                kinds=tuple(kinds),
            )
        )
    return inherited + tuple(own)


def ancestors(type_: str) -> tuple[str, ...]:
    """The type and its ancestors, nearest first: `Patient`, `DomainResource`, `Resource`."""
    base = _table()["types"][type_]["is"]
    return (type_, *ancestors(base)) if base else (type_,)


@cache
def _table() -> Any:
    data = pkgutil.get_data("carevouch.fhir", "r4.json")
    if data is None:
        raise FileNotFoundError("shared/carevouch/fhir/r4.json is not in this installation")
    return json.loads(data)
