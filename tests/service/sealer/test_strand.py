"""Sealing cannot fork, lose or repeat: crashes at every write, races, lost answers, duplicates, restores."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pytest

from carevouch.events.envelope import strand_of
from carevouch.events.seal import Seal, parse_seal
from carevouch.kernel.encoding import b64u, base32, sha256
from carevouch.kernel.errors import Busy, OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import take_apart
from carevouch.ledger.tiles import TileFault, split_bundle
from carevouch.store.log.ports import HeadWentBack, ObjectDiffers
from carevouch.verifier.strand import Report, audit_strand, find_gaps
from services.sealer import manifest
from services.sealer.strand import SealCounts
from tests.fakes import Crash
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import House, Producer, respelled


def audited(cloud: Cloud, strand: int = 0) -> Report:
    """An independent audit of the public files: no findings, and every number there."""
    report = audit_strand(cloud.house.genesis, strand, cloud.read(strand))
    assert report.findings == []
    assert find_gaps([report]) == []
    return report


def sealed_ids(cloud: Cloud, strand: int = 0) -> list[str]:
    """Ids of the events in the published log, in its order."""
    report = audit_strand(cloud.house.genesis, strand, cloud.read(strand))
    ids = []
    for number in range(-(-report.size // 256)):
        width = min(256, report.size - 256 * number)
        name = f"tile/entries/{number:03d}" + ("" if width == 256 else f".p/{width}")
        for entry in split_bundle(cloud.read(strand)(name) or b""):
            signed = take_apart(entry.decode())
            if signed.typ == "carevouch-event+jws":
                ids.append(signed.payload["id"])
    return ids


def test_a_batch_is_sealed_published_and_passes_the_audit() -> None:
    cloud, producer = Cloud(), Producer(House())
    keys = [cloud.act(producer, number) for number in range(3)]
    outcome = cloud.sealer().seal(keys)
    assert (outcome.events, outcome.rejected, outcome.waiting) == (3, 0, 0)
    assert cloud.sealer().publish().size == 5
    report = audited(cloud)
    assert (report.events, report.certificates, report.blocks) == (3, 1, 1)


def test_every_mark_names_the_block_of_its_entry_also_after_a_crash() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.sealer().seal([cloud.act(producer, 1)])
    cloud.clock.advance(7)
    keys = [cloud.act(producer, 2), cloud.act(producer, 3)]
    # The writes before the marks: manifest, head, commit record, and two tiles.
    cloud.faults.plan[cloud.faults.writes + 6] = "before"
    with pytest.raises(Crash):
        cloud.sealer().seal(keys)
    cloud.sealer().publish()
    entries = split_bundle(cloud.read()("tile/entries/000.p/6") or b"")
    closed: dict[int, Seal] = {}
    for seal in (parse_seal(entries[at].decode()) for at in (2, 5)):
        closed |= dict.fromkeys(range(seal.data["first"], seal.data["first"] + seal.data["count"]), seal)
    assert sorted(mark.index for mark in cloud.marks.rows.values()) == list(range(6))
    for mark in cloud.marks.rows.values():
        seal = closed[mark.index]
        assert (mark.block, mark.time) == (seal.data["number"], seal.time)


def test_nothing_is_published_of_an_empty_log_but_its_empty_root() -> None:
    cloud = Cloud()
    assert cloud.sealer().publish().size == 0


def test_many_batches_over_tile_borders_pass_the_audit() -> None:
    cloud, producer = Cloud(), Producer(House())
    number, heads = 0, []
    for size in (1, 200, 60, 300, 5):
        keys = [cloud.act(producer, number + at) for at in range(size)]
        number += size
        cloud.sealer().seal(keys)
        cloud.sealer().publish()
        heads.append(cloud.objects.files["0/checkpoint"])
    assert audited(cloud).events == number
    for old in heads:
        assert audit_strand(cloud.house.genesis, 0, cloud.read(), against=old).findings == []


def test_an_event_delivered_again_is_sealed_once() -> None:
    cloud, producer = Cloud(), Producer(House())
    keys = [cloud.act(producer, number) for number in range(2)]
    for again in ([keys[0]], [keys[0], keys[0], keys[1]], keys):
        cloud.sealer().seal(again)
    cloud.sealer().publish()
    assert audited(cloud).events == 2


def test_a_crash_before_or_after_any_write_loses_and_repeats_nothing() -> None:
    def run(cloud: Cloud) -> None:
        producer = Producer(cloud.house)
        for numbers in ([0, 1], [2]):
            cloud.sealer().seal([cloud.act(producer, number) for number in numbers])
            cloud.sealer().publish()

    calm = Cloud()
    run(calm)
    assert calm.faults.writes > 15
    for write in range(1, calm.faults.writes + 1):
        for when in ("before", "after"):
            cloud = Cloud()
            cloud.faults.plan = {write: when}
            with pytest.raises(Crash):
                run(cloud)
            sweep = cloud.sweep()
            producer = Producer(cloud.house, name="after the crash")
            cloud.act(producer, 9)
            sweep.run()
            cloud.sealer().publish()
            report = audited(cloud)
            assert report.events == len(cloud.events.rows), f"{when} write {write}"
            assert len(set(sealed_ids(cloud))) == report.events


@pytest.mark.parametrize("what", ["lost", "dropped"])
def test_an_answer_that_never_came_is_settled_by_reading_the_head(what: str) -> None:
    for write in range(1, 40):
        cloud, producer = Cloud(), Producer(House())
        cloud.faults.plan = {write: what}
        keys = [cloud.act(producer, number) for number in range(2)]
        for _ in range(3):
            try:
                cloud.sealer().seal(keys)
                cloud.sealer().publish()
                break
            except OutcomeUnknown:
                continue
        assert audited(cloud).events == 2


def test_a_commit_whose_answer_was_lost_counts_as_this_sealers_own() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.faults.plan = {2: "lost"}  # after the staged manifest comes the swap of the head
    assert cloud.sealer().seal([cloud.act(producer, number) for number in range(2)]).events == 2


def test_sealers_that_race_seal_everything_once_and_never_fork() -> None:
    cloud, producer = Cloud(), Producer(House())
    keys = [cloud.act(producer, number) for number in range(24)]
    errors: list[BaseException] = []

    def seal(mine: list[Key]) -> None:
        for _ in range(20):
            try:
                cloud.sealer().seal(mine)
                cloud.sealer().publish()
                return
            except Busy:
                continue
            except BaseException as error:  # noqa: BLE001 - told to the test
                errors.append(error)
                return

    threads = [threading.Thread(target=seal, args=(keys[at : at + 12],)) for at in (0, 4, 8, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    cloud.sealer().seal(keys)
    cloud.sealer().publish()
    assert audited(cloud).events == 24


def test_a_loser_of_the_race_starts_over_and_leaves_no_trace() -> None:
    cloud, producer = Cloud(), Producer(House())
    first, second = cloud.act(producer, 1), cloud.act(producer, 2)
    slow = cloud.sealer()
    original = cloud.heads.swap
    raced: list[bool] = []

    def swap_after_another(before: object, after: object) -> None:
        if not raced:
            raced.append(True)
            cloud.sealer().seal([second])
        original(before, after)  # type: ignore[arg-type]

    cloud.heads.swap = swap_after_another  # type: ignore[method-assign]
    slow.seal([first])
    cloud.sealer().publish()
    assert audited(cloud).events == 2


def test_a_bad_event_is_answered_beside_its_own_rows_only() -> None:
    cloud, producer = Cloud(), Producer(House())
    victim = cloud.act(producer, 1)
    head, body, _ = cloud.events.rows[victim].text.split(".")
    forged_key = Key("P#someone", "Observation#forged#v#0000000001")
    forged = f"{head}.{body}.{b64u(bytes(64))}"
    cloud.events.rows[forged_key] = replace(
        cloud.events.rows[victim], key=forged_key, text=forged, rows=(victim, forged_key)
    )
    cloud.events.homes[forged_key] = forged_key
    outcome = cloud.sealer().seal([forged_key, victim])
    assert (outcome.events, outcome.rejected) == (1, 1)
    assert list(cloud.events.answers) == [Key(forged_key.pk, forged_key.sk + "#rejected")]
    cloud.sealer().publish()
    assert audited(cloud).rejected == 1


def test_a_copy_of_an_event_under_another_kid_cannot_have_it_rejected() -> None:
    cloud, producer = Cloud(), Producer(House())
    victim = cloud.act(producer, 1)
    copy = Key("P#someone", "Observation#copy#v#0000000001")
    cloud.events.rows[copy] = replace(cloud.events.rows[victim], key=copy, kid="other")
    outcome = cloud.sealer().seal([victim, copy])
    assert (outcome.events, outcome.rejected) == (1, 0)


def test_a_batch_asks_for_all_its_certificates_at_once() -> None:
    cloud = Cloud()
    keys = [cloud.act(Producer(cloud.house, name=f"environment {number}"), number) for number in range(5)]
    asked: list[int] = []
    original = cloud.events.certificates

    def certificates(kids: Iterable[str]) -> Mapping[str, str]:
        asked.append(len(list(kids)))
        return original(kids)

    cloud.events.certificates = certificates  # type: ignore[method-assign]
    assert cloud.sealer().seal(keys).events == 5
    assert asked == [5]


def test_a_true_event_is_not_rejected_because_somebody_had_it_sealed_with_the_other_spelling() -> None:
    cloud, producer = Cloud(), Producer(House())
    true = cloud.act(producer, 1)
    copy = Key("P#someone", "Observation#copy#v#0000000001")
    row = cloud.events.rows[true]
    cloud.events.rows[copy] = replace(row, key=copy, text=respelled(row.text))
    assert cloud.sealer().seal([copy]).events == 1
    assert cloud.sealer().seal([true]) == SealCounts()
    assert cloud.events.answers == {}
    assert cloud.sweep().run().sealed == SealCounts()
    assert cloud.notes.cursors == {producer.signer.kid: 1}


def test_an_event_without_certificate_waits_and_is_sealed_when_it_comes() -> None:
    cloud, producer = Cloud(), Producer(House())
    key = cloud.put(producer.event(1), None)
    assert cloud.sealer().seal([key]).waiting == 1
    assert cloud.sweep().run().sealed.waiting == 1
    cloud.events.certified[producer.signer.kid] = producer.certificate
    assert cloud.sweep().run().sealed.events == 1
    assert cloud.notes.waiting == {}


def test_an_event_whose_certificate_never_comes_is_rejected_after_seal_by() -> None:
    cloud, producer = Cloud(), Producer(House())
    key = cloud.put(producer.event(1), None)
    cloud.sealer().seal([key])
    cloud.clock.advance(601)
    assert cloud.sweep().run().sealed.rejected == 1
    assert cloud.notes.waiting == {}
    assert Key(key.pk, key.sk + "#rejected") in cloud.events.answers


@pytest.mark.parametrize("lost", [False, True], ids=["as it was", "after its table was lost"])
def test_a_rejected_event_stays_rejected_when_its_certificate_comes_after_all(lost: bool) -> None:
    cloud, producer = Cloud(), Producer(House())
    key = cloud.put(producer.event(1), None)
    cloud.clock.advance(601)
    assert cloud.sealer().seal([key]).rejected == 1
    other = Producer(cloud.house, name="another environment")
    cloud.sealer().seal([cloud.act(other, 2)])
    if lost:
        cloud.heads.rows.clear()
        cloud.marks.rows.clear()
    cloud.events.certified[producer.signer.kid] = producer.certificate
    assert cloud.sealer().seal([key]) == SealCounts()
    cloud.sealer().publish()
    assert (audited(cloud).events, audited(cloud).rejected) == (1, 1)


def restored(cloud: Cloud) -> None:
    """Run a few batches, then put the ledger's table back to its state after the first."""
    producer = Producer(cloud.house)
    cloud.sealer().seal([cloud.act(producer, 0)])
    cloud.sealer().publish()
    heads, marks = dict(cloud.heads.rows), dict(cloud.marks.rows)
    for number in (1, 2, 3):
        cloud.sealer().seal([cloud.act(producer, number)])
        cloud.sealer().publish()
    cloud.heads.rows, cloud.marks.rows = heads, marks


