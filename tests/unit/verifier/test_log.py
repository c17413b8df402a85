"""The audit of a whole log: super-log, strands, epochs and witnesses have to fit; each misfit is named."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from carevouch.events.seal import SEAL_TYP
from carevouch.kernel.jws import sign, take_apart
from carevouch.kernel.times import later
from carevouch.ledger.block import Block
from carevouch.ledger.checkpoint import Checkpoint, LogName, log_origin, strand_origin
from carevouch.ledger.merkle import Edge, leaf_hash, leaf_hashes
from carevouch.ledger.note import Note, parse_note, render_note
from carevouch.ledger.policy import parse_policy
from carevouch.ledger.superlog import super_entry
from carevouch.ledger.tiles import split_bundle
from carevouch.verifier.log import Audit, audit_log
from tests.unit.cli.log.logs import SAW, Deployment, Witness, cosigned
from tests.unit.ledger.logs import MemoryLog
from tests.unit.sealing.acts import ORIGIN, START, House

Files = dict[str, bytes]
ONE, TWO = Witness("witness.example/one"), Witness("witness.example/two")
BOTH = parse_policy(
    f"witness one {ONE.vkey}\nwitness two {TWO.vkey}\ngroup both all one two\nquorum both\n".encode()
)


@cache
def honest() -> tuple[Deployment, dict[str, bytes]]:
    """A deployment that published three times, and its files."""
    deployment = Deployment()
    for _ in range(3):
        deployment.grow(8, ONE, TWO)
    return deployment, deployment.files()


def audit(files: Files, house: House | None = None, **options: Any) -> Audit:
    return audit_log((house or honest()[0].cloud.house).genesis, files.get, **options)


def said(audited: Audit) -> str:
    found = [f"{log} {item.code} {item.where}: {item.message}" for log, item in audited.all_findings]
    return "; ".join(found)


def entries_of(files: Files, log: LogName) -> list[bytes]:
    """The entries of a log of fewer than 256."""
    bundles = [path for path in files if path.startswith(f"{log}/tile/entries/000.p/")]
    return split_bundle(files[max(bundles, key=lambda path: int(path.rpartition("/")[2]))])


def relogged(files: Files, log: LogName, entries: Sequence[bytes]) -> Files:
    """The files with one log made of these entries instead, signed by the log's own keys."""
    made = MemoryLog()
    made.append(entries)
    house = honest()[0].cloud.house
    note = house.logs.sign(Checkpoint(log_origin(ORIGIN, log), made.edge.size, made.edge.root()))
    rest = {path: data for path, data in files.items() if not path.startswith(f"{log}/")}
    own = {f"{log}/{path}": data for path, data in made.files.items()}
    return rest | own | {f"{log}/checkpoint": note}


def head(strand: int, size: int, root: bytes | None = None) -> bytes:
    """The super-log's entry for a strand's head: the true one of that size, or of another root."""
    deployment, files = honest()
    edge = Edge().extended(leaf_hashes(entries_of(files, strand)[:size]))
    house, origin = deployment.cloud.house, strand_origin(ORIGIN, strand)
    note = house.logs.sign(Checkpoint(origin, size, edge.root() if root is None else root))
    return super_entry(note, house.logs.keys.verifier(origin))


def test_an_honest_log_with_super_log_and_witnesses_passes() -> None:
    audited = audit(honest()[1], policy=BOTH)
    assert said(audited) == ""
    assert audited.above is not None
    assert (audited.above.size, [report.strand for report in audited.strands]) == (6, [0, 1])
    assert audited.time == "2026-11-22T10:10:00.000Z"


def test_every_flipped_byte_of_the_super_log_is_found_and_said_to_be_there() -> None:
    files = honest()[1]
    paths = [
        path for path in files if path.startswith("super/") and (".p/" not in path or path.endswith("/6"))
    ]
    assert len(paths) == 3
    for path in paths:
        data = files[path]
        for at in range(0, len(data), 41):
            broken = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            found = audit({**files, path: broken}, policy=BOTH).all_findings
            assert found, f"{path} byte {at}"
            assert {log for log, _ in found} <= {"super", None}, found


FORGED = {
    "another root": ([head(0, 3, bytes(32))], "0 head super-log entry 0: the super-log says"),
    "a head that the strand has not reached": ([head(0, 500, bytes(32))], "None behind super-log entry 0"),
    "sizes that go back": ([head(1, 7), head(0, 2), head(1, 6)], "entry 2: strand 1 had 7 entries before"),
    "a size twice": ([head(1, 7), head(1, 7)], "entry 1: strand 1 had 7 entries before, and has 7 here"),
    "no checkpoint": ([b"nonsense"], "super entry entry 0: the file is not a signed note"),
}


@pytest.mark.parametrize(("entries", "words"), FORGED.values(), ids=FORGED)
def test_a_super_log_that_is_not_true_of_its_strands_is_found(entries: list[bytes], words: str) -> None:
    assert words in said(audit(relogged(honest()[1], "super", entries)))


