"""Comparison of values in a resource with values in a search, by kind of parameter.

Dates are compared as intervals, with the prefixes of http://hl7.org/fhir/R4/search.html#prefix. Tokens are
compared by system and code: `system|code`, `|code` without a system, `code` in any system, `system|`.
References are compared whole.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from carevouch.fhir.dates import Interval, interval
from carevouch.fhir.parameters import Parameter
from carevouch.fhir.paths import values
from carevouch.fhir.references import parse_target

_PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
_ENDLESS: Final = 1 << 62


def meets(resource: Mapping[str, Any], parameter: Parameter, wanted: str, base_url: str | None) -> bool:
    """Whether any value of the parameter's elements matches `wanted`."""
    present = [item for path in parameter.paths for item in values(resource, path)]
    if parameter.kind == "reference":
        return _has_reference(present, wanted, parameter.target, base_url)
    if parameter.kind == "date":
        prefix, (low, high) = bounds(wanted)
        return any(_compare(prefix, low, high, *span) for item in present for span in _spans(item))
    if parameter.kind == "string":
        start = unescape(wanted).casefold()
        return any(isinstance(item, str) and item.casefold().startswith(start) for item in present)
    parts = [unescape(part) for part in split(wanted, "|")]
    tokens = [token for item in present for token in _tokens(item)]
    if len(parts) == 1:
        return any(code == parts[0] for _, code in tokens)
    return any((parts[0] or None) == system and parts[1] in ("", code) for system, code in tokens)


def rank(parameter: Parameter, descending: bool, resource: Mapping[str, Any]) -> tuple[int, int]:
    """The sort key of a date parameter. Resources without a value come last in both directions."""
    present = [item for path in parameter.paths for item in values(resource, path)]
    spans = [span for item in present for span in _spans(item)]
    if not spans:
        return 1, 0
    return 0, -max(last for _, last in spans) if descending else min(first for first, _ in spans)


def bounds(wanted: str) -> tuple[str, Interval]:
    """The prefix and the interval of a date in a search. Raises `Malformed`."""
    prefix = wanted[:2] if wanted[:2] in _PREFIXES else "eq"
    text = wanted[2:] if wanted[:2] in _PREFIXES else wanted
    return prefix, interval(text, "a date in the search")


def split(text: str, mark: str) -> list[str]:
    r"""The parts between unescaped marks; escapes (`\,` `\|` `\$`) stay for `unescape`."""
    parts, escaped = [""], False
    for letter in text:
        if letter == mark and not escaped:
            parts.append("")
        else:
            parts[-1] += letter
        escaped = letter == "\\" and not escaped
    return parts


def unescape(text: str) -> str:
    r"""The value without its escapes: `\,` is a comma (http://hl7.org/fhir/R4/search.html#escaping)."""
    return re.sub(r"\\([\\,|$])", r"\1", text)


def _tokens(item: Any) -> Iterator[tuple[str | None, str | None]]:
    """The (system, code) of each value that FHIR calls a token."""
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


def _has_reference(present: Sequence[Any], wanted: str, only: str | None, base_url: str | None) -> bool:
    target = parse_target(unescape(wanted), base_url)
    for item in present:
        text = item.get("reference") if isinstance(item, dict) else item
        if not isinstance(text, str):
            continue
        other = parse_target(text, base_url)
        if only and other.type != only:
            continue
        if target.form == "unknown":
            # A bare id is one of the only type that the parameter allows, or of any type.
            if other.form == "local" and other.id == wanted:
                return True
        elif (target.form, target.type, target.id) == (other.form, other.type, other.id) and (
            target.form != "absolute" or wanted == text
        ):
            return True
    return False


def _compare(prefix: str, low: int, high: int, first: int, last: int) -> bool:
    """The table of search.html#prefix on half-open intervals: [low, high) wanted, [first, last) present."""
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
    """The interval of a date or Period, or the intervals of a Timing's events."""
    if isinstance(item, str):
        yield interval(item)
    elif isinstance(item, dict):
        if "event" in item:
            yield from (interval(event) for event in item["event"] if event)
        elif "start" in item or "end" in item:
            low = interval(item["start"])[0] if "start" in item else -_ENDLESS
            yield low, interval(item["end"])[1] if "end" in item else _ENDLESS
