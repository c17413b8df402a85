"""The public door, called as API Gateway calls it, and both entry points wired over moto."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from carevouch.door.http import Door
from carevouch.events.envelope import parse_event
from carevouch.events.genesis import genesis_text
from carevouch.events.opening import open_genesis
from carevouch.events.seal import parse_seal
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Key
from carevouch.ledger import proof as proofs
from carevouch.ledger.checkpoint import Checkpoint, open_checkpoint
from carevouch.ledger.cose import verify_inclusion_receipt
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import Verifier, parse_vkey, sign_note
from carevouch.ledger.tiles import split_bundle
from carevouch.store.log.library import Library
from carevouch.store.log.ports import StoredObject
from carevouch.store.log.signers import software_key
from carevouch.witness.watch import Deployment, Watch, follow
from services.ledger import wiring
from services.ledger.routes import ROUTES
from services.sealer import wiring as sealer_wiring
from tests.api import Answer, Api
from tests.aws import client
from tests.fakes import MemoryWrapper
from tests.service.sealer.fakes import Cloud
from tests.service.store.test_log_rows import BUCKET, DOCUMENTS, LEDGER, aws, put_act
from tests.unit.sealing.acts import ORIGIN, House, Producer, event_id

__all__ = ["aws"]
VERIFIER = Verifier(f"{ORIGIN}/strand/0", House().log.public)


class Site:
    """A deployment with a few sealed events, and its door."""

    def __init__(self, events: int = 3, *, sealed: bool = True) -> None:
        self.cloud = Cloud()
        door = Door("ledger")
        library = Library(self.cloud.objects, self.cloud.marks, lambda: self.cloud.house.genesis)
        door.serve(ROUTES, lambda: library)
        self.api = Api(door)
        note = sign_note(genesis_text(self.cloud.house.genesis), ORIGIN, self.cloud.house.log)
        self.cloud.objects.files["genesis"] = note
        self.producer = Producer(self.cloud.house)
        keys = self.act(events)
        if sealed:
            self.cloud.sealer().seal(keys)
            self.cloud.sealer().publish()

    def act(self, count: int) -> list[Key]:
        """Store so many events, not sealed."""
        return [self.cloud.act(self.producer, self.producer.n) for _ in range(count)]

    def seal(self, count: int) -> None:
        """Seal so many new events, not published."""
        self.cloud.sealer().seal(self.act(count))

    def get(self, path: str) -> Answer:
        return self.api.call("GET", path)


def test_genesis_is_served_as_the_signed_note_it_is() -> None:
    answer = Site().get("/ledger/genesis")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert open_genesis(answer.body, Verifier(ORIGIN, House().log.public)) == House().genesis


def test_the_checkpoint_is_served_fresh_and_verifies() -> None:
    answer = Site().get("/ledger/0/checkpoint")
    assert open_checkpoint(answer.body, VERIFIER).size == 5
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_tiles_and_entries_are_served_as_bytes_for_ever() -> None:
    site = Site()
    answer = site.get("/ledger/0/tile/entries/000.p/5")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "immutable" in answer.headers["cache-control"]
    entries = split_bundle(answer.body)
    assert len(entries) == 5
    tile = site.get("/ledger/0/tile/0/000.p/5").body
    assert tile == b"".join(leaf_hash(entry) for entry in entries)


def test_tiles_of_entries_that_are_not_published_are_not_there_yet() -> None:
    site = Site()
    paths = ["/ledger/0/tile/0/000.p/7", "/ledger/0/tile/entries/000.p/7"]
    site.seal(1)
    assert {path.removeprefix("/ledger/") for path in paths} <= site.cloud.objects.files.keys()
    assert [site.get(path).status for path in paths] == [404, 404]
    site.cloud.sealer().publish()
    assert [site.get(path).status for path in paths] == [200, 200]
    assert "immutable" in site.get(paths[0]).headers["cache-control"]
    # A beginning of what is published: whoever reads under an older checkpoint still asks for it.
    assert site.get("/ledger/0/tile/0/000.p/5").status == 200


def test_full_tiles_too_are_served_once_all_of_them_is_published() -> None:
    site = Site(240)
    site.seal(30)
    full = ["/ledger/0/tile/0/000", "/ledger/0/tile/entries/000", "/ledger/0/tile/1/000.p/1"]
    assert [site.get(path).status for path in full] == [404] * 3
    site.cloud.sealer().publish()
    assert [site.get(path).status for path in full] == [200] * 3


def test_a_cose_receipt_is_served_as_bytes_and_verifies() -> None:
    """Bytes go out as bytes under any media type; this one is no octet-stream."""
    site = Site()
    records = site.get("/ledger/feed?limit=5").json()["records"]
    event = parse_event(next(record["entry"] for record in records if record["kind"] == "event"))
    answer = site.get(f"/ledger/events/{event.id}/receipt")
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/cose"
    checkpoint, index = verify_inclusion_receipt(
        answer.body, leaf_hash(event.text.encode()), site.cloud.house.genesis.seal
    )
    assert (checkpoint.origin, checkpoint.size) == (f"{ORIGIN}/strand/0", 5)
    assert index < checkpoint.size


def test_nothing_of_a_strand_is_served_before_its_first_checkpoint() -> None:
    site = Site(sealed=False)
    site.seal(3)
    assert site.get("/ledger/0/tile/0/000.p/5").status == 404


def test_whoever_is_asked_to_cosign_the_super_log_reads_what_is_not_published_yet() -> None:
    """An auditing witness reads the tree before it cosigns, and publishing waits for that."""
    site = Site()
    seen: list[str] = []

    def read(paths: Sequence[str]) -> list[bytes | None]:
        answers = [site.get(f"/ledger/{path}") for path in paths]
        seen.extend(one.headers["cache-control"] for one in answers if one.status == 200)
        return [one.body if one.status == 200 else None for one in answers]

    def cosign(head: Checkpoint, note: bytes) -> bytes:
        deployment = Deployment(ORIGIN, site.cloud.house.logs.keys, read)
        assert follow(Watch(), head, deployment, lambda: False).above.size == head.size
        return note

    above = site.cloud.above(cosign)
    above.append([0])
    assert above.publish().size == 1
    assert seen[0] == "no-cache", "what is not published is kept by nobody"
    assert "immutable" in site.get("/ledger/super/tile/entries/000.p/1").headers["cache-control"]


def test_an_event_comes_with_its_place_and_a_proof_that_verifies() -> None:
    site = Site()
    said = site.get(f"/ledger/events/{event_id(1)}").json()
    proof = proofs.parse(said["proof"].encode())
    assert proofs.verify(proof, leaf_hash(said["entry"].encode()), VERIFIER).size == said["place"]["size"]
    assert (said["place"]["strand"], said["place"]["index"]) == (0, proof.index)
    file = site.get(f"/ledger/events/{event_id(1)}/proof")
    assert file.body == said["proof"].encode()
    assert file.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_block_is_served_with_its_seal_and_proof() -> None:
    said = Site().get("/ledger/blocks/0/0").json()
    assert said["block"] == {"number": 0, "first": 0, "count": 5, "prev": None}
    assert parse_seal(said["entry"]).data == said["block"]


def test_the_digest_lists_every_strand_with_its_key() -> None:
    said = Site().get("/ledger/digest").json()
    (strand,) = said["strands"]
    assert open_checkpoint(strand["checkpoint"].encode(), parse_vkey(strand["vkey"])).size == strand["size"]
    assert parse_vkey(said["vkey"]).name == ORIGIN


def test_what_is_sealed_but_not_published_is_not_said() -> None:
    site = Site(sealed=False)
    site.cloud.sealer().publish()
    site.cloud.sealer().seal(list(site.cloud.events.rows))
    assert site.get(f"/ledger/events/{event_id(1)}").status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ledger/1/checkpoint", 404),
        ("/ledger/x/checkpoint", 400),
        ("/ledger/00/checkpoint", 400),
        ("/ledger/0/tile/0/001", 404),
        ("/ledger/0/tile/0/1", 400),
        ("/ledger/0/tile/0/000.p/256", 400),
        ("/ledger/0/tile/..%2F..%2Fgenesis", 400),
        ("/ledger/5/tile/0/000", 404),
        ("/ledger/blocks/0/9", 404),
        ("/ledger/blocks/0/-1", 400),
        (f"/ledger/events/{'a' * 26}", 404),
        ("/ledger/events/short", 400),
        ("/ledger/events/short/proof", 400),
    ],
)
def test_a_bad_path_is_answered_by_a_problem_that_says_what_to_mend(path: str, status: int) -> None:
    answer = Site().get(path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_before_genesis_the_door_says_so() -> None:
    door = Door("ledger")
    cloud = Cloud()
    door.serve(ROUTES, lambda: Library(cloud.objects, cloud.marks, lambda: None))
    answer = Api(door).call("GET", "/ledger/genesis")
    assert answer.status == 404
    assert "no genesis yet" in answer.json()["detail"]


def test_a_damaged_tile_is_an_alarm_and_never_a_wrong_proof() -> None:
    site = Site()
    site.cloud.objects.files["0/tile/0/000.p/5"] = bytes(160)
    assert site.get(f"/ledger/events/{event_id(1)}").status == 500


def test_a_wrapped_key_is_made_once_and_is_the_same_for_all() -> None:
    kept: dict[str, bytes] = {}

    class Keep:
        def store_secret(self, name: str, data: bytes) -> bytes:
            return kept.setdefault(name, data)

        def read_secret(self, name: str) -> bytes | None:
            return kept.get(name)

    wrapper = MemoryWrapper()
    first = software_key(Keep(), wrapper, lambda size: b"1" * size)
    second = software_key(Keep(), wrapper, lambda size: b"2" * size)
    assert first.public == second.public
    assert b"1" * 32 not in kept["log-key"]


@pytest.fixture
def deployed(aws: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The environment that the template gives both functions, over moto."""
    kms = client("kms")
    seal, *roots = (
        kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        for _ in range(5)
    )
    services = ("identity", "consent", "records", "claims")
    for name, value in {
        "DOCUMENTS_TABLE": DOCUMENTS,
        "LEDGER_TABLE": LEDGER,
        "LEDGER_BUCKET": BUCKET,
        "SEAL_KEY": seal,
        "LOG_KEY_KIND": "wrapped",
        "LOG_KEY": kms.create_key()["KeyMetadata"]["KeyId"],
        "ROOT_KEYS": json.dumps(dict(zip(services, roots, strict=True))),
        "OPERATOR_JWK": json.dumps(House().operator.jwk),
        "ORIGIN": ORIGIN,
        "STRANDS": "1",
        "INBOX_URL": "https://sqs.eu-central-1.amazonaws.com/1/inbox.fifo",
        "SEAL_BY_SECONDS": "600",
        "DEPLOYMENT": "test",
    }.items():
        monkeypatch.setenv(name, value)
    forget()
    from services.ledger.app import door
    from services.sealer.app import sealer

    yield SimpleNamespace(door=door, sealer=sealer)
    forget()


