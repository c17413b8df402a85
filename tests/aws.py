"""AWS clients of the tests, one for each service and address: loading one takes longer than most tests."""

import os
from functools import cache
from typing import Any

import boto3


def client(service: str) -> Any:
    """A client of moto or of the local cloud, as the test's environment says; any service by name."""
    return _client(service, os.environ.get("AWS_ENDPOINT_URL"))


@cache
def _client(service: str, _address: str | None) -> Any:
    return boto3.client(service)  # type: ignore[call-overload]
