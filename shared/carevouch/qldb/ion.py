"""Amazon Ion values: reading them from an exported object, and taking typed members.

Ion has more types than JSON, and a hash covers them. No function here may change the type of a value.
Unreadable bytes raise `Malformed`, which never quotes them: they are somebody's documents.

`ion_binary` reads binary. `amazon-ion` (the optional extra `qldb`) reads text, with two parsers. The fast
parser, in C, dies of a field name that is not UTF-8. It refuses legal values (eleven annotations), and takes
a few texts that are no Ion (`1.5e`). It drops the last zeros of a decimal that has 35 digits or more with
them, and at most 34 without. The exact parser, in Python, is fifty times slower. It reads the texts with so
many digits. A text is wrong only if this parser says so.
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
from carevouch.qldb.ion_binary import VERSION, BinaryReader
from carevouch.qldb.tree import HASH_LENGTH

# The parser refuses texts above 4 KB unless told otherwise; a QLDB transaction is at most 4 MB.
MAX_TEXT_BYTES = 16_777_216
# The errors of the parsers at damaged bytes: their own, and those of Python's constructors for wrong parts.
_PARSER_ERRORS = (
    IonException,
    ValueError,
    OverflowError,
    TypeError,
    AttributeError,
    LookupError,
    RuntimeError,
)
# The fast parser calculates with 34 digits and may get a longer decimal wrong.
_LONG_NUMBER = re.compile(rb"[0-9._]{35}")
_DAMAGED = "this is no Amazon Ion, or it is damaged"


def values(source: bytes, *, exact: bool = False) -> Iterator[Any]:
    """The top-level values of Ion text or binary, one by one. Raises `Malformed` where it cannot go on.

    `exact` chooses the slow parser, which is always right. Binary has one parser only.
    """
    if is_binary(source):
        yield from BinaryReader(source).values()
        return
    try:
        text = source.decode("utf-8")
        if exact or _LONG_NUMBER.search(source):
            # Given bytes, this parser takes them for Latin-1; and only a catalog makes `load` choose it.
            # Where a text breaks off right after a word, it loses the end, or in a symbol table never
            # stops. The line feed ends the word, and means nothing.
            yield from simpleion.load(
                StringIO(text + "\n"), single_value=False, parse_eagerly=False, catalog=SymbolTableCatalog()
            )
        else:
            yield from simpleion.load(
                BytesIO(source),
                single_value=False,
                parse_eagerly=False,
                text_buffer_size_limit=MAX_TEXT_BYTES,
            )
    except _PARSER_ERRORS as error:
        raise Malformed(_DAMAGED) from error


def is_binary(source: bytes) -> bool:
    """Whether the bytes begin with the version marker of Ion binary."""
    return source.startswith(VERSION)


def only_value(source: bytes, what: str, *, exact: bool = False) -> Any:
    """The one value in `source` (JSON is Ion too). Raises `Malformed`, which calls it `what`."""
    try:
        read = list(values(source, exact=exact))
    except Malformed as error:
        raise Malformed(f"{what} is no Amazon Ion, or it is damaged") from error
    if len(read) != 1:
        raise Malformed(f"{what} holds {len(read)} values, not one")
    return read[0]


def struct(value: Any, what: str) -> Any:
    """`value`, if it is a struct without repeated fields. Of two, readers might believe different ones."""
    if not isinstance(value, IonPyDict):
        raise Malformed(f"{what} is not a struct")
    if len(value) != sum(1 for _ in value):
        raise Malformed(f"{what} has the same field twice")
    return value


def member(value: Any, name: str) -> Any:
    """The member of a struct; None if it is absent or null."""
    item = value.get(name)
    return None if isinstance(item, IonPyNull) else item


def text(value: Any, name: str, what: str) -> str:
    """The member of a struct that must be a string. Raises `Malformed`."""
    item = member(value, name)
    if not isinstance(item, str):
        raise Malformed(f"{what} has no text {name}")
    return str(item)


def number(value: Any, name: str, what: str) -> int:
    """The member of a struct that must be a whole number from 0. Raises `Malformed`."""
    item = member(value, name)
    if not isinstance(item, int) or item < 0:
        raise Malformed(f"{what} has no number {name}")
    return int(item)


def items(value: Any, name: str, what: str) -> list[Any]:
    """The member of a struct that must be a list; absent or null is empty. Raises `Malformed`."""
    item = member(value, name)
    if item is None:
        return []
    if not isinstance(item, list):
        raise Malformed(f"{what} has a {name} that is no list")
    return item


def hash_of(value: Any, what: str) -> bytes:
    """The bytes of a value that must be a blob of 32 bytes. Raises `Malformed`."""
    if not isinstance(value, bytes) or len(value) != HASH_LENGTH:
        raise Malformed(f"{what} is no hash of {HASH_LENGTH} bytes")
    return bytes(value)


def hash_in(value: Any, name: str, what: str) -> bytes:
    """The member of a struct that must be a hash. Raises `Malformed`."""
    return hash_of(member(value, name), f"the {name} of {what}")


def has_other_members(value: Any, names: frozenset[str]) -> bool:
    """Whether a struct has members beyond `names`. No hash covers them, yet readers would believe them."""
    return any(name not in names for name in value)