def forget() -> None:
    """Make the next invocation a cold start."""
    for cached in (*vars(wiring).values(), *vars(sealer_wiring).values()):
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def test_the_wired_sealer_makes_genesis_seals_and_publishes_and_the_door_serves_it(
    deployed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(deployed.door)
    assert api.call("GET", "/ledger/genesis").status == 404
    assert deployed.sealer({"source": "aws.scheduler"}, None) is None
    note = api.call("GET", "/ledger/genesis").body
    key = put_act(Producer(House()), 1)
    record = {"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": key.pk}, "sk": {"S": key.sk}}}}
    assert deployed.sealer({"Records": [record]}, None) == {"batchItemFailures": []}
    # The test's producer is certified by the test's root, not by this deployment's: so the log says rejected.
    said = api.call("GET", "/ledger/blocks/0/0").json()
    assert said["block"]["count"] == 2
    forget()
    deployed.sealer({}, None)
    assert api.call("GET", "/ledger/genesis").body == note
    vkey = parse_vkey(api.call("GET", "/ledger/digest").json()["vkey"])
    assert open_genesis(note, vkey).deployment == "test"
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "EventsRejected" in line]
    assert metrics[0]["service"] == "ledger"
    assert sum(metric["EventsRejected"][0] for metric in metrics if "EventsRejected" in metric) == 1


