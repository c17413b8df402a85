"""AWS calls and consumed units per kind of request: counted at the SDK's own hooks, over moto.

Everything that leaves this process through botocore passes the meter, PynamoDB's calls too. The consumed
units follow from the request and the stored items (`units.py`).
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import boto3
from botocore import handlers
from moto import mock_aws

from carevouch.events.catalogue import SERVICES
from carevouch.kernel.ids import Doc, Key
from carevouch.kernel.jws import KeyInMemory, raw_signature
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.note import Ed25519InMemory
from carevouch.store.dynamo import DynamoKeyRows, DynamoRows, document_model, key_model
from carevouch.store.kms import KmsSigner, KmsWrapper
from carevouch.store.log.objects import S3Objects
from carevouch.store.log.rows import DynamoEvents, DynamoLedger
from services.identity.store import DynamoAssertions
from services.sealer.log import LogStores as LedgerWorld
from services.sealer.strand import Sealer
from tests import people
from tests.bench.all_doors import House, must
from tests.bench.requests import kinds
from tests.bench.times import present, quiet
from tests.bench.units import Sizes, Units, consumed
from tests.world import DEPLOYMENT, World

REGION = "eu-central-1"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
DOCUMENTS, KEYS, ASSERTIONS, LEDGER, BUCKET = "documents", "keys", "assertions", "ledger", "log"
BATCH = 100


@dataclass(frozen=True)
class Counted:
    """The calls and units of one request."""

    name: str
    calls: dict[str, int]
    write: float
    read: float


@dataclass
class Meter:
    """Counts what passes; `sizes` is never forgotten, for it says how large the stored items are.

    `stored` counts the bytes that were put into S3.
    """

    calls: Counter[str] = field(default_factory=Counter)
    stored: int = 0
    units: Units = field(default_factory=Units)
    sizes: Sizes = field(default_factory=Sizes)

    def before(self, params: Any, context: dict[str, Any], **_: Any) -> None:
        """Keep what is asked until the answer comes."""
        context["asked"] = params

    def after(self, parsed: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        """Count the call."""
        service = model.service_model.service_name
        self.calls[f"{service}:{model.name}"] += 1
        if model.name == "PutObject" and "Error" not in parsed:
            # The SDK has made a file of it by now.
            self.stored += context["asked"]["Body"].getbuffer().nbytes
        if service == "dynamodb":
            self.units += consumed(model.name, context["asked"], parsed, self.sizes)

    def reset(self) -> None:
        """Begin anew."""
        self.calls, self.units, self.stored = Counter(), Units(), 0

    def counted(self, name: str) -> Counted:
        """The calls and units since the last look."""
        return Counted(name, dict(sorted(self.calls.items())), self.units.write, self.units.read)


def calls() -> list[Counted]:
    """Every kind: in a warm environment that knows the person; then what a first request adds."""
    with quiet(), metered() as meter:
        house = House(
            present(moto_world()), DynamoAssertions(boto3.client("dynamodb"), ASSERTIONS), _kms_key()
        )
        found = []
        for kind in kinds(house):
            kind.prepare()()
            call = kind.prepare()
            meter.reset()
            call()
            found.append(meter.counted(kind.name))
            if kind.name.startswith("read one, as its author"):
                first = kind.prepare()
        # Nothing is remembered in it: neither unwrapped keys nor certificates.
        vars(house.world).pop("reader")
        house.api = house.fresh_api()
        meter.reset()
        first()
        found.append(meter.counted("the same read, as the first request of a new environment"))
        found.append(_sealed(house, meter))
        return found


def _sealed(house: House, meter: Meter) -> Counted:
    """One batch of events of these requests, and the checkpoint after it."""
    dynamo = boto3.client("dynamodb")
    ledger, events = DynamoLedger(dynamo, LEDGER), DynamoEvents(dynamo, DOCUMENTS)
    world = LedgerWorld(
        ledger, ledger, S3Objects(boto3.client("s3"), BUCKET), events, ledger, house.world.clock
    )
    log = Ed25519InMemory(house.world.log.private_bytes_raw())
    sealer = Sealer(0, house.world.genesis, world, seal=house.world.seal, log=LogSigner(log))
    keys = _event_keys(house)
    sealer.seal(keys[:1])
    sealer.publish()
    meter.reset()
    sealed = sealer.seal(keys[1 : BATCH + 1])
    sealer.publish()
    assert sealed.events == BATCH, sealed
    return meter.counted(f"seal and publish a batch of {BATCH} events")


def _event_keys(house: House) -> list[Key]:
    """The rows of a batch of events and of one before it, all of one environment that is busy."""
    patient = house.person().id
    found = []
    for _ in range(BATCH + 1):
        body = people.observation(patient)
        answer = must(house.api.call("POST", "/fhir/Observation", body, house.hospital.who), 201)
        found.append(Doc("Observation", answer.json()["id"]).key(1))
    return found


@contextmanager
def metered() -> Iterator[Meter]:
    """Within, this process's AWS clients talk to moto, past a meter."""
    meter = Meter()
    hooks = [("before-parameter-build", meter.before), ("after-call", meter.after)]
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    # Every session that is made from here on gets them, also those that PynamoDB makes for itself.
    handlers.BUILTIN_HANDLERS.extend(hooks)
    try:
        with mock_aws():
            yield meter
    finally:
        del handlers.BUILTIN_HANDLERS[-len(hooks) :]
        os.environ.clear()
        os.environ.update(before)


def moto_world() -> World:
    """A world whose tables, bucket and keys are moto's; to be called within `metered`."""
    boto3.setup_default_session(region_name=REGION)
    client = boto3.client("dynamodb")
    tables = {DOCUMENTS: ("pk", "sk"), KEYS: ("pk",), ASSERTIONS: ("pk",), LEDGER: ("pk", "sk")}
    for table, names in tables.items():
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}  # type: ignore[typeddict-item]
                for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
            ],
        )
    boto3.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    models = document_model(DOCUMENTS, REGION), key_model(KEYS, REGION)
    kms = boto3.client("kms")
    wrapper = KmsWrapper(kms, kms.create_key()["KeyMetadata"]["KeyId"], DEPLOYMENT)
    roots = {service: _kms_key() for service in SERVICES}
    seal = _kms_key()
    return World(DynamoRows(*models, REGION), DynamoKeyRows(models[1]), wrapper, roots=roots, seal=seal)


class _MotoSigner(KmsSigner):
    """The same one call to KMS; moto hashes what it is given, also where it is told that it is a digest."""

    def sign(self, message: bytes) -> bytes:
        answer = self._client.sign(
            KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256"
        )
        return raw_signature(answer["Signature"])


def _kms_key() -> KeyInMemory:
    """A signer in KMS, where a `World` expects a key in memory: it is asked for nothing but to sign."""
    kms = boto3.client("kms")
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    return cast(KeyInMemory, _MotoSigner(kms, made))
