"""The sealer's only reader of the environment, read when first needed, never at import."""

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
from services.sealer.epochs import Epochs
from services.sealer.invocation import Ports
from services.sealer.log import Log, LogStores
from services.sealer.queue import SqsInbox
from services.sealer.schedule import Pace
from services.sealer.strand import Sealer
from services.sealer.super_log import SuperLog
from services.sealer.sweep import Sweep
from services.sealer.witnesses import QuorumMissing, Witnesses

SALT_BYTES = 16
# A sealer's batch must end well within its function's two minutes.
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 4, "mode": "standard"})


def clock() -> str:
    """Now, as an instant."""
    return instant(datetime.now(UTC))


def sealing() -> Ports:
    """All that the sealer's entry point works with, at the epochs that are open now."""
    calm_collector()
    return _ports(_epochs().known())


@cache
def calm_collector() -> None:
    """Let Python look for cycles rarely: a batch makes thousands of values and none that point in a circle.

    What is there already, all imported code, is not looked at again. Sealing is a fiftieth faster for it.
    """
    gc.collect()
    gc.freeze()


@cache
def _signers() -> tuple[KmsSigner, LogSigner]:
    return KmsSigner(_client("kms"), os.environ["SEAL_KEY"]), _log_signer(_ledger())


@cache
def _events() -> DynamoEvents:
    return DynamoEvents(_client("dynamodb"), os.environ["DOCUMENTS_TABLE"])


@cache
def _world() -> LogStores:
    return LogStores(_ledger(), _ledger(), _objects(), _events(), _ledger(), clock)


@cache
def _epochs() -> Epochs:
    """What opens epochs; makes genesis if there is none."""
    seal, log = _signers()
    genesis = ensure_genesis(_objects(), _wanted(seal, log), log.ed25519)
    return Epochs(genesis, _world(), seal=seal, log=log)


@cache
def _witnesses() -> Witnesses | None:
    """Who cosigns the super-log, by the policy in the settings; they are remembered with their last sizes."""
    text = os.environ.get("WITNESS_POLICY", "").strip()
    if not text:
        return None
    origin, signer = log_origin(os.environ["ORIGIN"], SUPER), _signers()[1]
    keys = [signer.keys.verifier(origin), *signer.keys.also(origin)]
    reader = Log(SUPER, origin, _world(), signer).reader
    return Witnesses(parse_policy(f"{text}\n".encode()), keys, reader, tell())


@cache
def _pace() -> Pace:
    return Pace(time.monotonic, time.sleep)


def _ports(genesis: Genesis) -> Ports:
    world, (seal, log) = _world(), _signers()
    super_log = SuperLog(genesis.origin, world, log, _witnesses())
    sealers = {
        strand: Sealer(strand, genesis, world, seal=seal, log=log) for strand in range(genesis.strand_count)
    }

    def above() -> None:
        super_log.append(sealers)
        # Too few witnesses is an alarm of its own: the old checkpoint stays, and no batch comes again for it.
        with suppress(QuorumMissing):
            super_log.publish()

    return Ports(
        strands=sealers,
        place=lambda text: strand_for(event_of(text), genesis),
        fetch=_events().fetch,
        sweep=Sweep(genesis, world, list(sealers.values())),
        above=above,
        inbox=SqsInbox(_client("sqs"), os.environ["INBOX_URL"]),
        pace=_pace(),
        epochs=_epochs(),
        clock=clock,
        salt=lambda: os.urandom(SALT_BYTES).hex(),
        tell=tell(),
    )


@cache
def tell() -> EmfTell:
    """Where the sealer's facts go."""
    return EmfTell("ledger")


def _wanted(seal: KmsSigner, log: LogSigner) -> Genesis:
    roots: dict[str, str] = json.loads(os.environ["ROOT_KEYS"])
    return Genesis(
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


def _log_signer(ledger: DynamoLedger) -> LogSigner:
    return LogSigner(_ed25519_key(ledger), _mldsa_key(ledger))


def _ed25519_key(ledger: DynamoLedger) -> NoteSigner:
    if os.environ["LOG_KEY_KIND"] == "kms":
        return KmsNoteSigner(_client("kms"), os.environ["LOG_KEY"])
    return software_key(ledger, _wrapper("LOG_KEY"), os.urandom)


def _mldsa_key(ledger: DynamoLedger) -> NoteSigner | None:
    kind = os.environ.get("MLDSA_KEY_KIND", "none")
    if kind == "kms":
        return KmsMldsaSigner(_client("kms"), os.environ["MLDSA_KEY"])
    return software_mldsa_key(ledger, _wrapper("MLDSA_KEY"), os.urandom) if kind == "wrapped" else None


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
