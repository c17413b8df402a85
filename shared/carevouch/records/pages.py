"""Pages of an answer, cut by count and size, and cursors without personal data.

A cursor names a place in an order that each page computes again. So the consents of that moment decide the
next page. A cursor has a random id of ours or a number, and never a value of a record.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import Invalid, Malformed

CURSOR = "_cursor"
DEFAULT_COUNT, MAX_COUNT = 50, 200
# An answer stays below 4 MB with its links, and with a wide margin for escaping on the way.
MAX_PAGE_BYTES = 3_000_000
_NAME = re.compile(r"[A-Za-z0-9.\-/]{1,120}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The beginning of a page: after the item of this name, or at this offset."""

    after: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """The items of a page, and the cursor of the next page, if any."""

    items: tuple[Item, ...]
    next: str | None


def page_size(text: str | None) -> int:
    """The page size that `_count` asks for, within the limits; raises `Invalid`."""
    if text is None:
        return DEFAULT_COUNT
    if not _COUNT.fullmatch(text):
        raise Invalid("_count must be a whole number, such as 50")
    return min(int(text), MAX_COUNT)


def read_cursor(text: str | None) -> Cursor:
    """The place that a cursor names. Raises `Invalid` for a text that this server did not make."""
    if text is None:
        return Cursor()
    try:
        kind, _, rest = unb64u(text, "the cursor").decode("ascii").partition(":")
    except (Malformed, UnicodeDecodeError):
        kind, rest = "", ""
    if kind == "after" and _NAME.fullmatch(rest):
        return Cursor(after=rest)
    if kind == "at" and _COUNT.fullmatch(rest):
        return Cursor(offset=int(rest))
    raise Invalid("the page link is not one of this server's; search again from the first page")


def cut(
    items: Sequence[Item],
    cursor: Cursor,
    count: int,
    *,
    name: Callable[[Item], str],
    size: Callable[[Item], int],
    by_name: bool = True,
) -> Page[Item]:
    """The page that begins at `cursor`.

    With `by_name` the items are in the order of their names. Then no item is lost or repeated when others
    come or go.
    """
    start = cursor.offset
    if by_name:
        start = next((at for at, item in enumerate(items) if name(item) > cursor.after), len(items))
    end, bytes_left = start, MAX_PAGE_BYTES
    while end < len(items) and end - start < count and (end == start or size(items[end]) <= bytes_left):
        bytes_left -= size(items[end])
        end += 1
    page = tuple(items[start:end])
    if end >= len(items) or not page:
        return Page(page, None)
    text = f"after:{name(page[-1])}" if by_name else f"at:{end}"
    return Page(page, b64u(text.encode("ascii")))


def page_url(base: str, query: Mapping[str, Sequence[str]], cursor: str | None = None) -> str:
    """The address of this page, or of the page at `cursor`. It has only parameters that the caller sent."""
    pairs = [(name, value) for name, values in query.items() if name != CURSOR for value in values]
    if cursor is not None:
        pairs.append((CURSOR, cursor))
    return f"{base}?{urlencode(pairs)}" if pairs else base
