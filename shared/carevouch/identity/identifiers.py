"""Identifiers as FHIR gives them: pairs of system and value. They are never our ids (FORMATS.md, 1).

An identifier without a system or value identifies nobody across organisations, and is not indexed.
"""

from typing import Any

from carevouch.kernel.errors import Unprocessable

# A person has a handful; a resource that carries more tries something else, and each is a row to write.
MAX_IDENTIFIERS = 40


def identifiers_of(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The distinct (system, value) pairs of a resource to be stored, in order.

    Raises `Unprocessable` where there are too many: an identifier that is left out could make the same
    person a second time.
    """
    found = every_identifier_of(resource)
    if len(found) > MAX_IDENTIFIERS:
        raise Unprocessable(
            f"a resource has at most {MAX_IDENTIFIERS} identifiers with system and value; leave some out"
        )
    return found


def every_identifier_of(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The same of a resource that is stored, however many there are: all of them are to be found again."""
    listed = resource.get("identifier") or []
    entries = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    pairs = ((item.get("system"), item.get("value")) for item in entries)
    found = [(system, value) for system, value in pairs if isinstance(system, str) and isinstance(value, str)]
    return tuple(dict.fromkeys(found))
