"""Reads the environment of the sealer: when first needed, and never at import."""

import gc
import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from carevouch.door.telemetry import EmfTell
from carevouch.events.envelope import event_of
from carevouch.events.genesis import Genesis, strand_for
from carevouch.kernel.times import instant
from carevouch.ledger.checkpoint import SUPER, log_origin
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.note import NoteSigner
from carevouch.ledger.policy import parse_policy
from carevouch.store.kms import KmsSigner, KmsWrapper
from carevouch.store.log.genesis import ensure_genesis
from carevouch.store.log.objects import S3Objects
from carevouch.store.log.rows import DynamoEvents, DynamoLedger
from carevouch.store.log.signers import KmsMldsaSigner, KmsNoteSigner, software_key, software_mldsa_key
from services.sealer.checkpoint_interval import CheckpointInterval
from services.sealer.epochs import Epochs
from services.sealer.invocation import Ports
from services.sealer.log import Log, LogStores
from services.sealer.queue import SqsInbox
from services.sealer.strand import Sealer
from services.sealer.super_log import SuperLog
from services.sealer.sweep import Sweep
from services.sealer.witnesses import QuorumMissing, Witnesses

SALT_BYTES = 16
# A sealer's batch must end well within its function's two minutes.
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 4, "mode": "standard"})


def clock() -> str:
    """The instant now, by the machine's clock."""
    return instant(datetime.now(UTC))


def sealing() -> Ports:
    """The ports of the sealer's entry point, at the epochs that are open now."""
    calm_collector()
    genesis, world, (seal, log) = _epochs().known(), _world(), _signers()
    super_log = SuperLog(genesis.origin, world, log, _witnesses())
    sealers = {
        strand: Sealer(strand, genesis, world, seal=seal, log=log) for strand in range(genesis.strand_count)
    }

    def above() -> None:
        super_log.append(sealers)
        # A missing quorum has an alarm of its own. The old checkpoint stays, and no batch comes again for it.
        with suppress(QuorumMissing):
            super_log.publish()

    return Ports(
        strands=sealers,
        place=lambda text: strand_for(event_of(text), genesis),
        fetch=_events().fetch,
        sweep=Sweep(genesis, world, list(sealers.values())),
        above=above,
        inbox=SqsInbox(_client("sqs"), os.environ["INBOX_URL"]),
        interval=_interval(),
        epochs=_epochs(),
        clock=clock,
        salt=lambda: os.urandom(SALT_BYTES).hex(),
        tell=tell(),
    )


@cache
def calm_collector() -> None:
    """Let Python's garbage collector ignore all objects that exist now: the imported code.

    A batch makes thousands of values and no cycles. Sealing is two percent faster for it.
    """
    gc.collect()
    gc.freeze()


@cache
def _signers() -> tuple[KmsSigner, LogSigner]:
    """The signer of seals, and that of checkpoints: KMS, or software keys that KMS wraps."""
    kms, kinds = _client("kms"), (os.environ["LOG_KEY_KIND"], os.environ.get("MLDSA_KEY_KIND", "none"))
    ed25519: NoteSigner
    mldsa: NoteSigner | None = None
    if kinds[0] == "kms":
        ed25519 = KmsNoteSigner(kms, os.environ["LOG_KEY"])
    else:
        ed25519 = software_key(_ledger(), _wrapper("LOG_KEY"), os.urandom)
    if kinds[1] == "kms":
        mldsa = KmsMldsaSigner(kms, os.environ["MLDSA_KEY"])
    if kinds[1] == "wrapped":
        mldsa = software_mldsa_key(_ledger(), _wrapper("MLDSA_KEY"), os.urandom)
    return KmsSigner(kms, os.environ["SEAL_KEY"]), LogSigner(ed25519, mldsa)


@cache
def _events() -> DynamoEvents:
    return DynamoEvents(_client("dynamodb"), os.environ["DOCUMENTS_TABLE"])


@cache
def _world() -> LogStores:
    return LogStores(_ledger(), _ledger(), _objects(), _events(), _ledger(), clock)


@cache
def _epochs() -> Epochs:
    """Opens epochs. Makes genesis from the settings if there is none."""
    seal, log = _signers()
    roots: dict[str, str] = json.loads(os.environ["ROOT_KEYS"])
    wanted = Genesis(
        deployment=os.environ["DEPLOYMENT"],
        origin=os.environ["ORIGIN"],
        operator=json.loads(os.environ["OPERATOR_JWK"]),
        roots={service: KmsSigner(_client("kms"), key).jwk for service, key in sorted(roots.items())},
        seal=seal.jwk,
        log=log.keys.ed25519,
        strands=int(os.environ.get("STRANDS", "1")),
        seal_by_seconds=int(os.environ["SEAL_BY_SECONDS"]),
        time=clock(),
        mldsa=log.keys.mldsa,
    )
    return Epochs(ensure_genesis(_objects(), wanted, log.ed25519), _world(), seal=seal, log=log)


@cache
def _witnesses() -> Witnesses | None:
    """The witnesses of the policy in the settings. One object remembers their last sizes for all batches."""
    text = os.environ.get("WITNESS_POLICY", "").strip()
    if not text:
        return None
    origin, signer = log_origin(os.environ["ORIGIN"], SUPER), _signers()[1]
    keys = [signer.keys.verifier(origin), *signer.keys.also(origin)]
    reader = Log(SUPER, origin, _world(), signer).reader
    return Witnesses(parse_policy(f"{text}\n".encode()), keys, reader, tell())


@cache
def _interval() -> CheckpointInterval:
    """The interval, which lives as long as the environment does."""
    return CheckpointInterval(time.monotonic, time.sleep)


@cache
def tell() -> EmfTell:
    """The sealer's log lines and metrics."""
    return EmfTell("ledger")


def _wrapper(setting: str) -> KmsWrapper:
    return KmsWrapper(_client("kms"), os.environ[setting], os.environ["DEPLOYMENT"])


@cache
def _objects() -> S3Objects:
    return S3Objects(_client("s3"), os.environ["LEDGER_BUCKET"])


@cache
def _ledger() -> DynamoLedger:
    return DynamoLedger(_client("dynamodb"), os.environ["LEDGER_TABLE"])


@cache
def _client(name: Any) -> Any:
    return boto3.client(name, config=_CONFIG)
