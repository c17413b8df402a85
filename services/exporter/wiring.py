"""The exporter's only reader of the environment, read when first needed, never at import."""

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

# Time that the exporter keeps back for one object and its manifest.
LAST_MILLISECONDS = 60_000
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 4, "mode": "standard"})


def clock() -> str:
    """Now, as an instant."""
    return instant(datetime.now(UTC))


def exporter(milliseconds_left: Callable[[], int]) -> Exporter:
    """An exporter that stops before the function's time is over."""
    objects = _objects("LEDGER_BUCKET")
    library = Library(objects, NoMarks(), GenesisReader(objects))
    return Exporter(library, _objects("EXPORTS_BUCKET"), lambda: milliseconds_left() > LAST_MILLISECONDS)


def _objects(setting: str) -> S3Objects:
    return S3Objects(_s3(), os.environ[setting])


@cache
def _s3() -> Any:
    return boto3.client("s3", config=_CONFIG)
