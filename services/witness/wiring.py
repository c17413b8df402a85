"""The witness's only reader of the environment, read when first needed, never at import.

The same zip and template serve any organisation. It names its witness and the logs that it knows. For each
signature line it says whether KMS keeps the key or wraps a software key.

| variable | meaning |
|---|---|
| `WITNESS_NAME` | the name under which it signs, such as `witness.example/w1` |
| `WITNESS_LOGS` | the logs, as `witness_logs` reads them; empty: it knows none |
| `WITNESS_TABLE` | the table of `witness_store` |
| `WITNESS_KEY`, `WITNESS_KEY_KIND` | Ed25519: `kms` (the signing key) or `wrapped` (the wrapping key) |
| `WITNESS_MLDSA_KEY`, `WITNESS_MLDSA_KEY_KIND` | ML-DSA-44: `kms`, `wrapped` or `none` |
"""

import os
import time
from collections.abc import Callable
from functools import cache

import boto3
from botocore.config import Config

from carevouch.door.telemetry import EmfTell
from carevouch.ledger.note import NoteSigner
from carevouch.remote.http import reading
from carevouch.store.kms import KmsWrapper
from carevouch.store.log.rows import DynamoLedger
from carevouch.store.log.signers import KmsMldsaSigner, KmsNoteSigner, software_key, software_mldsa_key
from carevouch.witness.auditor import Cosigner
from carevouch.witness.logs import parse_logs
from carevouch.witness.request import WitnessSigner
from carevouch.witness.witness import Witness
from services.witness.store import DynamoWitness

# Seconds of reading in one request: whoever asks waits three, and comes again.
AUDIT_SECONDS = 2.0
KEY, MLDSA_KEY = "witness-key", "witness-key-mldsa"
# A client of the witness waits three seconds for all of it.
_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"max_attempts": 2, "mode": "standard"})


@cache
def witness() -> Witness:
    """The witness; raises `Malformed` where its list of logs is none."""
    store = DynamoWitness(boto3.client("dynamodb", config=_CONFIG), os.environ["WITNESS_TABLE"])
    return Witness(
        parse_logs(os.environ.get("WITNESS_LOGS", "")),
        store,
        WitnessSigner(os.environ["WITNESS_NAME"], _ed25519_key(), _mldsa_key()),
        lambda: int(time.time()),
        tell(),
        Cosigner(store, tell(), spell, reading),
    )


@cache
def tell() -> EmfTell:
    """Where the witness's facts go."""
    return EmfTell("witness")


def spell() -> Callable[[], bool]:
    """A stretch of reading that begins now; what is returned says when it was long enough."""
    until = time.monotonic() + AUDIT_SECONDS
    return lambda: time.monotonic() > until


def _ed25519_key() -> NoteSigner:
    if os.environ.get("WITNESS_KEY_KIND", "kms") == "kms":
        return KmsNoteSigner(boto3.client("kms", config=_CONFIG), os.environ["WITNESS_KEY"])
    return software_key(_keep(), _wrapper("WITNESS_KEY"), os.urandom, KEY)


def _mldsa_key() -> NoteSigner | None:
    kind = os.environ.get("WITNESS_MLDSA_KEY_KIND", "none")
    if kind == "kms":
        return KmsMldsaSigner(boto3.client("kms", config=_CONFIG), os.environ["WITNESS_MLDSA_KEY"])
    if kind == "wrapped":
        return software_mldsa_key(_keep(), _wrapper("WITNESS_MLDSA_KEY"), os.urandom, MLDSA_KEY)
    return None


def _keep() -> DynamoLedger:
    return DynamoLedger(boto3.client("dynamodb", config=_CONFIG), os.environ["WITNESS_TABLE"])


def _wrapper(setting: str) -> KmsWrapper:
    # Bound to the witness's name: the wrapped key of one witness is of no use to another.
    client = boto3.client("kms", config=_CONFIG)
    return KmsWrapper(client, os.environ[setting], os.environ["WITNESS_NAME"])


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers."""
    return os.environ.get("CORS_ORIGIN", "*")
