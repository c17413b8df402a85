"""Identifiers as FHIR gives them: pairs of system and value. They are never our ids (design.md, 3).

An identifier without a system or value identifies nobody across organisations, and is not indexed.
"""

from typing import Any

# A person has a handful; a Bundle that carries more tries something else.
MAX_IDENTIFIERS = 40


def identifiers_of(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The distinct (system, value) pairs of a resource, in order."""
    listed = resource.get("identifier") or []
    entries = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    pairs = ((item.get("system"), item.get("value")) for item in entries)
    found = [(system, value) for system, value in pairs if isinstance(system, str) and isinstance(value, str)]
    return tuple(dict.fromkeys(found))[:MAX_IDENTIFIERS]
