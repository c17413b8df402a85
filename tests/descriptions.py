"""The two descriptions of the server, as packaging makes them, once for each test process."""

from functools import cache

from infra.routes import descriptions


@cache
def _made() -> dict[str, bytes]:
    return descriptions()


def description(name: str) -> bytes:
    """One of them, by the name of its file."""
    return _made()[name]
