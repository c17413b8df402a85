"""Does a value in a resource match a value in a search? One test per kind of parameter.

Dates are compared as intervals with the prefixes of http://hl7.org/fhir/R4/search.html#prefix, tokens by
system and code (`system|code`, `|code` without a system, `code` in any system, `system|`), references
whole.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from carevouch.fhir.dates import Interval, interval
from carevouch.fhir.parameters import Parameter
from carevouch.fhir.paths import values
from carevouch.fhir.references import parse_target

_PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
_ENDLESS: Final = 1 << 62


def meets(resource: Mapping[str, Any], parameter: Parameter, wanted: str, base_url: str | None) -> bool:
    """Whether any value of the parameter's elements is what `wanted` asks for."""
    found = [item for path in parameter.paths for item in values(resource, path)]
    if parameter.kind == "reference":
        return _is_reference(found, wanted, parameter.target, base_url)
    return _TESTS[parameter.kind](found, wanted)


def rank(resource: Mapping[str, Any], parameter: Parameter, descending: bool) -> tuple[int, int]:
    """A key that sorts by a date parameter; resources without a value come last in both directions."""
    found = [item for path in parameter.paths for item in values(resource, path)]
    spans = [span for item in found for span in _spans(item)]
    if not spans:
        return 1, 0
    return 0, -max(last for _, last in spans) if descending else min(first for first, _ in spans)


def bounds(wanted: str) -> tuple[str, Interval]:
    """Prefix and interval of a date in a search; raises `Malformed` for what is no date."""
    prefix = wanted[:2] if wanted[:2] in _PREFIXES else "eq"
    text = wanted[2:] if wanted[:2] in _PREFIXES else wanted
    return prefix, interval(text, "a date in the search")


def split(text: str, mark: str) -> list[str]:
    r"""The parts between unescaped marks; escapes (`\,` `\|` `\$`) stay until `unescape`."""
    parts, escaped = [""], False
    for letter in text:
        if letter == mark and not escaped:
            parts.append("")
        else:
            parts[-1] += letter
        escaped = letter == "\\" and not escaped
    return parts


def unescape(text: str) -> str:
    r"""The value itself: `\,` is a comma (http://hl7.org/fhir/R4/search.html#escaping)."""
    return re.sub(r"\\([\\,|$])", r"\1", text)


def _is_token(found: Sequence[Any], wanted: str) -> bool:
    parts = [unescape(part) for part in split(wanted, "|")]
    for item in found:
        for system, code in _tokens(item):
            if len(parts) == 1:
                if code == parts[0]:
                    return True
            elif (parts[0] or None) == system and parts[1] in ("", code):
                return True
    return False


def _tokens(item: Any) -> Iterator[tuple[str | None, str | None]]:
    """(system, code) of whatever FHIR calls a token."""
    if isinstance(item, bool):
        yield None, "true" if item else "false"
    elif isinstance(item, str):
        yield None, item
    elif isinstance(item, dict):
        for coding in item.get("coding", ()):
            yield coding.get("system"), coding.get("code")
        if "code" in item and isinstance(item["code"], str):
            yield item.get("system"), item["code"]
        elif "value" in item:
            yield item.get("system"), item["value"]


def _is_reference(found: Sequence[Any], wanted: str, only: str | None, base_url: str | None) -> bool:
    target = parse_target(unescape(wanted), base_url)
    for item in found:
        text = item.get("reference") if isinstance(item, dict) else item
        if not isinstance(text, str):
            continue
        other = parse_target(text, base_url)
        if only and other.type != only:
            continue
        if target.form == "unknown":
            # A bare id: of the one type the parameter is about, or of any.
            if other.form == "local" and other.id == wanted:
                return True
        elif (target.form, target.type, target.id) == (other.form, other.type, other.id) and (
            target.form != "absolute" or wanted == text
        ):
            return True
    return False


def _is_text(found: Sequence[Any], wanted: str) -> bool:
    start = unescape(wanted).casefold()
    return any(isinstance(item, str) and item.casefold().startswith(start) for item in found)


def _is_date(found: Sequence[Any], wanted: str) -> bool:
    prefix, (low, high) = bounds(wanted)
    return any(_compare(prefix, low, high, *spans) for item in found for spans in _spans(item))


def _compare(prefix: str, low: int, high: int, first: int, last: int) -> bool:
    """The table of search.html#prefix on half-open intervals: wanted [low, high), found [first, last)."""
    within = low <= first and last <= high
    return {
        "eq": within,
        "ne": not within,
        "gt": last > high,
        "lt": first < low,
        "ge": last > high or within,
        "le": first < low or within,
        "sa": first >= high,
        "eb": last <= low,
    }[prefix]


def _spans(item: Any) -> Iterator[Interval]:
    """The interval of a date or Period, or those of a Timing's events."""
    if isinstance(item, str):
        yield interval(item)
    elif isinstance(item, dict):
        if "event" in item:
            yield from (interval(event) for event in item["event"] if event)
        elif "start" in item or "end" in item:
            low = interval(item["start"])[0] if "start" in item else -_ENDLESS
            yield low, interval(item["end"])[1] if "end" in item else _ENDLESS


_TESTS: Final[dict[str, Callable[[Sequence[Any], str], bool]]] = {
    "token": _is_token,
    "code": _is_token,
    "date": _is_date,
    "string": _is_text,
}
