"""The super-log: every strand's checkpoints once, in growing order, and proofs that chain to it."""

import pytest

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import NotFound, OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import take_apart
from carevouch.ledger.checkpoint import SUPER, CheckpointFault, log_origin
from carevouch.ledger.cose import verify_inclusion_receipt
from carevouch.ledger.cosignature import Mldsa44InMemory
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import Ed25519InMemory, NoteFault, parse_note
from carevouch.ledger.proof import TlogProof, verify
from carevouch.ledger.superlog import StrandHead, head_mark, parse_super_entry, super_entry
from carevouch.ledger.tiles import split_bundle
from carevouch.store.log.ports import HeadWentBack
from tests.conftest import SOAK
from tests.fakes import Crash
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import ORIGIN, House, Producer

MLDSA = Mldsa44InMemory(sha256(b"log"))


FAULTS = ("before", "after", "lost", "dropped")


def faults_at(write: int) -> tuple[str, ...]:
    """Two faults at each write and the other two at the next; in a soak all four at each."""
    return FAULTS if SOAK > 1 else FAULTS[write % 2 :: 2]


def cloud_of(strands: int) -> Cloud:
    return Cloud(House(strands=strands, mldsa=MLDSA))


def seal(cloud: Cloud, keys: list[Key]) -> None:
    for strand in range(cloud.house.strands):
        cloud.sealer(strand).seal(keys)
        cloud.sealer(strand).publish()


def above(cloud: Cloud) -> int:
    added = cloud.above().append(range(cloud.house.strands))
    cloud.above().publish()
    return added