def test_a_restored_head_is_rolled_forward_before_anything_is_sealed() -> None:
    cloud = Cloud()
    restored(cloud)
    before = cloud.objects.files["0/checkpoint"]
    cloud.sealer().seal([cloud.act(Producer(cloud.house, name="after"), 9)])
    cloud.sealer().publish()
    assert audited(cloud).events == 5
    assert audit_strand(cloud.house.genesis, 0, cloud.read(), against=before).findings == []


def test_a_lost_table_is_rolled_forward_from_nothing() -> None:
    cloud = Cloud()
    restored(cloud)
    cloud.heads.rows.clear()
    cloud.marks.rows.clear()
    cloud.sealer().publish()
    assert audited(cloud).events == 4


def test_a_restored_head_without_its_commit_records_is_never_sealed_from() -> None:
    cloud = Cloud()
    restored(cloud)
    for name in [name for name in cloud.objects.files if "/commits/" in name]:
        del cloud.objects.files[name]
    key = cloud.act(Producer(cloud.house, name="after"), 9)
    for attempt in (lambda: cloud.sealer().seal([key]), cloud.sealer().publish):
        with pytest.raises(HeadWentBack, match="published at 9"):
            attempt()
    assert cloud.heads.read(0).head.edge.size == 3


@pytest.mark.parametrize(
    "touched",
    [
        lambda data: data.replace(b'"block":2', b'"block":3'),
        lambda data: data.replace(b'"v":3', b'"v":'),
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-1],
        lambda data: data + b"\x00\x01a",
        lambda data: data.partition(b"\n")[0],
        lambda data: b"",
    ],
    ids=["its head", "its line", "an entry", "cut short", "an entry more", "no entries", "nothing"],
)
def test_a_staged_batch_that_was_touched_is_never_applied(touched: Callable[[bytes], bytes]) -> None:
    cloud = Cloud()
    restored(cloud)
    for name in [name for name in cloud.objects.files if name.startswith("staging/")]:
        cloud.objects.files[name] = touched(cloud.objects.files[name])
    with pytest.raises(HeadWentBack, match="not what its name says"):
        cloud.sealer().publish()


