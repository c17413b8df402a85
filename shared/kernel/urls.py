"""What counts as the address of somebody's server."""

from urllib.parse import urlsplit


def is_http_address(url: str) -> bool:
    """Whether `url` is an http(s) address of a host, in ASCII and without white space (RFC 3986)."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and url.isascii() and all(mark > " " for mark in url)
