"""Amazon Ion values: reading them from an exported object, and taking from them what must have one type.

Ion knows more types than JSON, and a hash covers them: nothing here may turn a value into another type.
What cannot be read raises `Malformed`, which never quotes the bytes: they are somebody's documents.

Binary is read by `ion_binary`, text by `amazon-ion` (the optional extra `qldb`), which has two parsers for
it. The fast one, in C, dies of a field name that is not UTF-8, refuses what is legal (eleven annotations),
and drops the last zeros of a decimal whose 35 digits or more would fit 34 without them. The exact one, in
Python, is fifty times slower; so it reads what has so many digits, and is asked before anything is called
wrong. The fast one also takes a few texts that are no Ion (`1.5e`), which other readers refuse.
"""

import re
from collections.abc import Iterator
from io import BytesIO, StringIO
from typing import Any

from amazon.ion import simpleion  # type: ignore[import-untyped]
from amazon.ion.exceptions import IonException  # type: ignore[import-untyped]
from amazon.ion.simple_types import IonPyDict, IonPyNull  # type: ignore[import-untyped]
from amazon.ion.symbols import SymbolTableCatalog  # type: ignore[import-untyped]

from carevouch.kernel.errors import Malformed
from carevouch.qldb.ion_binary import VERSION, binary_values
from carevouch.qldb.tree import HASH_LENGTH

# The parser refuses texts above 4 KB unless told otherwise; a QLDB transaction is at most 4 MB.
MAX_TEXT_BYTES = 16_777_216
# What the parsers raise at damaged bytes: their own error, and what Python's constructors say to wrong parts.
_TROUBLE = (IonException, ValueError, OverflowError, TypeError, AttributeError, LookupError)
# A decimal that the fast parser may get wrong is longer than the 34 digits it calculates with.
_LONG_NUMBER = re.compile(rb"[0-9._]{35}")
_DAMAGED = "this is no Amazon Ion, or it is damaged"


def values(source: bytes, *, exact: bool = False) -> Iterator[Any]:
    """The top-level values of Ion text or binary, one by one; raises `Malformed` where it cannot go on.

    `exact`: by the slow parser that is right about everything. Binary has one parser only.
    """
    if is_binary(source):
        return binary_values(source)
    return _text_values(source, exact or bool(_LONG_NUMBER.search(source)))


def is_binary(source: bytes) -> bool:
    """Ion binary begins with a version marker, which is no text."""
    return source.startswith(VERSION)


def _text_values(source: bytes, exact: bool) -> Iterator[Any]:
    try:
        text = source.decode("utf-8")
        if exact:
            # Given bytes, this parser takes them for Latin-1; and only a catalog makes `load` choose it.
            yield from simpleion.load(
                StringIO(text), single_value=False, parse_eagerly=False, catalog=SymbolTableCatalog()
            )
        else:
            yield from simpleion.load(
                BytesIO(source),
                single_value=False,
                parse_eagerly=False,
                text_buffer_size_limit=MAX_TEXT_BYTES,
            )
    except _TROUBLE as error:
        raise Malformed(_DAMAGED) from error


def only_value(source: bytes, what: str, *, exact: bool = False) -> Any:
    """The one value that `source` holds (JSON too is Ion); raises `Malformed`, which calls it `what`."""
    try:
        found = list(values(source, exact=exact))
    except Malformed as error:
        raise Malformed(f"{what} is no Amazon Ion, or it is damaged") from error
    if len(found) != 1:
        raise Malformed(f"{what} holds {len(found)} values, not one")
    return found[0]


def struct(value: Any, what: str) -> Any:
    """`value`, if it is a struct with no field twice: of two, each reader would believe another one."""
    if not isinstance(value, IonPyDict):
        raise Malformed(f"{what} is not a struct")
    if len(value) != sum(1 for _ in value):
        raise Malformed(f"{what} has the same field twice")
    return value


def member(value: Any, name: str) -> Any:
    """The member of a struct; None if it is absent or null."""
    found = value.get(name)
    return None if isinstance(found, IonPyNull) else found


def text(value: Any, name: str, what: str) -> str:
    """A member that must be a string."""
    found = member(value, name)
    if not isinstance(found, str):
        raise Malformed(f"{what} has no text {name}")
    return str(found)


def number(value: Any, name: str, what: str) -> int:
    """A member that must be a whole number, not negative."""
    found = member(value, name)
    if not isinstance(found, int) or found < 0:
        raise Malformed(f"{what} has no number {name}")
    return int(found)


def items(value: Any, name: str, what: str) -> list[Any]:
    """A member that must be a list; empty if it is absent or null."""
    found = member(value, name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Malformed(f"{what} has a {name} that is no list")
    return found


def hash_of(value: Any, what: str) -> bytes:
    """A value that must be a blob of 32 bytes."""
    if not isinstance(value, bytes) or len(value) != HASH_LENGTH:
        raise Malformed(f"{what} is no hash of {HASH_LENGTH} bytes")
    return bytes(value)


def hash_in(value: Any, name: str, what: str) -> bytes:
    """A member that must be a hash."""
    return hash_of(member(value, name), f"the {name} of {what}")


def strange(value: Any, names: frozenset[str]) -> bool:
    """Whether a struct has members beyond these: no hash covers them, yet a reader would believe them."""
    return any(name not in names for name in value)