def test_a_batch_that_another_version_staged_is_not_continued() -> None:
    cloud = Cloud()
    restored(cloud)
    name = min(name for name in cloud.objects.files if "/commits/" in name)
    staged = cloud.objects.files[name].decode()
    line, _, bundle = cloud.objects.files[staged].partition(b"\n")
    older = line.replace(b'"v":3', b'"v":2')
    renamed = f"{staged.rpartition('-')[0]}-{sha256(older).hex()}"
    with pytest.raises(HeadWentBack, match="of version 2, not 3"):
        manifest.parse(renamed, older + b"\n" + bundle)


def test_a_log_is_not_continued_over_a_touched_tile() -> None:
    cloud = Cloud()
    producer = Producer(cloud.house)
    cloud.sealer().seal([cloud.act(producer, 0)])
    cloud.objects.files["0/tile/0/000.p/3"] = bytes(96)
    with pytest.raises(TileFault, match="not those of the committed tree"):
        cloud.sealer().seal([cloud.act(producer, 1)])


def test_two_histories_that_meet_in_storage_stop_the_sealer() -> None:
    cloud = Cloud()
    producer = Producer(cloud.house)
    cloud.objects.files["0/tile/entries/000.p/3"] = b"something else"
    with pytest.raises(ObjectDiffers):
        cloud.sealer().seal([cloud.act(producer, 0)])


def test_each_strand_takes_its_own_events() -> None:
    cloud = Cloud(House(strands=2))
    producer = Producer(cloud.house)
    names = [base32(sha256(b"%d" % number)[:16]) for number in range(20)]
    texts = [producer.event(number, id=name) for number, name in enumerate(names)]
    keys = [cloud.put(text, producer.certificate) for text in texts]
    for strand in (0, 1):
        assert cloud.sealer(strand).seal(keys).rejected == 0
        cloud.sealer(strand).publish()
    ids = [sealed_ids(cloud, strand) for strand in (0, 1)]
    assert all(strand_of(name, 2) == strand for strand in (0, 1) for name in ids[strand])
    assert len(ids[0]) + len(ids[1]) == 20
