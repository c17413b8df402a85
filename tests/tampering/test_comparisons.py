"""Changes that only a comparison shows: versions, a mirror's own copy, and what one key alone can move."""

from pathlib import Path

from carevouch.events.act import Revision, assemble
from carevouch.events.envelope import parse_event, strand_of
from carevouch.events.opening import make_opening, render_opening
from carevouch.kernel.encoding import sha256
from carevouch.ledger.tiles import ENTRIES
from tests.tampering.attacks import at_of, fitted, joined, resealed, resigned, sealed_without, unsealed
from tests.tampering.checks import audited, run
from tests.tampering.log import (
    DOC,
    Files,
    Honest,
    blocks_of,
    entries_of,
    medium,
    small,
    tile_path,
    typ_of,
    write,
)
from tests.unit.cli.log.logs import read
from tests.unit.sealing.acts import Producer


def openings_of(honest: Honest, folder: Path) -> Path:
    """A folder with the openings of both versions of a document."""
    return write(folder, {name: honest.held[name] for name in ("first.opening", "second.opening")})


def audit(honest: Honest, files: Files, folder: Path) -> tuple[int, str]:
    log = write(folder / "log", files)
    return run("audit", str(log), "--opening", str(folder / "openings"))


def test_openings_of_an_honest_log_are_in_order(tmp_path: Path) -> None:
    honest = medium()
    openings_of(honest, tmp_path / "openings")
    assert audit(honest, honest.files, tmp_path)[0] == 0


def test_a_second_history_of_a_document_is_named_though_all_keys_signed_it(tmp_path: Path) -> None:
    honest = medium()
    openings_of(honest, tmp_path / "openings")
    twin = Producer(honest.house, name="twin", epoch=2, made=honest.deployment.producer.made)
    revision = Revision(DOC, 2, sha256(b"another"), sha256(b"nonce"), b'{"version":"another"}')
    text = twin.event(61_000, [revision])
    strand = strand_of(parse_event(text).id, 2)
    blocks, times = unsealed(entries_of(honest.files, strand))
    added = [twin.certificate.encode(), text.encode()]
    files = fitted(honest, resigned(honest, strand, resealed(honest, [*blocks, added], [*times, times[-1]])))
    assert audited(honest, files, witnessed=False) == []
    opening = make_opening(revision, text, twin.certificate, 0, assemble([revision]).paths[0])
    write(tmp_path / "openings", {"third.opening": render_opening(opening)})
    status, said = audit(honest, files, tmp_path)
    assert status == 1
    (found,) = [line for line in said.splitlines() if line.startswith("version: ")]
    assert f"third.opening: {DOC} has another version 2 as well" in found


def test_an_opening_whose_event_was_dropped_is_named(tmp_path: Path) -> None:
    honest = medium()
    openings_of(honest, tmp_path / "openings")
    event = honest.held["first.entry"]
    strand = next(one for one in (0, 1) if event in entries_of(honest.files, one))
    index = entries_of(honest.files, strand).index(event)
    files = fitted(honest, resigned(honest, strand, sealed_without(honest, strand, index)))
    status, said = audit(honest, files, tmp_path)
    assert status == 1
    assert f"opening: {tmp_path}/openings/first.opening: the event " in said


def test_a_certificate_order_is_kept_by_the_real_sealer() -> None:
    """The sealer never breaks the order within a block: all blocks of an honest log pass."""
    for strand in (0, 1):
        for block in blocks_of(entries_of(medium().files, strand)):
            places = [at for at, entry in enumerate(block) if typ_of(entry) == "cert"]
            assert all(typ_of(block[at + 1]) == "event" for at in places)


def test_a_mirror_stays_as_it_was_whatever_its_source_alters(tmp_path: Path) -> None:
    """Mirror the log as it was before its last batch. Then alter each new file of it."""
    honest = small()
    before = write(tmp_path / "before", honest.before)
    new = [
        path
        for log in (0, 1, "super")
        for path in (tile_path(honest.files, log, 0, 0), tile_path(honest.files, log, ENTRIES, 0))
    ]
    for number, path in enumerate(new):
        copy = tmp_path / f"copy-{number}"
        assert run("mirror", str(before), str(copy))[0] == 0
        log = path.split("/")[0]
        kept = {name: data for name, data in read(copy).items() if name.startswith(f"{log}/")}
        data = bytearray(honest.files[path])
        data[-1] ^= 1
        source = write(tmp_path / f"log-{number}", {**honest.files, path: bytes(data)})
        status, said = run("mirror", str(source), str(copy))
        assert status == 1
        assert f"refused: log.example/{'super' if log == 'super' else f'strand/{log}'}: " in said
        now = read(copy)
        assert {name: now[name] for name in kept} == kept
        assert run("mirror", str(write(source, honest.files)), str(copy))[0] == 0


def test_what_the_logs_key_alone_moves_between_blocks_is_seen_by_whoever_kept_a_checkpoint() -> None:
    """Blocks count their entries and do not name them; two events of one key may change places across a seal.

    Only the root shows it. This is why a log is worth what its witnesses and mirrors are worth.
    """
    honest = medium()
    entries, at = entries_of(honest.files, 0), at_of(honest)
    blocks = blocks_of(entries)
    number = next(n for n in range(len(blocks)) if sum(map(len, blocks[: n + 1])) > at)
    assert [typ_of(blocks[number][-2]), typ_of(blocks[number + 1][0])] == ["event", "event"]
    blocks[number][-2], blocks[number + 1][0] = blocks[number + 1][0], blocks[number][-2]
    files = fitted(honest, resigned(honest, 0, joined(blocks)))
    assert audited(honest, files, witnessed=False) == []
    kept = {0: [honest.before["0/checkpoint"]]}
    (found,) = audited(honest, files, witnessed=False, against=kept)
    assert found.startswith("0: fork the old checkpoint: ")
    assert any("quorum" in name for name in audited(honest, files))
