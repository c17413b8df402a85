"""Small frozen dataclasses to JSON values and back, strictly.

Contracts, accumulators and decisions are dataclasses whose fields are text, whole non-negative numbers,
booleans, tuples, mappings by text and other dataclasses. Reading names an unknown or missing field by its
path and never guesses: a misspelt limit that were ignored would pay money. Keys of mappings are codes of
services, so a message counts them instead of quoting them. What is absent is left out; null is never
written and never read.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from carevouch.kernel.errors import Invalid
from carevouch.kernel.money import MAX_CENTS

T = TypeVar("T")
# Longer than any reference, code system URI with code, or plan name that these values hold.
MAX_TEXT = 512


def encode(value: Any) -> Any:
    """The JSON value of a dataclass, tuple, mapping or scalar; fields that are None are left out."""
    if is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: encode(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {name: encode(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], value: Any, where: str) -> T:
    """The `kind` that `value` spells; raises `Invalid` naming the path of what does not fit."""
    read: T = _read(kind, value, where)
    return read


def _read(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin is UnionType:
        return _read(next(arm for arm in get_args(kind) if arm is not NoneType), value, where)
    if origin is Literal:
        return _literal(get_args(kind), value, where)
    if origin is tuple:
        item = get_args(kind)[0]
        return tuple(_read(item, one, f"{where}[{at}]") for at, one in enumerate(_list(value, where)))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(get_args(kind)[1], value, where)
    return _object(kind, value, where) if is_dataclass(kind) else _scalar(kind, value, where)


def _object(kind: Any, value: Any, where: str) -> Any:
    shape, given = _shape(kind), _dict(value, where)
    for name in given:
        if name not in shape:
            raise Invalid(f"{where} has no field {name[:40]!r}; its fields are {', '.join(shape)}")
    missing = [name for name, (_, required) in shape.items() if required and name not in given]
    if missing:
        raise Invalid(f"{where} lacks {', '.join(missing)}")
    return kind(**{name: _read(shape[name][0], item, f"{where}.{name}") for name, item in given.items()})


@lru_cache(maxsize=64)
def _shape(kind: Any) -> dict[str, tuple[Any, bool]]:
    hints = get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(kind)
    }


def _mapping(kind: Any, value: Any, where: str) -> Mapping[str, Any]:
    given = _dict(value, where)
    return {
        _scalar(str, name, where): _read(kind, item, f"{where} (entry {at + 1})")
        for at, (name, item) in enumerate(given.items())
    }


def _literal(allowed: tuple[Any, ...], value: Any, where: str) -> Any:
    # By type too: True == 1 in Python, and a version of `true` is not version 1.
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise Invalid(f"{where} must be one of: {', '.join(str(one) for one in allowed)}")
    return value


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if type(value) is not kind:
        words = {str: "text", int: "a whole number", bool: "true or false"}
        raise Invalid(f"{where} must be {words[kind]}")
    if kind is int and not 0 <= value <= MAX_CENTS:
        raise Invalid(f"{where} must lie between 0 and {MAX_CENTS}")
    if kind is str and not 0 < len(value) <= MAX_TEXT:
        raise Invalid(f"{where} must hold 1 to {MAX_TEXT} characters")
    return value


def _dict(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid(f"{where} must be an object")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(f"{where} must be a list")
    return value
