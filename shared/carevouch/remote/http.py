"""One bounded HTTP request for everybody: limits of size and time, and retries, are the caller's choice.

Addresses come from an operator's own list of logs or policy, or from the command line. They never
come from a request.
The caller believes nothing that is read here before it has checked a signature.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from carevouch.kernel.errors import Unreachable
from carevouch.kernel.urls import require_http_address

_CHUNK = 64 * 1024
# A full entry bundle of the longest entries: no file of a log is larger.
MAX_FILE = 256 * 65_537
# Some lines of the longest signatures that are in sight, 5 KB each.
MAX_ANSWER = 64 * 1024
# A gateway hands out tiles as base64 text to clients that do not name bytes first.
ACCEPT = "application/octet-stream, */*;q=0.5"
# Answers that a server takes back by itself: too many requests, and a gateway's word for a hiccup.
PASSING = frozenset([408, 429, 500, 502, 503, 504])
# A server may name the seconds until the next attempt, but not more than this.
MAX_WAIT = 60


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How long a caller waits for an answer, and how often it asks again.

    `timeout_seconds` is for a connection and for each piece of an answer, `answer_seconds` for a whole answer
    in however many pieces. `waits` are the seconds before each further attempt, unless the server names
    others; `connections` are used at once when many files are read.
    """

    timeout_seconds: float
    answer_seconds: float
    waits: tuple[float, ...]
    connections: int
    redirects: bool


# A witness and its clients: whoever waits for them waits a few seconds. A redirect is an answer like any
# other, so that an address which nobody checked is never asked.
HASTY = RequestLimits(3, 10, waits=(), connections=16, redirects=False)
# A person who reads a log: 16 MB come over a slow line in time, and a few connections are polite. Other
# people's logs may lie behind a redirect.
PATIENT = RequestLimits(30, 900, waits=(0.5, 2.0, 8.0), connections=8, redirects=True)


@dataclass(frozen=True, slots=True)
class PostAnswer:
    """The answer to a POST."""

    status: int
    content_type: str
    body: bytes


# Posts a body to an address; raises `Unreachable`.
Post = Callable[[str, bytes], PostAnswer]


def get(url: str, limits: RequestLimits = HASTY, wait: Callable[[float], None] = time.sleep) -> bytes | None:
    """The file at `url`; None where there is none (404). Raises `Unreachable` once patience has an end."""
    request = Request(url, headers={"Accept": ACCEPT})  # noqa: S310 - an http(s) address, checked before
    for seconds in (*limits.waits, None):
        try:
            answer, retry_after = _answer(request, MAX_FILE, limits)
        except _TransientFault as error:
            if seconds is None:
                raise Unreachable(error.message) from error
            wait(seconds)
            continue
        if answer.status in PASSING and seconds is not None:
            # Retry-After may also name a date, which is passed over.
            named = retry_after.isdecimal() and len(retry_after) < 10
            wait(float(min(int(retry_after), MAX_WAIT)) or seconds if named else seconds)
            continue
        break
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unreachable(f"{url} answered {answer.status}")
    return answer.body


def post(url: str, body: bytes) -> PostAnswer:
    """Post `body`, once; any status is an answer. Raises `Unreachable`."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return _answer(Request(url, data=body, headers=headers, method="POST"), MAX_ANSWER, HASTY)[0]  # noqa: S310


def reading(base: str, limits: RequestLimits = HASTY) -> Callable[[Sequence[str]], list[bytes | None]]:
    """Reads files below `base`, several at once, in the order asked for."""
    base = require_http_address(base).rstrip("/")

    def read(paths: Sequence[str]) -> list[bytes | None]:
        if len(paths) == 1:
            return [get(f"{base}/{paths[0]}", limits)]
        with ThreadPoolExecutor(min(limits.connections, max(len(paths), 1))) as pool:
            return list(pool.map(lambda path: get(f"{base}/{path}", limits), paths))

    return read


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow no redirect."""


class _TransientFault(Unreachable):
    """A connection that broke off or was silent for too long: another attempt may succeed."""


_OPENERS = {False: build_opener(_NoRedirects), True: build_opener()}


def _answer(request: Request, max_bytes: int, limits: RequestLimits) -> tuple[PostAnswer, str]:
    """The answer of whatever status, and its Retry-After; raises `Unreachable`."""
    url = request.full_url
    try:
        try:
            answer: Any = _OPENERS[limits.redirects].open(request, timeout=limits.timeout_seconds)
        except HTTPError as error:
            answer = error
        with answer:
            until, body = time.monotonic() + limits.answer_seconds, b""
            while chunk := answer.read1(_CHUNK):
                body += chunk
                if len(body) > max_bytes or time.monotonic() > until:
                    raise Unreachable(f"the answer for {url} is too long, or takes too long")
            length = answer.headers.get("Content-Length", "")
            if length.isdecimal() and len(body) < int(length):
                # A connection that broke off would otherwise look like a short file.
                raise IncompleteRead(body, int(length) - len(body))
            reply = PostAnswer(answer.status, answer.headers.get("Content-Type", ""), body)
            return reply, answer.headers.get("Retry-After", "")
    except IncompleteRead as error:
        raise _TransientFault(f"the answer for {url} ends too early") from error
    except OSError as error:
        # Nobody listens, or the name or the certificate is wrong: that does not pass.
        reason = error.reason if isinstance(error, URLError) else error
        passes = isinstance(
            reason, TimeoutError | ConnectionResetError | BrokenPipeError | ConnectionAbortedError
        )
        raise (_TransientFault if passes else Unreachable)(f"{url} cannot be reached: {reason}") from error
    except (HTTPException, UnicodeError, ValueError) as error:
        raise Unreachable(f"{url} does not answer as HTTP asks for") from error
