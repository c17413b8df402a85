"""The check of a server's http(s) address."""

from urllib.parse import urlsplit

from carevouch.kernel.errors import Malformed


def is_http_address(url: str) -> bool:
    """Whether `url` is an http(s) address of a host, in ASCII and without white space (RFC 3986)."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and url.isascii() and all(mark > " " for mark in url)


def require_http_address(url: str) -> str:
    """`url`, if it is an http(s) address; raises `Malformed`."""
    if not is_http_address(url):
        raise Malformed("the URL is not an http(s) address such as https://log.example")
    return url
