"""Ids, references and row keys.

A random part is 16 bytes in lower-case base32 (26 characters). A patient's id is one part. The id of a
document about that person is the patient's part, a dot, and a part of its own. The id of a directory document
is `d.` and its part. So the id alone names the partition, and a read needs no index. `#` separates the parts
of a key and never occurs in an id. Randomness arrives as an argument.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from carevouch.kernel.encoding import base32
from carevouch.kernel.errors import Malformed, NotFound

PART = re.compile(r"[a-z2-7]{26}")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_AUDIT = re.compile(r"([a-z2-7]{26}|none)\.[0-9]{4}(0[1-9]|1[0-2])-[a-z2-7]{26}")
_VERSION = re.compile(r"[0-9]{10}")
_ABOUT = re.compile(r"([a-z2-7]{26}|d)\.[a-z2-7]{26}")
DIRECTORY = "d"
NOBODY = "none"


class Key(NamedTuple):
    """The primary key of a row. It is a tuple because it is hashed very often."""

    pk: str
    sk: str


@dataclass(frozen=True, slots=True, order=True)
class Doc:
    """A document, in all its versions: its type and id."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"

    @property
    def subject(self) -> str | None:
        """The id of the patient that the document is about; None for a directory document."""
        head = self.id.split(".", 1)[0]
        return head if PART.fullmatch(head) else None

    def pk(self) -> str:
        """The partition: the person's, the audit month's, or the directory type's."""
        if self.type == "AuditEvent":
            head, tail = self.id.split(".", 1)
            return f"A#{head}#{tail[:4]}-{tail[4:6]}"
        return f"P#{self.subject}" if self.subject else f"D#{self.type}"

    def key(self, version: int) -> Key:
        """The key of one revision's row. Versions count from 1 and sort as text."""
        return Key(self.pk(), f"{self.type}#{self.id}#v#{version:010d}")


def part(random_16_bytes: bytes) -> str:
    """The 26 characters of one random part."""
    if len(random_16_bytes) != 16:
        raise ValueError("a random part is made of 16 bytes")
    return base32(random_16_bytes)


def about(patient: str, own_part: str) -> str:
    """The id of a document about `patient`."""
    return f"{patient}.{own_part}"


def directory(own_part: str) -> str:
    """The id of a directory document."""
    return f"{DIRECTORY}.{own_part}"


def audit(patient: str | None, own_part: str, time: str) -> str:
    """The id of an AuditEvent at the instant `time`. `patient` is None for an unknown or erased person."""
    return f"{patient or NOBODY}.{time[:4]}{time[5:7]}-{own_part}"


def parse_doc(type_: str, id_: str) -> Doc:
    """The document that a client names; raises `NotFound` if no document of ours can have this id."""
    form = {"Patient": PART, "AuditEvent": _AUDIT}.get(type_, _ABOUT)
    if not _TYPE.fullmatch(type_) or not form.fullmatch(id_):
        raise NotFound("no such resource, or it may not be read")
    return Doc(type_, id_)


def parse_reference(text: str) -> Doc:
    """The document that a reference `Type/id` names; raises `Malformed` for any other text."""
    type_, slash, id_ = text.partition("/")
    if not slash:
        raise Malformed("a reference has the form Type/id")
    try:
        return parse_doc(type_, id_)
    except NotFound as error:
        raise Malformed("the reference does not name a document of this server") from error


def parse_key(key: Key) -> tuple[Doc, int]:
    """The document and version of a revision's row; raises `ValueError` for other rows."""
    parts = key.sk.split("#")
    if len(parts) != 4 or parts[2] != "v" or not _VERSION.fullmatch(parts[3]):
        raise ValueError("not a revision row")
    return Doc(parts[0], parts[1]), int(parts[3])
