"""The primitive types of R4 (http://hl7.org/fhir/R4/datatypes.html#primitive) as JSON Schema, dates by
calendar.

Patterns are written for a linear-time engine, without look-around or back-reference. No text can make them
slow. The pattern refuses a date that no calendar has, such as 31 April.
"""

from typing import Any, Final

# FHIR: "strings SHALL NOT exceed 1MB (1024*1024 characters) in size".
MAX_STRING: Final = 1024 * 1024

_YEAR = r"(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_MONTH = rf"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,30})?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# R4: control characters other than tab, line feed and carriage return SHOULD NOT occur. Here they must not.
_TEXT = r"[^\x00-\x08\x0B\x0C\x0E-\x1F]+"
_BASE64 = r"\s*(?:[A-Za-z0-9+/]\s*){4}"  # one group of four; the last may be padded
_BASE64_END = r"(?:(?:[A-Za-z0-9+/]\s*){2}=\s*=\s*|(?:[A-Za-z0-9+/]\s*){3}=\s*)?"


def _text(pattern: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "pattern": rf"\A(?:{pattern})\z", **more}


_URI = _text(r"[^\s\x00-\x1F]+", maxLength=MAX_STRING)

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "unsignedInt": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    "positiveInt": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "decimal": {"type": "number"},
    "string": _text(_TEXT, maxLength=MAX_STRING),
    "markdown": _text(_TEXT, maxLength=MAX_STRING),
    "xhtml": _text(_TEXT, maxLength=MAX_STRING),
    "code": _text(r"[^\s\x00-\x1F]+(?:\s[^\s\x00-\x1F]+)*", maxLength=MAX_STRING),
    "id": _text(r"[A-Za-z0-9\-.]{1,64}"),
    "uri": _URI,
    "url": _URI,
    "canonical": _URI,
    "oid": _text(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"),
    "uuid": _text(f"urn:uuid:{_UUID}"),
    "base64Binary": _text(rf"(?:{_BASE64})*{_BASE64_END}", minLength=4),
    "date": _text(f"{_DAY}|{_MONTH}"),
    "dateTime": _text(f"{_DAY}(?:T{_TIME}{_ZONE})?|{_MONTH}"),
    "instant": _text(f"{_DAY}T{_TIME}{_ZONE}"),
    "time": _text(_TIME),
}

# The form of a value of each type, for the sentence that says what to mend.
FORMS: Final[dict[str, str]] = {
    "boolean": "true or false",
    "integer": "a whole number of 32 bits",
    "unsignedInt": "a whole number from 0 to 2147483647",
    "positiveInt": "a whole number from 1 to 2147483647",
    "decimal": "a number",
    "string": "text that is not empty and has no control characters",
    "markdown": "text that is not empty and has no control characters",
    "xhtml": "an XHTML div",
    "code": "a code without spaces at its ends, and with single spaces inside",
    "id": "1 to 64 letters, digits, hyphens and dots",
    "uri": "a URI without spaces",
    "url": "a URL without spaces",
    "canonical": "a canonical URL without spaces",
    "oid": "an OID such as urn:oid:1.2.3",
    "uuid": "a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520, in lower case",
    "base64Binary": "base64",
    "date": "a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD",
    "dateTime": "a date of the calendar, or date, time and zone: YYYY-MM-DDThh:mm:ss+zz:zz",
    "instant": "date, time and zone: YYYY-MM-DDThh:mm:ss.sss+zz:zz",
    "time": "a time hh:mm:ss",
}
