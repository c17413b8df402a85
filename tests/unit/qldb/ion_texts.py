"""Ion values of every type as text, for properties."""

import base64

from hypothesis import strategies as st

_SCALAR_TYPES = ("null", "bool", "int", "float", "decimal", "timestamp", "symbol", "string", "clob", "blob")
_NULLS = (*_SCALAR_TYPES, "list", "sexp", "struct")
_SYMBOLS = st.sampled_from(["a", "b1", "_c", "'two words'", "''", r"'\x0b\x0c\x0e'", "'né'"])
_ANNOTATIONS = st.sampled_from(["a", "'two words'", r"'\x0b'", "'né'"])
_TEXTS = st.text(st.sampled_from("az 07\x0b\x0c\x0eé\U0001f600"), max_size=40)
_ESCAPES = {"\x0b": r"\x0b", "\x0c": r"\x0c", "\x0e": r"\x0e"}


def _string(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'


def _blob(octets: bytes) -> str:
    return "{{" + base64.b64encode(octets).decode() + "}}"


def _float(number: float) -> str:
    return repr(number) if "e" in repr(number) else f"{number!r}e0"


_DECIMALS = st.builds(
    lambda sign, digits, places: f"{sign}{digits}d{places}",
    st.sampled_from(["", "-"]),
    st.integers(0, 10**20),
    st.integers(-300, 300),
)
_DATES = st.dates().map(lambda date: f"{date.isoformat()}")
_TIMES = st.builds(
    lambda date, time, fraction, zone: f"{date}T{time}{fraction}{zone}",
    _DATES.filter(lambda date: "0001-01-03" < date < "9999-12-29"),
    st.times().map(lambda time: time.strftime("%H:%M:%S")),
    st.sampled_from(["", ".0", ".000", ".25", ".123456"]),
    st.sampled_from(["Z", "-00:00", "+05:30", "-12:34"]),
)
_SCALARS = st.one_of(
    st.sampled_from(["null", "true", "false", "nan", "+inf", "-inf", "0e0", "-0e0", "2020T", "2020-02T"]),
    st.sampled_from(_NULLS).map(lambda name: f"null.{name}"),
    st.integers(-(2**90), 2**90).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(_float),
    _DECIMALS,
    _DATES,
    _TIMES,
    _SYMBOLS,
    _TEXTS.map(_string),
    st.binary(max_size=40).map(_blob),
)


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    fields = st.lists(st.builds(lambda name, value: f"{name}:{value}", _SYMBOLS, inner), max_size=4)
    return st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]"),
        st.lists(inner, max_size=4).map(lambda items: f"({' '.join(items)})"),
        fields.map(lambda items: f"{{{','.join(items)}}}"),
        st.builds(lambda name, value: f"{name}::{value}", _ANNOTATIONS, inner),
    )


_VALUES = st.recursive(_SCALARS, _deeper, max_leaves=12)


def ions() -> st.SearchStrategy[str]:
    """One value, nested or not."""
    return _VALUES
