"""HTTP as a witness and whoever asks one need it: bounded in size and in time, and no redirect is followed.

Addresses come from an operator's own list of logs or policy, never out of a request or an answer.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from carevouch.kernel.errors import Unreachable
from carevouch.kernel.urls import require_http_address
from carevouch.witness.watch import Read

# For a connection, and for each piece of an answer.
TIMEOUT_SECONDS = 3
# For a whole answer, however many pieces it comes in.
ANSWER_SECONDS = 10
_CHUNK = 64 * 1024
# A full entry bundle of the longest entries.
MAX_FILE = 256 * 65_537
# Some lines of the longest signatures that are in sight, 5 KB each.
MAX_ANSWER = 64 * 1024
# Connections at once, when many files are read.
CONNECTIONS = 16
# A gateway hands out tiles as base64 text to clients that do not name bytes first.
_ACCEPT = "application/octet-stream, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """The answer to a POST."""

    status: int
    content_type: str
    body: bytes


# Posts a body to an address; raises `Unreachable`.
Post = Callable[[str, bytes], PostAnswer]


def get(url: str) -> bytes | None:
    """The file at `url`; None where there is none (404). Raises `Unreachable`."""
    answer = _answer(Request(url, headers={"Accept": _ACCEPT}), MAX_FILE)  # noqa: S310 - checked
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unreachable(f"{url} answered {answer.status}")
    return answer.body


def post(url: str, body: bytes) -> PostAnswer:
    """Post `body`; any status is an answer. Raises `Unreachable`."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return _answer(Request(url, data=body, headers=headers, method="POST"), MAX_ANSWER)  # noqa: S310


def reading(base: str) -> Read:
    """Reads files below `base`, several at once."""
    base = require_http_address(base).rstrip("/")

    def read(paths: Sequence[str]) -> list[bytes | None]:
        with ThreadPoolExecutor(min(CONNECTIONS, max(len(paths), 1))) as pool:
            return list(pool.map(get, [f"{base}/{path}" for path in paths]))

    return read


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an answer like any other: an address that nobody checked is never asked."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: not followed."""


_OPENER = build_opener(_NoRedirects)


def _answer(request: Request, limit: int) -> PostAnswer:
    try:
        with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as found:
            return _posted(found, limit)
    except HTTPError as error:
        with error:
            return _posted(error, limit)
    except (OSError, HTTPException, UnicodeError, ValueError) as error:
        raise Unreachable(f"{request.full_url} does not answer: {type(error).__name__}") from error


def _posted(found: Any, limit: int) -> PostAnswer:
    until, body = time.monotonic() + ANSWER_SECONDS, b""
    while chunk := found.read1(_CHUNK):
        body += chunk
        if len(body) > limit or time.monotonic() > until:
            raise ValueError("the answer is too long, or takes too long")
    return PostAnswer(found.status, found.headers.get("Content-Type", ""), body)
