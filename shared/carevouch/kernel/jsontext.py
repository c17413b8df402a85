"""JSON text in and out, keeping decimals as they were written.

FHIR says that 1.50 and 1.5 differ, because precision matters. The bytes that are hashed must be those that
were received. So a number with a fraction or an exponent becomes a `Number`, a `Decimal` that remembers its
text, and is written back as that text. Reading is strict (RFC 8259 with the rules of I-JSON). It takes UTF-8
only, and no duplicate keys, no NaN or Infinity, no lone surrogates and no deep nesting.
"""

import json
import re
from decimal import Decimal
from typing import Any

from carevouch.kernel.errors import Malformed

# FHIR's deepest real resources nest about 20 levels; 64 leaves room, far from Python's recursion limit.
MAX_DEPTH = 64
# No domain here needs a longer number, and the time to parse one grows with the square of its length.
MAX_DIGITS = 40
# Half of an escaped character outside the basic plane. It is text only beside its other half.
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Number(Decimal):
    """A decimal that remembers how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Number":
        """The number that `text` spells; raises `decimal.InvalidOperation` for any other text."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Number":
        """The number itself, since it never changes. Decimal's own copy would lose the text."""
        return self


def parse(data: bytes, what: str = "the body") -> Any:
    """The value that `data` spells; raises `Malformed` with the place of the fault, never with the text."""
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
            try:
                "".join(_pieces(value)).encode("utf-8")
            except UnicodeEncodeError:
                raise _Unacceptable("a text holds a lone surrogate") from None
        return value
    except UnicodeDecodeError as error:
        raise Malformed(f"{what} is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise Malformed(
            f"{what} is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except _Unacceptable as error:
        raise Malformed(f"{what} is not acceptable JSON: {error}") from None


def render(value: Any) -> bytes:
    """Compact UTF-8 JSON. Numbers are written as they were read, and keys in their own order."""
    try:
        return "".join(_pieces(value)).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("the text holds a lone surrogate, which is not Unicode text") from error


class _Unacceptable(ValueError):
    pass


def _number(text: str) -> Number:
    if len(text) > MAX_DIGITS:
        raise _Unacceptable(f"a number has more than {MAX_DIGITS} characters")
    return Number(text)


def _integer(text: str) -> int | Number:
    if len(text) > MAX_DIGITS:
        raise _Unacceptable(f"a number has more than {MAX_DIGITS} digits")
    # An int would lose the sign, and the bytes would differ from those received.
    return Number(text) if text == "-0" else int(text)


def _no_constant(name: str) -> Any:
    raise _Unacceptable(f"{name} is not a JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Unacceptable("an object has the same key twice")
    return result


def _check_depth(data: bytes, what: str) -> None:
    # A cheap bound before the recursive parser runs. Brackets inside strings do not count.
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Malformed(f"{what} nests deeper than {MAX_DEPTH} levels")


# A string may hold brackets and escaped quotes. One without its closing quote runs to the end, and the parser
# refuses it. Without the possessive quantifiers it would cost the square of its length.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_quote = json.encoder.encode_basestring  # In C where available. It leaves non-ASCII characters as they are.


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
