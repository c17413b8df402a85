"""The values at a dotted path of a resource, through all repetitions."""

from collections.abc import Iterator, Mapping
from typing import Any


def values(resource: Mapping[str, Any], path: str) -> Iterator[Any]:
    """Each value at `path`, such as `participant.actor`; an absent element has none."""
    yield from _descend(resource, path.split("."))


def _descend(value: Any, steps: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _descend(item, steps)
    elif not steps:
        if value is not None:
            yield value
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _descend(value[steps[0]], steps[1:])