def test_true_heads_of_any_earlier_size_are_accepted() -> None:
    size = len(entries_of(honest()[1], 0))
    heads = [head(0, at) for at in range(1, size + 1)]
    assert said(audit(relogged(honest()[1], "super", heads))) == ""


def test_a_head_of_a_strand_that_there_is_none_of_is_found() -> None:
    house = honest()[0].cloud.house
    note = house.logs.sign(Checkpoint(f"{ORIGIN}/strand/2", 1, bytes(32)))
    stranger = super_entry(note, house.logs.keys.verifier(f"{ORIGIN}/strand/2"))
    files = relogged(honest()[1], "super", [stranger])
    assert "None strand super-log entry 0: there is no strand 2" in said(audit(files))


def test_an_entry_with_a_line_more_or_by_another_key_is_found() -> None:
    foreign = House(log=House().log.__class__(bytes(32)))
    origin = f"{ORIGIN}/strand/0"
    other = super_entry(
        foreign.logs.sign(Checkpoint(origin, 3, bytes(32))), foreign.logs.keys.verifier(origin)
    )
    for entry, words in (
        (cosigned(head(0, 3), [ONE]), "has exactly the strand's Ed25519 line"),
        (other, "no signature by the key"),
    ):
        assert words in said(audit(relogged(honest()[1], "super", [entry])))


@pytest.mark.parametrize("log", [0, 1, "super"])
def test_a_published_checkpoint_without_its_second_line_is_found(log: LogName) -> None:
    files = honest()[1]
    note = parse_note(files[f"{log}/checkpoint"])
    one_line = render_note(Note(note.text, note.lines[:1]))
    found = audit({**files, f"{log}/checkpoint": one_line}).all_findings
    assert [(where, item.code) for where, item in found] == [(log, "signature")]


def test_a_super_log_that_shrank_or_forked_is_found_by_its_old_checkpoint() -> None:
    files = honest()[1]
    older = relogged(files, "super", entries_of(files, "super")[:2])
    assert said(audit(files, against={"super": [older["super/checkpoint"]]})) == ""
    assert "shrunk" in said(audit(older, against={"super": [files["super/checkpoint"]]}))
    fork = relogged(files, "super", entries_of(files, "super")[1:])
    assert "super fork" in said(audit(files, against={"super": [fork["super/checkpoint"]]}))
    gone = {path: data for path, data in files.items() if not path.startswith("super/")}
    assert "super missing" in said(audit(gone, against={"super": [files["super/checkpoint"]]}))


def test_several_old_checkpoints_are_all_held_against_the_log() -> None:
    files = honest()[1]
    sizes = [3, 5, 9]
    notes = [head(0, size) for size in sizes]
    audited = audit(files, against={0: [*notes, head(0, 4, bytes(32))]})
    assert audited.strands[0].old_sizes == (3, 5, 9, 4)
    assert said(audited).count("fork") == 1
    assert "there is no such strand any more" in said(audit(files, against={7: notes}))


def test_a_super_log_that_is_not_there_is_found_once_a_strand_has_entries() -> None:
    files = honest()[1]
    hidden = {path: data for path, data in files.items() if not path.startswith("super/")}
    assert "None missing super-log checkpoint: there is no super-log" in said(audit(hidden))
    assert said(audit(hidden, super_log=False)) == ""
    fresh = Deployment()
    fresh.publish()
    empty = {path: data for path, data in fresh.files().items() if not path.startswith("super/")}
    assert said(audit(empty, fresh.cloud.house)) == ""


def test_a_super_log_that_is_there_is_audited_by_those_who_need_none() -> None:
    untrue = relogged(honest()[1], "super", [head(0, 5, bytes(32))])
    assert "0 head super-log entry 0" in said(audit(untrue, super_log=False))


def test_an_unmet_quorum_is_found_with_who_is_missing() -> None:
    deployment = Deployment(strands=1).grow(3, ONE)
    audited = audit(deployment.files(), deployment.cloud.house, policy=BOTH)
    assert "quorum super-log checkpoint: the quorum both is not met" in said(audited)
    assert "missing: two" in said(audited)
    bare = {path: data for path, data in deployment.files().items() if not path.startswith("super/")}
    assert "no super-log" in said(audit(bare, deployment.cloud.house, policy=BOTH))


def test_a_cosignature_of_another_checkpoint_is_found() -> None:
    files = honest()[1]
    line = cosigned(files["0/checkpoint"], [ONE]).removeprefix(files["0/checkpoint"])
    note = parse_note(files["super/checkpoint"])
    alone = render_note(Note(note.text, note.lines[:2])) + line
    assert "cosignature" in said(audit({**files, "super/checkpoint": alone}, policy=BOTH))


