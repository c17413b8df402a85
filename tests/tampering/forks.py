"""A second history, by an attacker with all of the operator's keys: neither history shows it by itself.

Each view passes every audit. Only a kept file shows the fork: an older checkpoint, a mirror, a witness, a
receipt, a proof or an opening. This module has the views, and each of those comparisons.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import escape

from carevouch.events.envelope import parse_event
from carevouch.ledger.checkpoint import SUPER
from carevouch.ledger.superlog import super_entry
from tests.tampering.attacks import replaced, resealed, resigned, unsealed, without
from tests.tampering.checks import audited, run
from tests.tampering.log import Files, Honest, entries_of, origin_of, place, typ_of, write
from tests.tampering.tally import Right, Tally
from tests.unit.sealing.acts import Producer


@dataclass(frozen=True, slots=True)
class View:
    """Another history than the honest one, with the size of its strand 0 compared to the honest log's."""

    name: str
    files: Files
    size: int


@dataclass(frozen=True, slots=True)
class Fork:
    """The honest log, which people saw, and the other views of it."""

    honest: Honest
    strand: int
    index: int
    views: tuple[View, ...]


@cache
def forked(honest_of: Callable[[], Honest]) -> Fork:
    """The views: of the same size, larger, and smaller, each without the event with the last number."""
    honest = honest_of()
    strand, index = _last_event(honest)
    true = entries_of(honest.files, strand)
    instead = _instead(honest, true[index])
    blocks, times = unsealed(true)
    blocks[-1] = [entry for entry in blocks[-1] if entry != true[index]]
    made = {
        "as large": replaced(honest, strand, index, instead),
        "larger": resealed(honest, [*blocks, [instead]], [*times, times[-1]]),
        "smaller": resealed(honest, blocks, times),
    }
    views = tuple(
        View(name, _above(honest, resigned(honest, strand, entries), strand), len(entries) - len(true))
        for name, entries in made.items()
    )
    return Fork(honest, strand, index, views)


def _above(honest: Honest, files: Files, strand: int) -> Files:
    """The view with a super-log as large as the honest one, whose last entry about the strand is another."""
    entries, origin = entries_of(honest.files, SUPER), f"{origin_of(strand)}\n".encode()
    last = max(at for at, entry in enumerate(entries) if entry.startswith(origin))
    entries[last] = super_entry(
        files[f"{strand}/checkpoint"], honest.house.logs.keys.verifier(origin_of(strand))
    )
    own = {path: data for path, data in resigned(honest, SUPER, entries).items() if path.startswith("super/")}
    return without(files, SUPER) | own


def seen(fork: Fork, view: View, folder: Path, tally: Tally) -> None:
    """Every comparison of one view by people who saw the honest log."""
    for kind, what, names, right in _looks(fork, view, folder):
        tally.count(f"a view {view.name}: {kind}", what, names, right)


def _looks(fork: Fork, view: View, folder: Path) -> Iterator[tuple[str, str, list[str], Right]]:
    honest, strand = fork.honest, fork.strand
    code = "shrunk checkpoint" if view.size < 0 else "fork the old checkpoint"
    kept = {strand: [honest.files[f"{strand}/checkpoint"]]}
    names = audited(honest, view.files, witnessed=False, against=kept)
    yield "an older checkpoint", code, names, Right(rf"{strand}: {code}: .*")
    kept_above = {SUPER: [honest.files["super/checkpoint"]]}
    names = audited(honest, view.files, witnessed=False, against=kept_above)
    yield "an older super-log checkpoint", "fork", names, Right(r"super: fork the old checkpoint: .*")
    proof = place(honest, entries_of(honest.files, strand)[fork.index].decode()).proof
    names = audited(honest, view.files, witnessed=False, against={strand: [proof.checkpoint]})
    yield "a proof's checkpoint", code, names, Right(rf"{strand}: {code}: .*")
    log, copy = str(write(folder / "log", honest.files)), str(folder / "copy")
    other = str(write(folder / "view", view.files))
    assert run("mirror", log, copy)[0] == 0
    yield "a mirror", "copy", _refused("mirror", other, copy), Right(_mirror(view, strand))
    state = ["--state", str(folder / "state")]
    assert run("witness", "audit", log, *state)[0] == 0
    yield (
        "a witness",
        "state",
        _refused("witness", "audit", other, *state),
        Right(r"carevouch witness audit: refused: (shrunk|fork): .*"),
    )
    if view.size >= 0:  # In a smaller one the event may still come: its receipt is evidence once it is due.
        yield from _evidence(fork, folder, other)


def _evidence(fork: Fork, folder: Path, other: str) -> Iterator[tuple[str, str, list[str], Right]]:
    """The receipt and the opening that the producer gave for the missing event."""
    true = entries_of(fork.honest.files, fork.strand)[fork.index].decode()
    certificate = fork.honest.deployment.producer.certificate
    write(folder, {"receipt": f"{true} {certificate}".encode()})
    name = str(folder / "receipt")
    said = _refused("verify", "--receipt", name, "--log", other)
    yield "a receipt", "receipt", said, Right(rf"{escape(name)}: a true .*proof against the operator.*")
    write(folder, {"receipts/one": f"{true} {certificate}".encode()})
    said = _refused("audit", other, "--receipts", str(folder / "receipts"))
    right = Right(r".*\nreceipt: \S+/receipts/one: .*: evidence\n1 findings")
    yield "a receipt in an audit", "receipts", said, right


def _refused(verb: str, *words: str) -> list[str]:
    status, said = run(verb, *words)
    return [said.strip()] if status == 1 else []


def _mirror(view: View, strand: int) -> str:
    if view.size < 0:
        return rf"carevouch mirror: refused: .*/strand/{strand} with .* is not how .* began.*contradicts"
    return rf"carevouch mirror: refused: the log shows two histories: .*/strand/{strand} with .*contradicts"


def _last_event(honest: Honest) -> tuple[int, int]:
    """The place of the event with the last number. Without it there is no gap."""
    kid = honest.deployment.producer.signer.kid
    found = [
        (event.n, strand, index)
        for strand in (0, 1)
        for index, entry in enumerate(entries_of(honest.files, strand))
        if typ_of(entry) == "event" and (event := parse_event(entry.decode())).kid == kid
    ]
    _, strand, index = max(found)
    return strand, index


def _instead(honest: Honest, true: bytes) -> bytes:
    """Another act under the same id and the same number, by the same key."""
    event, producer = parse_event(true.decode()), honest.deployment.producer
    twin = Producer(producer.house, name=producer.name, epoch=event.epoch, made=producer.made, n=event.n - 1)
    return twin.event(60_000, id=event.id).encode()
