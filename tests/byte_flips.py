"""Which bytes of a file a test flips: all of them in a soak, every day at least one of each word in it.

A file's words are what stands between its separators: the members and values of JSON, the lines of a note,
the parts of a signed event. The places within them are drawn, always the same ones for the same file.
"""

import random
import re
from collections.abc import Iterable

from tests.conftest import SOAK

WORD = re.compile(rb'[^\s",:{}\[\].]+')


def places(data: bytes, most: int) -> Iterable[int]:
    """One place in each word, both ends of the file, and some `most` more at even distances."""
    if SOAK > 1 or len(data) <= most:
        return range(len(data))
    chance = random.Random(len(data))  # noqa: S311 - places for a test
    words = {chance.randrange(*word.span()) for word in WORD.finditer(data)}
    step = -(-len(data) // most)
    return sorted({0, len(data) - 1, *words, *range(chance.randrange(step), len(data), step)})


def flipped(data: bytes, at: int) -> bytes:
    """`data` with the lowest bit of one byte turned."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