def heads(cloud: Cloud) -> list[StrandHead]:
    """The entries of the published super-log, in their order."""
    published = cloud.library().published(SUPER)
    entries: list[bytes] = []
    for number in range(-(-published.checkpoint.size // 256)):
        width = min(256, published.checkpoint.size - 256 * number)
        name = f"super/tile/entries/{number:03d}" + ("" if width == 256 else f".p/{width}")
        entries += split_bundle(cloud.objects.files[name])
    return [parse_super_entry(entry, ORIGIN, cloud.house.logs.keys) for entry in entries]


def event_id(cloud: Cloud, key: Key) -> str:
    return str(take_apart(cloud.events.rows[key].text).payload["id"])


def test_each_checkpoint_of_each_strand_is_an_entry_once() -> None:
    cloud = cloud_of(3)
    producer = Producer(cloud.house, spread=True)
    for batch in range(4):
        seal(cloud, [cloud.act(producer, batch * 10 + at) for at in range(10)])
        above(cloud)
        assert above(cloud) == 0
    seen = [(head.strand, head.checkpoint.size) for head in heads(cloud)]
    assert len(seen) == len(set(seen)) == 12
    for strand in range(3):
        sizes = [size for number, size in seen if number == strand]
        assert sizes == sorted(sizes)
        assert sizes[-1] == cloud.library().published(strand).checkpoint.size


def test_the_proof_of_an_event_is_two_standard_proofs_whose_join_is_verbatim() -> None:
    cloud = cloud_of(2)
    producer = Producer(cloud.house, spread=True)
    keys = [cloud.act(producer, number) for number in range(8)]
    seal(cloud, keys)
    above(cloud)
    keys_of = cloud.house.logs.keys
    for key in keys:
        placed = cloud.library().event(event_id(cloud, key))
        assert placed.above is not None
        assert placed.proof.checkpoint == placed.above.entry
        strand = log_origin(ORIGIN, placed.published.log)
        verify(placed.proof, leaf_hash(placed.entry), keys_of.verifier(strand))
        upper = verify(
            placed.above.proof, leaf_hash(placed.proof.checkpoint), keys_of.verifier(f"{ORIGIN}/super")
        )
        assert upper == cloud.library().published(SUPER).checkpoint
        again = cloud.library().checkpoint(int(placed.published.log), placed.published.checkpoint.size)
        assert again == placed.above


def test_every_event_has_a_cose_receipt_under_the_sealers_key() -> None:
    cloud = cloud_of(2)
    producer = Producer(cloud.house, spread=True)
    keys = [cloud.act(producer, number) for number in range(6)]
    seal(cloud, keys[:3])
    above(cloud)
    seal(cloud, keys[3:])
    for key in keys:
        receipt = cloud.library().receipt(event_id(cloud, key))
        leaf = leaf_hash(cloud.events.rows[key].text.encode())
        checkpoint, _ = verify_inclusion_receipt(receipt, leaf, cloud.house.genesis.seal)
        strand = int(checkpoint.origin.rpartition("/")[2])
        assert checkpoint == cloud.library().published(strand).checkpoint
    with pytest.raises(NotFound):
        cloud.library().receipt("a" * 26)


def test_an_event_of_a_busy_strand_is_proved_under_the_newest_checkpoint_above_it() -> None:
    cloud = cloud_of(1)
    producer = Producer(cloud.house, spread=True)
    first = cloud.act(producer, 0)
    seal(cloud, [first])
    above(cloud)
    late = cloud.act(producer, 1)
    seal(cloud, [late])  # published, and not in the super-log yet
    placed = cloud.library().event(event_id(cloud, first))
    assert placed.above is not None
    assert placed.published.checkpoint.size == 3
    fresh = cloud.library().event(event_id(cloud, late))
    assert fresh.above is None
    assert fresh.proof.checkpoint == cloud.objects.files["0/checkpoint"]
    with pytest.raises(NotFound):
        cloud.library().checkpoint(0, fresh.published.checkpoint.size)


def test_an_entry_carries_the_one_line_that_every_client_knows() -> None:
    cloud = cloud_of(1)
    seal(cloud, [cloud.act(Producer(cloud.house, spread=True), 0)])
    published = cloud.objects.files["0/checkpoint"]
    assert len(parse_note(published).lines) == 2, "Ed25519 and ML-DSA-44"
    entry = super_entry(published, cloud.house.logs.keys.verifier(f"{ORIGIN}/strand/0"))
    assert len(parse_note(entry).lines) == 1
    with pytest.raises(CheckpointFault, match="exactly"):
        parse_super_entry(published, ORIGIN, cloud.house.logs.keys)


def test_an_entry_by_another_key_or_of_another_log_is_refused() -> None:
    cloud = cloud_of(1)
    seal(cloud, [cloud.act(Producer(cloud.house, spread=True), 0)])
    entry = super_entry(
        cloud.objects.files["0/checkpoint"], cloud.house.logs.keys.verifier(f"{ORIGIN}/strand/0")
    )
    other = House(log=Ed25519InMemory(bytes(32))).logs.keys
    with pytest.raises(NoteFault):
        parse_super_entry(entry, ORIGIN, other)
    with pytest.raises(CheckpointFault):
        parse_super_entry(entry, "other.example", cloud.house.logs.keys)


@pytest.mark.soak
def test_a_crash_at_any_write_repeats_and_loses_no_checkpoint() -> None:
    def run(cloud: Cloud) -> None:
        producer = Producer(cloud.house, spread=True)
        for batch in range(2):
            seal(cloud, [cloud.act(producer, batch * 4 + at) for at in range(4)])
            above(cloud)

    calm = cloud_of(2)
    run(calm)
    for write in range(1, calm.faults.writes + 1):
        for when in faults_at(write):
            cloud = cloud_of(2)
            cloud.faults.plan = {write: when}
            try:
                run(cloud)
            except (Crash, OutcomeUnknown):
                cloud.faults.plan = {}
                cloud.sweep().run()
                for strand in range(2):
                    cloud.sealer(strand).publish()
                above(cloud)
            seen = [(head.strand, head.checkpoint.size) for head in heads(cloud)]
            assert len(seen) == len(set(seen)), f"{when} write {write}"
            assert {strand for strand, _ in seen} == {0, 1}, f"{when} write {write}"


def test_a_slow_appender_never_puts_an_older_checkpoint_behind_a_newer_one() -> None:
    cloud = cloud_of(1)
    producer = Producer(cloud.house, spread=True)
    seal(cloud, [cloud.act(producer, 0)])
    slow, swap = cloud.above(), cloud.heads.swap

    def overtaken(before: object, after: object) -> None:
        cloud.heads.swap = swap  # type: ignore[method-assign]
        seal(cloud, [cloud.act(producer, 1)])
        above(cloud)
        swap(before, after)  # type: ignore[arg-type]

    cloud.heads.swap = overtaken  # type: ignore[method-assign]
    slow.append([0])
    slow.publish()
    sizes = [head.checkpoint.size for head in heads(cloud)]
    assert sizes == [5], "the loser looked again, and found the newer checkpoint sealed already"


def test_a_super_log_that_went_back_is_never_continued() -> None:
    cloud = cloud_of(1)
    producer = Producer(cloud.house, spread=True)
    seal(cloud, [cloud.act(producer, 0)])
    above(cloud)
    del cloud.heads.rows[SUPER]
    for name in [name for name in cloud.objects.files if name.startswith("super/commits/")]:
        del cloud.objects.files[name]
    seal(cloud, [cloud.act(producer, 1)])
    with pytest.raises(HeadWentBack):
        cloud.above().append([0])


def test_without_a_quorum_the_old_checkpoint_stays() -> None:
    class Missing(Exception):
        pass

    def refuse(_head: object, _note: bytes) -> bytes:
        raise Missing

    cloud = cloud_of(1)
    producer = Producer(cloud.house, spread=True)
    seal(cloud, [cloud.act(producer, 0)])
    above(cloud)
    old = cloud.objects.files["super/checkpoint"]
    seal(cloud, [cloud.act(producer, 1)])
    cloud.above(refuse).append([0])
    with pytest.raises(Missing):
        cloud.above(refuse).publish()
    assert cloud.objects.files["super/checkpoint"] == old


def test_what_is_no_place_in_the_super_log_is_not_found() -> None:
    cloud = cloud_of(1)
    with pytest.raises(NotFound):
        cloud.library().checkpoint(0, 3)
    seal(cloud, [cloud.act(Producer(cloud.house, spread=True), 0)])
    above(cloud)
    assert cloud.library().checkpoint(0, 3).entry.startswith(b"log.example/strand/0\n3\n")
    for strand, size in ((0, 2), (0, 4), (1, 3)):
        with pytest.raises(NotFound):
            cloud.library().checkpoint(strand, size)
    assert head_mark(0, 3) in {key for log, key in cloud.marks.rows if log == SUPER}
    assert isinstance(cloud.library().checkpoint(0, 3).proof, TlogProof)
