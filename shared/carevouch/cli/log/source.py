"""Where a log's files are read: a folder, or a URL, with patience for a server that is busy.

A file that is not there is None; what cannot be read is an `OSError`. Nothing that is read here is believed:
whoever asks checks it against a signature. Attempts, waits, sizes and threads all have a limit.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from carevouch.cli.files import address
from carevouch.kernel.errors import DomainError, Invalid

TIMEOUT_SECONDS = 30
# No file of a log is larger: a full entry bundle of the longest entries.
MAX_FILE = 256 * 65_537
# A gateway hands out tiles as base64 text to clients that do not name bytes first.
ACCEPT = "application/octet-stream, */*;q=0.5"
# Seconds before each further attempt, unless the server names others; it may not ask for more than MAX_WAIT.
WAITS = (0.5, 2.0, 8.0)
MAX_WAIT = 60
# Answers that a server takes back by itself: too many requests, and what a gateway says of a hiccup.
PASSING = frozenset([408, 429, 500, 502, 503, 504])
# Enough to hide a round trip, few enough to be a polite reader.
READERS = 8

# Reads one public file by its path; None where there is none.
Read = Callable[[str], bytes | None]
# Reads several files, in the order asked for.
ReadMany = Callable[[Sequence[str]], list[bytes | None]]


def reader(log: str) -> Read:
    """Reads one file of the log by its path; raises `Invalid` or `OSError` for no folder and no address."""
    if log.startswith(("http://", "https://")):
        base = address(log, "DIR|URL", "https://api.example/ledger").rstrip("/")
        return lambda path: fetch(f"{base}/{path}")
    folder = Path(log)
    if not folder.is_dir():
        raise NotADirectoryError(20, "is no folder and no http(s) address", log)
    return lambda path: _file(folder / path)


@contextmanager
def readers(read: Read) -> Iterator[ReadMany]:
    """Reads several files at once, a few at a time."""
    with ThreadPoolExecutor(READERS, "reader") as pool:
        yield lambda paths: list(pool.map(read, paths))


def said_of(error: DomainError | OSError, log: str) -> str:
    """What went wrong with reading `log`, in one sentence."""
    if isinstance(error, DomainError):
        return error.message
    if isinstance(error, HTTPError):
        return f"{error.url} answered {error.code}"
    if isinstance(error, URLError):
        return f"{log} cannot be reached: {error.reason}"
    return f"{error.filename or log}: {error.strerror or 'cannot be read'}"


def fetch(url: str, wait: Callable[[float], None] = time.sleep) -> bytes | None:
    """One file of a log; None where there is none. Raises `OSError` (`URLError`) or `Invalid`."""
    for seconds in WAITS:
        try:
            return _once(url)
        except HTTPError as error:
            if error.code not in PASSING:
                raise
            wait(_asked(error) or seconds)
        except IncompleteRead:
            wait(seconds)
        except (URLError, TimeoutError, ConnectionError) as error:
            if not _passes(error):
                raise
            wait(seconds)
    try:
        return _once(url)
    except IncompleteRead as error:
        raise URLError(f"the answer for {url} ends too early") from error


def _once(url: str) -> bytes | None:
    request = Request(url, headers={"Accept": ACCEPT})  # noqa: S310 - only http and https get here
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return _whole(answer)
    except HTTPError as error:
        error.close()
        if error.code == 404:
            return None
        raise
    except (IncompleteRead, ConnectionError):
        raise
    except (HTTPException, UnicodeError) as error:
        raise Invalid(f"{url} does not answer as HTTP asks for") from error


def _whole(answer: HTTPResponse) -> bytes:
    """The body; a connection that broke off would otherwise look like a short file."""
    length = answer.headers.get("Content-Length", "")
    data = answer.read(MAX_FILE)
    if length.isdecimal() and len(data) < min(int(length), MAX_FILE):
        raise IncompleteRead(data, int(length) - len(data))
    return data


def _asked(error: HTTPError) -> float | None:
    """The wait that the server asks for in seconds; it may also name a date, which is passed over."""
    text = error.headers.get("Retry-After", "")
    return float(min(int(text), MAX_WAIT)) if text.isdecimal() and len(text) < 10 else None


def _passes(error: OSError) -> bool:
    """Whether to try again: not where nobody listens, or where the name or the certificate is wrong."""
    reason = error.reason if isinstance(error, URLError) else error
    return isinstance(reason, TimeoutError | ConnectionResetError | BrokenPipeError | ConnectionAbortedError)


def _file(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
