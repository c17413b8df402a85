"""Checks of server addresses on the command line."""

from carevouch.kernel.errors import Invalid
from carevouch.kernel.urls import is_http_address


def address(url: str, option: str, example: str) -> str:
    """`url`, if it is an http(s) address; raises `Invalid` with the name of the option."""
    if not is_http_address(url):
        raise Invalid(f"{option} is not an http(s) address, such as {example}")
    return url
