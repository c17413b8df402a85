"""Reads the environment of the ledger door: when first needed, and never at import."""

import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from carevouch.store.log.genesis import GenesisReader
from carevouch.store.log.library import Library
from carevouch.store.log.marks import DynamoMarks
from carevouch.store.log.objects import S3Objects

_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 4, "mode": "standard"})


@cache
def library() -> Library:
    """Reads the published log from the bucket, and the marks from the ledger's table."""
    objects = S3Objects(_client("s3"), os.environ["LEDGER_BUCKET"])
    marks = DynamoMarks(_client("dynamodb"), os.environ["LEDGER_TABLE"])
    return Library(objects, marks, GenesisReader(objects))


@cache
def _client(name: Any) -> Any:
    return boto3.client(name, config=_CONFIG)


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers (CORS)."""
    return os.environ.get("CORS_ORIGIN", "*")
