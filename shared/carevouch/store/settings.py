"""Builds a service's store from its settings; every `wiring.py` uses it.

Only a `wiring.py` reads the process's environment, and it hands the settings in. Clients are built once per
execution environment, when the first request needs them.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import boto3
from botocore.config import Config

from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis, parse_genesis
from carevouch.kernel.errors import Busy, IntegrityFault
from carevouch.kernel.times import instant
from carevouch.store.documents import Reader, Writer
from carevouch.store.dynamo import DynamoKeyRows, DynamoRows, document_model, key_model
from carevouch.store.keys import KeyRing, Session
from carevouch.store.kms import KmsSigner, KmsWrapper
from carevouch.store.log.names import EPOCHS, GENESIS
from carevouch.store.rows import KeyRows, Rows

# A request answers within API Gateway's 29 s. A call of KMS or S3 that takes longer than this is repeated.
CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})


@dataclass(frozen=True, slots=True)
class Store:
    """The stored documents and keys as a service uses them, its clock and its randomness."""

    deployment: str
    base_url: str
    zone: str
    rows: Rows
    key_rows: KeyRows
    reader: Reader
    writer: Writer
    clock: Callable[[], str]
    entropy: Callable[[int], bytes]


def system_clock() -> str:
    """The instant now, by the machine's clock."""
    return instant(datetime.now(UTC))


def build_store(service: str, env: Mapping[str, str]) -> Store:
    """The store of `service`, from its settings. Raises `KeyError` for a setting that is missing."""
    region = env["AWS_REGION"]
    kms = boto3.client("kms", region_name=region, config=CONFIG)
    documents = document_model(env["DOCUMENTS_TABLE"], region)
    keys = key_model(env["KEYS_TABLE"], region)
    rows, key_rows = DynamoRows(documents, keys, region), DynamoKeyRows(keys)
    root = KmsSigner(kms, env["ROOT_KEY"])
    genesis = genesis_source(env["LEDGER_BUCKET"], region, service, root)
    ring = KeyRing(key_rows, KmsWrapper(kms, env["WRAP_KEY"], env["DEPLOYMENT"]), os.urandom)
    reader = Reader(rows, ring, genesis, env["DEPLOYMENT"])
    session = Session(service, root, rows, genesis, system_clock)
    writer = Writer(reader, session, os.urandom)
    return Store(
        env["DEPLOYMENT"],
        env["BASE_URL"],
        env.get("TIME_ZONE", "UTC"),
        rows,
        key_rows,
        reader,
        writer,
        system_clock,
        os.urandom,
    )


def genesis_source(bucket: str, region: str, service: str, root: KmsSigner) -> Callable[[], Genesis]:
    """Genesis and the epochs opened since, read once from the ledger's bucket.

    A service believes a genesis only if it names the service's own KMS root key. The service does not check
    the log's signature on it, but the verifiers do: they pin the log's key, and would notice a forgery.
    """

    @cache
    def read() -> Genesis:
        s3 = boto3.client("s3", region_name=region, config=CONFIG)
        try:
            note = s3.get_object(Bucket=bucket, Key=GENESIS)["Body"].read().decode("utf-8")
        except s3.exceptions.NoSuchKey as error:
            raise Busy("the ledger has no genesis yet; try again in a minute, the sealer makes it") from error
        genesis = parse_genesis(note.split("\n\n", 1)[0] + "\n")
        if genesis.roots.get(service) != root.jwk:
            raise IntegrityFault(f"genesis names another root key for {service} than ROOT_KEY is")
        # Read once. An environment certifies its keys for the epoch in which it began, which stays valid.
        with suppress(s3.exceptions.NoSuchKey):
            epochs = s3.get_object(Bucket=bucket, Key=EPOCHS)["Body"].read()
            genesis = read_epochs(epochs, genesis)
        return genesis

    return read
