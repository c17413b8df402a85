"""Reads the environment of the exporter: when first needed, and never at import."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from carevouch.kernel.times import instant
from carevouch.store.log.genesis import GenesisReader
from carevouch.store.log.library import Library
from carevouch.store.log.objects import S3Objects
from services.exporter.export import Exporter, NoMarks

# Time that the exporter needs for one last object and its manifest.
LAST_MILLISECONDS = 60_000
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 4, "mode": "standard"})


def clock() -> str:
    """The instant now, by the machine's clock."""
    return instant(datetime.now(UTC))


def exporter(milliseconds_left: Callable[[], int]) -> Exporter:
    """An exporter that stops before the function's time is over."""
    log, exports = (
        S3Objects(_client("s3"), os.environ[name]) for name in ("LEDGER_BUCKET", "EXPORTS_BUCKET")
    )
    library = Library(log, NoMarks(), GenesisReader(log))
    return Exporter(library, exports, lambda: milliseconds_left() > LAST_MILLISECONDS)


@cache
def _client(name: Any) -> Any:
    return boto3.client(name, config=_CONFIG)