def test_a_gap_is_judged_by_the_witnesses_time_if_there_is_one() -> None:
    deployment = Deployment(strands=1)
    deployment.act(1)
    deployment.producer.n += 1
    deployment.grow(1, ONE, TWO)
    files, house = deployment.files(), deployment.cloud.house
    assert said(audit(files, house)) == ""
    assert said(audit(files, house, policy=BOTH)) == ""
    late = cosigned(bare_note(files["super/checkpoint"]), [ONE, TWO], SAW + 1)
    assert "number 2 is not in the log" in said(
        audit({**files, "super/checkpoint": late}, house, policy=BOTH)
    )


def bare_note(note: bytes) -> bytes:
    """The note with the log's own two lines."""
    parsed = parse_note(note)
    return render_note(Note(parsed.text, parsed.lines[:2]))


def test_an_event_in_two_strands_is_found() -> None:
    """Only a change of epochs makes two strands right for one id, and then only one of them has it."""
    deployment = Deployment(strands=1).grow(4)
    deployment.open_epoch(4)
    deployment.grow(4)
    files, house = deployment.files(), deployment.cloud.house
    assert said(audit(files, house)) == ""
    producer = deployment.producer
    text = sign({**again(files), "epoch": 2, "n": 99}, "carevouch-event+jws", producer.signer)
    strand = next(number for number in range(1, 4) if entries_of(files, number))
    entries = entries_of(files, strand)
    count = len(entries)
    block = Block(1, count, 2, leaf_hash(entries[-1])).data
    seal = sign(
        {"v": 1, "type": "block.sealed", "time": later(START, 60), "data": block}, SEAL_TYP, house.seal
    )
    doubled = relogged(files, strand, [*entries, text.encode(), seal.encode()])
    assert "None twice" in said(audit(doubled, house))


def again(files: Files) -> dict[str, Any]:
    """The payload of an event of strand 0."""
    payload = next(
        signed.payload
        for entry in entries_of(files, 0)
        if (signed := take_apart(entry.decode())).typ == "carevouch-event+jws"
    )
    return dict(payload)


def test_the_file_of_epochs_must_say_what_strand_0_says() -> None:
    deployment = Deployment(strands=1).grow(4)
    deployment.open_epoch(2)
    files, house = deployment.grow(4).files(), deployment.cloud.house
    assert said(audit(files, house)) == ""
    behind = {path: data for path, data in files.items() if path != "epochs"}
    assert said(audit(behind, house)) == ""
    other = Deployment(strands=1)
    other.open_epoch(3)
    assert "other epochs than strand 0" in said(audit({**files, "epochs": other.files()["epochs"]}, house))
    assert "None epochs" in said(audit({**files, "epochs": b"nonsense\n"}, house))


def grown_late(**options: int) -> tuple[Deployment, Files]:
    """Two strands in a second epoch, which went on long after every promise of their first blocks."""
    deployment = Deployment(strands=1).grow(2)
    deployment.open_epoch(2)
    deployment.grow(4)
    deployment.cloud.clock.advance(options.get("seconds", 700))
    return deployment, deployment.grow(4).files()


@pytest.mark.parametrize(("seconds", "found"), [(601, True), (600, False)])
def test_a_strand_that_the_super_log_leaves_out_is_named_once_it_went_on_without_it(
    seconds: int, found: bool
) -> None:
    deployment, files = grown_late(seconds=seconds)
    entries = [one for one in entries_of(files, "super") if b"/strand/1\n" not in one]
    assert said(audit(files, deployment.cloud.house)) == ""
    told = said(audit(relogged(files, "super", entries), deployment.cloud.house))
    assert ("None omitted strand 1: the super-log says nothing of it after 0 entries" in told) is found


def test_a_strand_that_is_a_block_ahead_of_the_super_log_is_none_that_was_left_out() -> None:
    deployment, files = grown_late()
    ahead = relogged(files, "super", entries_of(files, "super")[:-1])
    assert said(audit(ahead, deployment.cloud.house)) == ""


def test_a_strand_0_that_cannot_be_read_does_not_make_strangers_of_the_others() -> None:
    deployment, files = grown_late()
    path = max((path for path in files if path.startswith("0/tile/entries/")), key=_width)
    broken = {**files, path: b"\xff" + files[path][1:]}
    audited = audit(broken, deployment.cloud.house)
    assert [report.strand for report in audited.strands] == [0, 1]
    assert audited.strands[1].findings == []
    assert "there is no strand" not in said(audited)


def _width(path: str) -> int:
    return int(path.rpartition("/")[2])


def test_what_is_watched_for_is_seen_wherever_it_stands() -> None:
    files = honest()[1]
    wanted = [event for report in audit(files).strands for event in list(report.ids)[:2]]
    audited = audit(files, watch=wanted)
    assert [len(audited.seen(event)) for event in wanted] == [1] * 4
    assert audited.seen("nobody's") == []


def test_one_log_more_or_less_is_enough_to_be_told_apart() -> None:
    """A genesis of three strands over files of two: the third is missing, and named."""
    house = House(strands=3, mldsa=honest()[0].cloud.house.mldsa)
    assert "2 missing checkpoint" in said(audit(honest()[1], house))
