"""Bytes as text: base64url and base32, both without padding (RFC 4648 sections 5 and 6), and SHA-256.

Decoding is strict, so that two different texts never stand for the same bytes. Characters outside the
alphabet, padding, and trailing bits that are not zero are refused. A verifier depends on that.
"""

import base64
import binascii
import hashlib
from binascii import a2b_base64 as _decoded

from carevouch.kernel.errors import Malformed

_TO_URL = bytes.maketrans(b"+/", b"-_")
# The characters that only standard base64 has become invalid ones, which the decoder refuses.
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
_PADDING = (b"", b"", b"==", b"=")
# By the length modulo 4: the last characters whose bits beyond the last byte are zero.
_ENDS = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")


def b64u(data: bytes) -> str:
    """Base64url without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def unb64u(text: str, what: str = "value") -> bytes:
    """Strict inverse of `b64u`; raises `Malformed` naming `what` for every other text."""
    try:
        data = text.encode("ascii")
    except UnicodeEncodeError:
        data = b"="
    return unb64u_ascii(data, what)


def unb64u_ascii(text: bytes, what: str = "value") -> bytes:
    """`unb64u` of a text that is given as bytes."""
    over = len(text) % 4
    try:
        if not over or text[-1] in _ENDS[over]:
            return _decoded(text.translate(_FROM_URL) + _PADDING[over], strict_mode=True)
    except binascii.Error:
        pass
    raise Malformed(f"{what} is not base64url without padding")


def b64(data: bytes) -> str:
    """Standard base64 with padding, as in signed notes and tlog proofs."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str, what: str = "value") -> bytes:
    """Strict inverse of `b64`; raises `Malformed` naming `what` for every other text."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        data = b""
    if b64(data) != text:
        raise Malformed(f"{what} is not standard base64")
    return data


def base32(data: bytes) -> str:
    """Lower-case base32 without padding: 16 bytes give the 26 characters of an id."""
    return base64.b32encode(data).rstrip(b"=").decode("ascii").lower()


def sha256(data: bytes) -> bytes:
    """SHA-256, the only hash of the project."""
    return hashlib.sha256(data).digest()
