"""Ion Hash: the SHA-256 of an Amazon Ion value in any form (spec.md of ion-hash).

QLDB hashes transactions and revisions with it. Text or binary, field order and symbol tables do not matter.
Types, annotations, a decimal's zeros and a timestamp's precision do. A value is serialized as `0B tq
representation 0E`. Inside, 0C escapes the bytes 0B, 0C and 0E. The representation of a struct is the sorted
hashes of its fields. No repr and no habit of an encoder may get into these bytes.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from amazon.ion import simple_types as ion  # type: ignore[import-untyped]
from amazon.ion.core import IonType, TimestampPrecision  # type: ignore[import-untyped]

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Malformed

Digest = Callable[[bytes], bytes]

_BEGIN, _END = b"\x0b", b"\x0e"
_ESCAPE = b"\x0c"
# The type half of the TQ byte. Its other half marks null (F), true, a negative integer, an unknown symbol.
_TQ = {
    IonType.NULL: 0x00,
    IonType.BOOL: 0x10,
    IonType.INT: 0x20,
    IonType.FLOAT: 0x40,
    IonType.DECIMAL: 0x50,
    IonType.TIMESTAMP: 0x60,
    IonType.SYMBOL: 0x70,
    IonType.STRING: 0x80,
    IonType.CLOB: 0x90,
    IonType.BLOB: 0xA0,
    IonType.LIST: 0xB0,
    IonType.SEXP: 0xC0,
    IonType.STRUCT: 0xD0,
}
_NEGATIVE, _UNKNOWN_SYMBOL, _ANNOTATED = 0x30, 0x71, 0xE0
_NAN = bytes.fromhex("7ff8000000000000")
_UNKNOWN_OFFSET = b"\xc0"
_ONE_MINUTE = timedelta(minutes=1)


def ion_hash(value: Any) -> bytes:
    """The SHA-256 Ion Hash of a value that `amazon.ion.simpleion` read; raises `Malformed`."""
    return sha256(serialized(value))


def serialized(value: Any, digest: Digest = sha256) -> bytes:
    """The bytes whose digest is the Ion Hash, with annotations. `digest` hashes the fields of structs.

    Raises `Malformed` for a value that nests too deep or has no bytes in Ion.
    """
    try:
        return _annotated(value, digest)
    except RecursionError:
        raise Malformed("the Ion value nests too deep to be hashed") from None


def _annotated(value: Any, digest: Digest) -> bytes:
    body = _WRITERS[type(value)](value, digest)
    if not value.ion_annotations:
        return body
    names = b"".join(_token(name) for name in value.ion_annotations)
    return _BEGIN + bytes([_ANNOTATED]) + names + body + _END


def _enclosed(tq: int, representation: bytes = b"") -> bytes:
    # The escape itself first: it must not escape what escapes the others.
    for marker in (_ESCAPE, _BEGIN, _END):
        representation = representation.replace(marker, _ESCAPE + marker)
    return _BEGIN + bytes([tq]) + representation + _END


def _null(value: Any, _: Digest) -> bytes:
    return _enclosed(_TQ[value.ion_type] | 0x0F)


def _bool(value: Any, _: Digest) -> bytes:
    return _enclosed(_TQ[IonType.BOOL] | bool(value))


def _int(value: Any, _: Digest) -> bytes:
    magnitude = abs(value).to_bytes((value.bit_length() + 7) // 8, "big")
    return _enclosed(_NEGATIVE if value < 0 else _TQ[IonType.INT], magnitude)


def _float(value: Any, _: Digest) -> bytes:
    if value != value:
        return _enclosed(_TQ[IonType.FLOAT], _NAN)
    binary = struct.pack(">d", value)
    return _enclosed(_TQ[IonType.FLOAT], binary if any(binary) else b"")


def _decimal(value: Any, _: Digest) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise Malformed("an Ion decimal is a number")
    coefficient = int(Decimal((0, digits, 0)))
    if not (sign or coefficient or exponent):
        return _enclosed(_TQ[IonType.DECIMAL])
    return _enclosed(_TQ[IonType.DECIMAL], _varint(exponent) + _signed(sign, coefficient))


def _timestamp(value: Any, _: Digest) -> bytes:
    """The offset in minutes, then the UTC fields as far as the precision goes: Ion binary's own form."""
    precision, offset = value.precision, value.utcoffset()
    try:
        utc = value if offset is None else value - offset
    except OverflowError:
        raise Malformed("an Ion timestamp lies outside the years 1 to 9999") from None
    moment = _UNKNOWN_OFFSET if offset is None else _varint(offset // _ONE_MINUTE)
    moment += _varuint(utc.year)
    fields = [(TimestampPrecision.MONTH, utc.month), (TimestampPrecision.DAY, utc.day)]
    fields += [(TimestampPrecision.MINUTE, utc.hour), (TimestampPrecision.MINUTE, utc.minute)]
    fields += [(TimestampPrecision.SECOND, utc.second)]
    moment += b"".join(_varuint(field) for needed, field in fields if precision >= needed)
    if precision >= TimestampPrecision.SECOND:
        fraction = Decimal(value.fractional_seconds).as_tuple()
        coefficient, exponent = int(Decimal((0, fraction.digits, 0))), int(fraction.exponent)
        # No fraction, and a zero with an exponent of zero or more, are the same instant and precision.
        if coefficient or exponent < 0:
            moment += _varint(exponent) + _signed(0, coefficient)
    return _enclosed(_TQ[IonType.TIMESTAMP], moment)


def _symbol(value: Any, _: Digest) -> bytes:
    return _token(value)


def _token(token: Any) -> bytes:
    """A symbol, a field name or an annotation, by its text. `$0` and a field name of None have no text."""
    name = token if isinstance(token, str | None) else token.text
    if name is not None:
        return _enclosed(_TQ[IonType.SYMBOL], name.encode("utf-8"))
    if token is not None and token.sid != 0:
        raise Malformed("an Ion symbol's text is in a symbol table that is not here")
    return _enclosed(_UNKNOWN_SYMBOL)


def _text(value: Any, _: Digest) -> bytes:
    return _enclosed(_TQ[value.ion_type], value.encode("utf-8"))


def _octets(value: Any, _: Digest) -> bytes:
    return _enclosed(_TQ[value.ion_type], value)


def _sequence(value: Any, digest: Digest) -> bytes:
    items = b"".join([_annotated(item, digest) for item in value])
    return _BEGIN + bytes([_TQ[value.ion_type]]) + items + _END


def _struct(value: Any, digest: Digest) -> bytes:
    fields: Iterable[tuple[str | None, Any]] = value.iteritems()
    hashes = [digest(_token(name) + _annotated(item, digest)) for name, item in fields]
    return _enclosed(_TQ[IonType.STRUCT], b"".join(sorted(hashes)))


def _signed(sign: int, magnitude: int) -> bytes:
    """Ion's Int: the magnitude, with the sign in its highest bit. Plus zero has no byte."""
    if not sign and not magnitude:
        return b""
    length = magnitude.bit_length() // 8 + 1
    return (magnitude | sign << (8 * length - 1)).to_bytes(length, "big")


def _varuint(number: int) -> bytes:
    """Ion's VarUInt: groups of seven bits, of which the last is marked."""
    out = [number & 0x7F | 0x80]
    while number := number >> 7:
        out.append(number & 0x7F)
    return bytes(reversed(out))


def _varint(number: int) -> bytes:
    """Ion's VarInt: like VarUInt, with the sign in the second bit of the first byte."""
    magnitude = abs(number)
    out = []
    while magnitude > 0x3F:
        out.append(magnitude & 0x7F)
        magnitude >>= 7
    out.append(magnitude | (0x40 if number < 0 else 0))
    out[0] |= 0x80
    return bytes(reversed(out))


_WRITERS: Mapping[type, Callable[[Any, Digest], bytes]] = {
    ion.IonPyNull: _null,
    ion.IonPyBool: _bool,
    ion.IonPyInt: _int,
    ion.IonPyFloat: _float,
    ion.IonPyDecimal: _decimal,
    ion.IonPyTimestamp: _timestamp,
    ion.IonPySymbol: _symbol,
    ion.IonPyText: _text,
    ion.IonPyBytes: _octets,
    ion.IonPyList: _sequence,
    ion.IonPyDict: _struct,
}
