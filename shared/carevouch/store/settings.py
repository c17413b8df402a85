"""From an environment to a store: what every service's `wiring.py` shares.

The mapping of settings is handed in; only a `wiring.py` reads the process's environment, and late. Clients
are built once per execution environment, when the first request needs them.
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
from carevouch.store.keys import KeyRing
from carevouch.store.kms import KmsSigner, KmsWrapper
from carevouch.store.rows import KeyRows, Rows
from carevouch.store.session import Session

GENESIS_OBJECT, EPOCHS_OBJECT = "genesis", "epochs"
# A request answers within API Gateway's 29 s; a KMS or S3 call that takes longer than this is repeated.
CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})


@dataclass(frozen=True, slots=True)
class Store:
    """What a service works with."""

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
    """The instant now."""
    return instant(datetime.now(UTC))


def build_store(service: str, env: Mapping[str, str]) -> Store:
    """The store of `service`, from its settings."""
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

    A service believes it only if it names the service's own KMS root; whoever could write the bucket could
    thus not make this service accept another one's keys unnoticed by the verifiers, who pin the log's key.
    """

    @cache
    def read() -> Genesis:
        s3 = boto3.client("s3", region_name=region, config=CONFIG)
        try:
            note = s3.get_object(Bucket=bucket, Key=GENESIS_OBJECT)["Body"].read().decode("utf-8")
        except s3.exceptions.NoSuchKey as error:
            raise Busy("the ledger has no genesis yet; it is made within a minute of deployment") from error
        genesis = parse_genesis(note.split("\n\n", 1)[0] + "\n")
        if genesis.roots.get(service) != root.jwk:
            raise IntegrityFault(f"genesis names another root key for {service}")
        # Read once: an environment certifies its keys for the epoch in which it began, and that stays good.
        with suppress(s3.exceptions.NoSuchKey):
            epochs = s3.get_object(Bucket=bucket, Key=EPOCHS_OBJECT)["Body"].read()
            genesis = read_epochs(epochs, genesis)
        return genesis

    return read
