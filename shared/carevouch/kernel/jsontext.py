"""JSON text in and out, keeping decimals as they were written.

FHIR says that 1.50 and 1.5 differ (precision matters), and what is hashed must be what was received. So a
number with a fraction or an exponent is read as `Decimal` subclass `Number` that remembers its text, and is
written back as that text. Reading is strict (RFC 8259 with I-JSON's rules): UTF-8 only, no duplicate keys,
no NaN or Infinity, no lone surrogates, bounded depth.
"""

import json
import re
from decimal import Decimal
from typing import Any

from carevouch.kernel.errors import Malformed

# FHIR's deepest real resources nest about 20 levels; 64 leaves room, far from Python's recursion limit.
MAX_DEPTH = 64
# An integer of more digits than this is no number of any domain here, and quadratic to parse.
MAX_DIGITS = 40
# Half of a character outside the basic plane, escaped: right only beside its other half.
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Number(Decimal):
    """A decimal that remembers how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Number":
        """Keep `text` beside the value."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Number":
        """Itself, for it never changes; Decimal's own copy would forget the text."""
        return self


def parse(data: bytes, what: str = "the body") -> Any:
    """The value that `data` spells; raises `Malformed` saying where it goes wrong, never quoting the text."""
    _check_depth(data, what)
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_float=_number,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_no_duplicates,
        )
        if _ESCAPED_SURROGATE.search(data):
            _refuse_lone_surrogates(value)
        return value
    except UnicodeDecodeError as error:
        raise Malformed(f"{what} is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise Malformed(
            f"{what} is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except _Refused as error:
        raise Malformed(f"{what} is not acceptable JSON: {error}") from None


def render(value: Any) -> bytes:
    """Compact UTF-8 JSON, numbers written as they were read; keys in their own order."""
    try:
        return "".join(_pieces(value)).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("the text holds a lone surrogate, which is not Unicode text") from error


class _Refused(ValueError):
    pass


def _number(text: str) -> Number:
    if len(text) > MAX_DIGITS:
        raise _Refused(f"a number has more than {MAX_DIGITS} characters")
    return Number(text)


def _integer(text: str) -> int | Number:
    if len(text) > MAX_DIGITS:
        raise _Refused(f"a number has more than {MAX_DIGITS} digits")
    # An int would forget the sign, and with it what was received.
    return Number(text) if text == "-0" else int(text)


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is not a JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Refused("an object has the same key twice")
    return result


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        "".join(_pieces(value)).encode("utf-8")
    except UnicodeEncodeError:
        raise _Refused("a text holds a lone surrogate") from None


def _check_depth(data: bytes, what: str) -> None:
    # Cheap bound before the recursive parser runs; brackets inside strings are skipped.
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Malformed(f"{what} nests deeper than {MAX_DEPTH} levels")


# Strings may hold brackets and escaped quotes; what is not closed runs to the end, and the parser refuses it.
# The quantifiers are possessive: without that, a string that never ends costs the square of its length.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_quote = json.encoder.encode_basestring  # C when available; leaves non-ASCII characters as they are


def _pieces(value: Any) -> list[str]:
    out: list[str] = []
    _write(value, out)
    return out


def _write(value: Any, out: list[str]) -> None:
    if isinstance(value, str):
        out.append(_quote(value))
    elif isinstance(value, dict):
        separator = "{"
        for key, item in value.items():
            out.append(separator + _quote(key) + ":")
            _write(item, out)
            separator = ","
        out.append("}" if value else "{}")
    elif isinstance(value, list | tuple):
        separator = "["
        for item in value:
            out.append(separator)
            _write(item, out)
            separator = ","
        out.append("]" if value else "[]")
    elif value is True or value is False or value is None:
        out.append({True: "true", False: "false", None: "null"}[value])
    elif isinstance(value, Number):
        out.append(value.text)
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, Decimal):
        out.append(format(value, "f"))
    else:
        raise Malformed(f"a {type(value).__name__} has no JSON form here")
