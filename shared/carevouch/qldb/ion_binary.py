"""Ion binary (version 1.0, "10n"): the bytes of an exported object as values of `amazon.ion.simple_types`.

The C parser of `amazon-ion` never returns from a length that is wrong by one. A verifier reads bytes that
somebody may have changed, so it needs this reader. Each length is checked against its container before it is
followed. A length that does not fit raises `Malformed`. Symbols of shared symbol tables have no text here.
"""

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from amazon.ion import simple_types as ion  # type: ignore[import-untyped]
from amazon.ion.core import IonType, TimestampPrecision  # type: ignore[import-untyped]
from amazon.ion.symbols import SymbolToken  # type: ignore[import-untyped]

from carevouch.kernel.errors import Malformed

VERSION = b"\xe0\x01\x00\xea"
_SYSTEM = (
    None,
    "$ion",
    "$ion_1_0",
    "$ion_symbol_table",
    "name",
    "version",
    "imports",
    "symbols",
    "max_id",
    "$ion_shared_symbol_table",
)
_SYMBOL_TABLE = "$ion_symbol_table"
_NULL, _LONG, _ORDERED = 15, 14, 1
# The types by the first half of their first byte; both halves of integers (2, 3) are one type.
_TYPES = (
    IonType.NULL,
    IonType.BOOL,
    IonType.INT,
    IonType.INT,
    IonType.FLOAT,
    IonType.DECIMAL,
    IonType.TIMESTAMP,
    IonType.SYMBOL,
    IonType.STRING,
    IonType.CLOB,
    IonType.BLOB,
    IonType.LIST,
    IonType.SEXP,
    IonType.STRUCT,
)
_ANNOTATION, _STRUCT = 14, 13
# A date holds 1, 2 or 3 numbers, a time 5 or 6.
_PRECISIONS = {
    1: TimestampPrecision.YEAR,
    2: TimestampPrecision.MONTH,
    3: TimestampPrecision.DAY,
    5: TimestampPrecision.MINUTE,
    6: TimestampPrecision.SECOND,
}


