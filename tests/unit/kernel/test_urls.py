"""Addresses that may be asked, and the nearest that may not."""

import pytest

from carevouch.kernel.urls import is_http_address


@pytest.mark.parametrize(
    "url", ["https://log.example", "http://127.0.0.1:8000/ledger/", "https://[::1]:8443/a?b=c", "HTTPS://a"]
)
def test_addresses_of_a_host(url: str) -> None:
    assert is_http_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "log.example",
        "ftp://log.example/",
        "file:///etc/hosts",
        "https://",
        "https:///ledger",
        "https://log.example:0/",
        "https://log.example:65536/",
        "https://log.example:port/",
        "https://[::1/",
        "https://log.example/a b",
        "https://log.example/\n",
        "https://lög.example/",
    ],
)
def test_the_nearest_that_are_none(url: str) -> None:
    assert not is_http_address(url)