def test_a_bucket_with_a_forged_genesis_stops_the_sealer(deployed: Any) -> None:
    deployed.sealer({}, None)
    forged = sign_note(genesis_text(House().genesis), ORIGIN, House().log)
    client("s3").put_object(Bucket=BUCKET, Key="genesis", Body=forged)
    forget()
    with pytest.raises(IntegrityFault, match="no signature by the key"):
        deployed.sealer({}, None)


def test_a_proof_reads_one_tile_a_level_and_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the edge, as in an older log, the tiles at the end give the same hashes."""
    cloud = Cloud()
    producer = Producer(cloud.house)
    keys = [cloud.act(producer, number) for number in range(600)]
    cloud.sealer().seal(keys)
    size = cloud.sealer().publish().size
    library, read = cloud.library(), list[str]()
    whole, get = library.place(library.published(0), 100), cloud.objects.get

    def counted(name: str) -> StoredObject | None:
        read.append(name)
        return get(name)

    monkeypatch.setattr(cloud.objects, "get", counted)
    assert library.place(library.published(0), 100) == whole
    assert sorted(name for name in read if name.startswith("0/")) == [
        "0/checkpoint",
        f"0/edge/{size}",
        "0/tile/0/000",
        "0/tile/1/000.p/2",
        "0/tile/entries/000",
    ]
    del cloud.objects.files[f"0/edge/{size}"]
    assert library.place(library.published(0), 100) == whole
