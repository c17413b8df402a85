"""What the verbs read: files that must hold text, the pinned key, and the address of a log.

Every file that a verb takes is text. What is not there, empty or binary is bad input (exit 2), told in one
sentence that names the file; only what could be read can fail to verify (exit 1).
"""

from pathlib import Path

from carevouch.kernel.errors import Invalid, Malformed
from carevouch.kernel.urls import is_http_address
from carevouch.ledger.note import Verifier, parse_vkey


def read_text(name: str) -> bytes:
    """The bytes of a text file; raises `OSError`, or `Malformed` for an empty file or another kind."""
    data = read_bytes(name)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"{name} is not a text file") from error
    return data


def read_bytes(name: str) -> bytes:
    """The bytes of a file; raises `OSError`, or `Malformed` for an empty one."""
    data = Path(name).read_bytes()
    if not data.strip():
        raise Malformed(f"{name} is empty")
    return data


def read_vkey(text: str) -> Verifier:
    """The pinned key, from the command line or from the file of that name; raises `Malformed`, `OSError`."""
    if "+" not in text or Path(text).is_file():
        text = read_text(text).decode("utf-8").strip()
    return parse_vkey(text)


def address(url: str, option: str, example: str) -> str:
    """`url`, if it is an http(s) address; raises `Invalid` naming the option."""
    if not is_http_address(url):
        raise Invalid(f"{option} is not an http(s) address, such as {example}")
    return url