class BinaryReader:
    """A reader of Ion binary. The `end` or `stop` of a method bounds the bytes that it reads."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._symbols: list[str | None] = list(_SYSTEM)
        self._at = 0
        # By type, from 1: type 0 is null or padding.
        self._readers: tuple[Callable[[int, int, int], Any], ...] = (
            self._bool,
            self._int,
            self._int,
            self._float,
            self._decimal,
            self._timestamp,
            self._symbol,
            self._octets,
            self._octets,
            self._octets,
            self._sequence,
            self._sequence,
            self._struct,
        )

    def values(self) -> Iterator[Any]:
        """The top-level values, one by one. Raises `Malformed` where the bytes are not Ion binary."""
        while self._at < len(self._data):
            if self._data.startswith(VERSION, self._at):
                self._at += len(VERSION)
                self._symbols = list(_SYSTEM)
                continue
            try:
                value = self._value(len(self._data))
            except (ValueError, ArithmeticError) as error:
                raise _damaged() from error
            except RecursionError:
                raise Malformed("the Ion value nests too deep to be read") from None
            names = getattr(value, "ion_annotations", ())
            if names and names[0].text == _SYMBOL_TABLE and isinstance(value, ion.IonPyDict):
                self._add_symbols(value)
            elif value is not None:
                yield value

    def _value(self, end: int) -> Any:
        """One value that ends by `end`, or None for padding."""
        if self._at >= end:
            raise _damaged()
        first = self._data[self._at]
        self._at += 1
        # The halves of the first byte: the type, and the length or what stands for it.
        kind, low = first >> 4, first & 15
        stop = self._at
        if kind != 1 and low != _NULL:  # The low half of a bool is its value.
            length = self._varuint(end) if low == _LONG or (kind == _STRUCT and low == _ORDERED) else low
            stop = self._at + length
            if stop > end:
                raise _damaged()
        if kind == _ANNOTATION:
            return self._annotated(low, stop)
        if kind > _ANNOTATION:
            raise _damaged()
        if low == _NULL:
            return ion.IonPyNull(_TYPES[kind])
        if kind == 0:
            self._at = stop
            return None
        return self._readers[kind - 1](kind, low, stop)

    def _annotated(self, low: int, stop: int) -> Any:
        length = self._varuint(stop) if 3 <= low <= _LONG else 0
        names_end = self._at + length
        if not length or names_end >= stop:
            raise _damaged()
        names = []
        while self._at < names_end:
            names.append(self._token(self._varuint(names_end)))
        value = self._value(stop)
        if value is None or self._at != stop or value.ion_annotations:
            raise _damaged()
        value.ion_annotations = tuple(names)
        return value

    def _varuint(self, end: int) -> int:
        number = 0
        while self._at < end:
            byte = self._data[self._at]
            self._at += 1
            number = number << 7 | byte & 0x7F
            if byte & 0x80:
                return number
        raise _damaged()

    def _varint(self, end: int) -> tuple[int, int]:
        """The sign and the magnitude, since an offset of minus zero differs from zero."""
        if self._at >= end:
            raise _damaged()
        byte = self._data[self._at]
        self._at += 1
        sign, number = byte & 0x40, byte & 0x3F
        while not byte & 0x80:
            if self._at >= end:
                raise _damaged()
            byte = self._data[self._at]
            self._at += 1
            number = number << 7 | byte & 0x7F
        return sign, number

    def _rest(self, stop: int) -> bytes:
        rest = self._data[self._at : stop]
        self._at = stop
        return rest

    def _text_of(self, sid: int) -> str | None:
        if sid >= len(self._symbols):
            raise _damaged()
        return self._symbols[sid]

    def _token(self, sid: int) -> Any:
        return SymbolToken(self._text_of(sid), sid)

    def _bool(self, _: int, low: int, __: int) -> Any:
        if low > 1:
            raise _damaged()
        return ion.IonPyBool(low)

    def _int(self, kind: int, _: int, stop: int) -> Any:
        magnitude = int.from_bytes(self._rest(stop), "big")
        if kind == 3 and not magnitude:
            raise _damaged()
        return ion.IonPyInt(magnitude if kind == 2 else -magnitude)

    def _float(self, _: int, __: int, stop: int) -> Any:
        binary = self._rest(stop)
        form = {0: None, 4: ">f", 8: ">d"}.get(len(binary), "")
        if form == "":
            raise _damaged()
        return ion.IonPyFloat(struct.unpack(form, binary)[0] if form else 0.0)

    def _decimal(self, _: int, __: int, stop: int) -> Any:
        return ion.IonPyDecimal(self._decimal_of(stop))

    def _decimal_of(self, stop: int) -> Decimal:
        if self._at == stop:
            return Decimal(0)
        negative, exponent = self._varint(stop)
        coefficient = self._rest(stop)
        sign = coefficient[:1] >= b"\x80"
        magnitude = int.from_bytes(coefficient, "big")
        if sign:
            magnitude ^= 1 << (8 * len(coefficient) - 1)
        # Through the exact constructor: arithmetic would round to the context's precision.
        digits = Decimal(magnitude).as_tuple().digits
        return Decimal((int(sign), digits, -exponent if negative else exponent))

    def _timestamp(self, _: int, __: int, stop: int) -> Any:
        negative, minutes = self._varint(stop)
        fields: list[int] = []
        while self._at < stop and len(fields) < 6:
            fields.append(self._varuint(stop))
        seconds = self._decimal_of(stop)
        precision = _PRECISIONS.get(len(fields))
        if precision is None or not 0 <= seconds < 1:
            raise _damaged()
        utc = datetime(*(fields + [1, 1][len(fields) - 1 :])[:6], tzinfo=UTC)  # type: ignore[misc, arg-type]
        zone = None if negative and not minutes else timedelta(minutes=-minutes if negative else minutes)
        local = utc if zone is None else utc + zone
        return ion.IonPyTimestamp(
            local.year,
            local.month,
            local.day,
            local.hour,
            local.minute,
            local.second,
            None,
            None if zone is None else timezone(zone),
            precision=precision,
            fractional_seconds=seconds,
        )

    def _symbol(self, _: int, __: int, stop: int) -> Any:
        sid = int.from_bytes(self._rest(stop), "big")
        return ion.IonPySymbol(self._text_of(sid), sid)

    def _octets(self, kind: int, _: int, stop: int) -> Any:
        octets = self._rest(stop)
        if _TYPES[kind] is IonType.STRING:
            return ion.IonPyText(octets.decode("utf-8"))
        value = ion.IonPyBytes(octets)
        value.ion_type = _TYPES[kind]
        return value

    def _sequence(self, kind: int, _: int, stop: int) -> Any:
        sequence = ion.IonPyList()
        sequence.ion_type = _TYPES[kind]
        while self._at < stop:
            value = self._value(stop)
            if value is not None:
                sequence.append(value)
        return sequence

    def _struct(self, _: int, low: int, stop: int) -> Any:
        fields = ion.IonPyDict()
        if low == _ORDERED and self._at == stop:
            raise _damaged()
        while self._at < stop:
            name = self._text_of(self._varuint(stop))
            value = self._value(stop)
            if value is not None:
                fields.add_item(name, value)
        return fields

    def _add_symbols(self, table: Any) -> None:
        imports, symbols = table.get("imports"), table.get("symbols")
        if getattr(imports, "text", None) != _SYMBOL_TABLE:
            self._symbols = list(_SYSTEM)
        for shared in imports if isinstance(imports, list) else []:
            size = shared.get("max_id") if isinstance(shared, ion.IonPyDict) else None
            # Their symbols cannot be resolved here; a table of many is only a way to fill memory.
            if not isinstance(size, int) or not 0 <= size <= 100_000:
                raise Malformed("the Ion symbols are in a shared table that is not here")
            self._symbols += [None] * size
        for name in symbols if isinstance(symbols, list) else []:
            self._symbols.append(str(name) if isinstance(name, ion.IonPyText) else None)


def _damaged() -> Malformed:
    return Malformed("this is no Amazon Ion, or it is damaged")
