"""Search (http://hl7.org/fhir/R4/search.html): the parameters of each type, and the match of a resource.

Resources are matched after decryption, so a parameter needs no index. An unknown parameter is refused by
name. A search that drops a condition silently returns other people's data. Values of one parameter are
alternatives (`a,b`); repeated parameters must all match. References match whole.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from carevouch.fhir.definitions import resource_types
from carevouch.fhir.matching import bounds, meets, rank, split, unescape
from carevouch.fhir.parameters import COMMON, PARAMETERS, Parameter
from carevouch.fhir.references import parse_target
from carevouch.kernel.errors import Invalid, Issue, Malformed

# The most resources of a page, whatever `_count` says; the size of the answer has its own limit.
MAX_COUNT: Final = 1000
DEFAULT_COUNT: Final = 100
_MAX_VALUES: Final = 100

Total = Literal["none", "estimate", "accurate"]
_TOTALS: Final[dict[str, Total]] = {"none": "none", "estimate": "estimate", "accurate": "accurate"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One parameter of a query, which holds if any of its `values` matches."""

    name: str
    parameter: Parameter
    values: tuple[str, ...]
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A search of one type. `sort` holds (parameter, descending) pairs; `count` is the page size."""

    type: str
    conditions: tuple[Condition, ...]
    sort: tuple[tuple[str, bool], ...] = ()
    count: int = DEFAULT_COUNT
    total: Total = "none"

    def matches(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource has the type and meets every condition."""
        return resource.get("resourceType") == self.type and all(
            any(meets(resource, one.parameter, wanted, one.base_url) for wanted in one.values)
            for one in self.conditions
        )

    def values_of(self, name: str) -> tuple[str, ...]:
        """The alternatives of the first occurrence of a parameter, or none."""
        return next((one.values for one in self.conditions if one.name == name), ())

    def patient(self) -> str | None:
        """The one patient id that `patient` or `subject` confines the search to, or None."""
        ids: set[str | None] = set()
        for one in self.conditions:
            if one.name in ("patient", "subject"):
                text = unescape(one.values[0])
                target = parse_target(text, one.base_url)
                if len(one.values) != 1:
                    ids.add(None)
                elif target.form == "unknown" and one.name == "patient":
                    ids.add(text)
                else:
                    ids.add(target.id if target.form == "local" and target.type == "Patient" else None)
        return next(iter(ids)) if len(ids) == 1 else None

    def ordered(self, resources: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The resources in the order of `sort`. Resources without a value come last; ties go by id."""
        result = sorted(resources, key=_id)
        for name, descending in reversed(self.sort):
            if name == "_id":
                result.sort(key=_id, reverse=descending)
            else:
                result.sort(key=partial(rank, _parameter(self.type, name), descending))
        return result


def search_parameters(type_: str) -> dict[str, str]:
    """The parameters that a type serves, each with its R4 search type."""
    known = {**COMMON, **PARAMETERS.get(type_, {})}
    return {name: "token" if one.kind == "code" else one.kind for name, one in known.items()}


def parse_query(
    type_: str,
    params: Mapping[str, Sequence[str]],
    *,
    base_url: str | None = None,
    ignore: frozenset[str] = frozenset(),
) -> Query:
    """The query of decoded URL parameters. Raises `Invalid`, which names an unknown parameter.

    `ignore` names parameters of the caller's own, such as a page token. `base_url` makes absolute references
    local.
    """
    if type_ not in resource_types():
        raise Invalid("this is not a resource type of FHIR R4")
    conditions: list[Condition] = []
    controls: dict[str, str] = {}
    for name, texts in params.items():
        if name in ignore or name == "_format":
            continue
        if name in ("_sort", "_count", "_total"):
            if len(texts) != 1:
                raise _refusal(f"{name} is given once")
            controls[name] = texts[0]
        else:
            parameter = _parameter(type_, name)
            conditions += [_condition(name, parameter, text, base_url) for text in texts]
    sort = _sort(type_, controls.get("_sort", ""))
    count = controls.get("_count", str(DEFAULT_COUNT))
    if not re.fullmatch(r"[0-9]{1,9}", count, re.ASCII):
        raise _refusal("_count is a whole number")
    total = controls.get("_total", "none")
    if total not in _TOTALS:
        raise _refusal("_total is none, estimate or accurate")
    return Query(type_, tuple(conditions), sort, min(int(count), MAX_COUNT), _TOTALS[total])


def _parameter(type_: str, name: str) -> Parameter:
    """The parameter of a type. Raises `Invalid`, which repeats no odd name."""
    parameter = COMMON.get(name) or PARAMETERS.get(type_, {}).get(name)
    if parameter:
        return parameter
    plain = re.split(r"[:.]", name)[0]
    label = name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_:.\-]{0,63}", name, re.ASCII) else "?"
    if plain != name and (plain in COMMON or plain in PARAMETERS.get(type_, {})):
        raise _refusal(
            f"modifiers and chains are not served: {label}; ask for {plain} alone", "not-supported"
        )
    known = ", ".join(sorted(search_parameters(type_)))
    raise _refusal(f"{type_} is not searched by {label}; its parameters are {known}", "not-supported")


def _refusal(message: str, code: str = "value") -> Invalid:
    return Invalid(message, issues=(Issue(message, code=code),))


def _condition(name: str, parameter: Parameter, text: str, base_url: str | None) -> Condition:
    wanted = tuple(split(text, ","))
    if not all(wanted):
        raise _refusal(f"{name} needs a value")
    if len(wanted) > _MAX_VALUES:
        raise _refusal(f"{name} takes at most {_MAX_VALUES} values")
    for value in wanted:
        if parameter.kind == "date":
            try:
                bounds(value)
            except Malformed as error:
                raise _refusal(error.message) from None
        if parameter.kind == "code" and len(split(value, "|")) > 1:
            raise _refusal(f"{name} is a code of FHIR itself and takes no system")
        if parameter.kind == "token" and len(split(value, "|")) > 2:
            raise _refusal(f"{name} has the form system|code")
    return Condition(name, parameter, wanted, base_url)


def _sort(type_: str, text: str) -> tuple[tuple[str, bool], ...]:
    keys = [(part.removeprefix("-"), part.startswith("-")) for part in text.split(",") if part]
    known = {**COMMON, **PARAMETERS.get(type_, {})}
    dates = sorted(name for name, one in known.items() if one.kind == "date")
    if any(name not in (*dates, "_id") for name, _ in keys):
        raise _refusal(
            f"{type_} is sorted by {', '.join((*dates, '_id'))}, a minus before it for descending order"
        )
    return tuple(keys)


def _id(resource: Mapping[str, Any]) -> str:
    return str(resource.get("id", ""))
