"""One flipped bit: the bytes there are, the checks that read them, and the right names.

The sets of names are written down here, one for each kind. A further name beside the right one is a
consequence that the audit reports too: the root, which no longer follows, or an entry that refers to the
changed one by its hash or key.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from re import escape

from carevouch.ledger.checkpoint import SUPER, LogName
from carevouch.ledger.note import parse_note
from carevouch.ledger.tiles import ENTRIES, WIDTH, split_bundle
from tests.tampering.checks import Look, commanded, mirrored, whole
from tests.tampering.log import (
    Honest,
    size_of,
    tile_path,
    typ_of,
    type_of,
    write,
)
from tests.tampering.tally import Right, Tally

LOGS: tuple[LogName, ...] = (0, 1, SUPER)
# Looks at a file of the log with other bytes in it.
Looks = Callable[[Honest, str], Look]


@dataclass(frozen=True, slots=True)
class Target:
    """Bytes of one kind: those of the file at `places`."""

    kind: str
    file: str
    data: bytes
    places: Sequence[int]
    look: Look
    right: Right

    def flip(self, tally: Tally, count: int | None = None) -> None:
        """Flip a bit of each byte, or of `count` of them that the file's name chooses."""
        chance = Random(f"{self.kind} {self.file} {self.places[0]}")  # noqa: S311 - repeatable on purpose
        places = self.places if count is None else chance.sample(self.places, min(count, len(self.places)))
        for at in places:
            bit = chance.randrange(8)
            broken = bytearray(self.data)
            broken[at] ^= 1 << bit
            what = f"{self.file} byte {at} bit {bit}"
            tally.count(self.kind, what, self.look(bytes(broken)), self.right)
        # The file as it was, which a look at a folder thereby puts back, is accused of nothing.
        assert not self.look(self.data), self.file


def hash_tiles(honest: Honest, looks: Looks, kind: str) -> Iterator[Target]:
    """Every hash tile. The audit names exactly the file."""
    for log in LOGS:
        for level in (0, 1):
            for index in range(-(-(size_of(honest.files, log) >> 8 * level) // WIDTH)):
                path = tile_path(honest.files, log, level, index)
                width = "partial" if ".p/" in path else "full"
                full = f"{'super-log ' if log == SUPER else ''}hash tile, level {level}, {width}, {kind}"
                yield _target(honest, full, path, looks, Right(_tile(log, path)))


def mirrored_tiles(honest: Honest) -> Iterator[Target]:
    """Hash tiles as a mirror takes them.

    It names the file, and with a partial tile the others of the edge.
    """
    for target in hash_tiles(honest, mirrored, "mirrored"):
        log, _, path = target.file.partition("/")
        right = Right(rf"{log}: .*{escape(path)}.*")
        yield Target(target.kind, target.file, target.data, target.places, target.look, right)


def mirrored_bundles(honest: Honest) -> Iterator[Target]:
    """Entries as a mirror takes them. It names the entry, or the bundle after a changed length."""
    for log, index, path, places in _entries(honest):
        lengths, own = places[:2], places[2:]
        data, look = honest.files[path], mirrored(honest, path)
        kind = "super-log entry" if log == SUPER else "entry"
        yield Target(f"{kind}, mirrored", path, data, own, look, Right(rf"{log}: entry {index} .*"))
        right = Right(rf"{log}: ({escape(path.partition('/')[2])} .*|entry {index} .*)")
        yield Target(f"length of {kind}, mirrored", path, data, lengths, look, right)


def entries(honest: Honest, looks: Looks, kind: str) -> Iterator[Target]:
    """Every entry, by its kind."""
    for log, index, path, places in _entries(honest):
        entry = honest.files[path][places[2] : places[-1] + 1]
        what = "super-log entry" if log == SUPER else _what(entry)
        data, look = honest.files[path], looks(honest, path)
        right = _entry_right(log, index, what)
        yield Target(f"{what}, {kind}", path, data, places[2:], look, right)
        name = rf"{log}: entry ({escape(path.partition('/')[2])}|entry {index}): .*"
        beside = f"{right.beside}|{log}: entry entry \\d+: .*does not match its leaf.*"
        yield Target(f"length of an entry, {kind}", path, data, places[:2], look, Right(name, beside))


def checkpoints(honest: Honest, looks: Looks, kind: str) -> Iterator[Target]:
    """Every checkpoint: its body, each signature line, and the witnesses' lines."""
    for log in LOGS:
        path = f"{log}/checkpoint"
        data = honest.files[path]
        for what, places in _parts(data):
            # Cosignatures are no business of the log's keys: without a policy they are passed over.
            if what != "cosignature" or looks is whole:
                look, right = looks(honest, path), _note_right(log, what)
                yield Target(f"checkpoint, {what}, {kind}", path, data, places, look, right)


def epochs(honest: Honest) -> Iterator[Target]:
    """Every byte of the file of epochs."""
    yield _target(honest, "epochs, audited", "epochs", whole, Right("None: epochs epochs: .*"))


def genesis(honest: Honest, folder: Path) -> Iterator[Target]:
    """Genesis and epochs, as each command that starts with them reads them."""
    log = str(write(folder / "log", honest.files))
    data = honest.files["genesis"]
    for verb, words in (("audit", [log]), ("mirror", [log, str(folder / "copy")])):
        look = commanded(folder / "log", "genesis", verb, *words)
        right = Right(rf"carevouch {verb}: (refused: )?genesis: .*")
        yield Target(f"genesis, {verb}", "genesis", data, range(len(data)), look, right)
    orders = honest.files["epochs"]
    look = commanded(folder / "log", "epochs", "mirror", log, str(folder / "other"))
    right = Right(r"carevouch mirror: (refused: )?epochs: .*")
    yield Target("epochs, mirror", "epochs", orders, range(len(orders)), look, right)


def evidence(honest: Honest, folder: Path, name: str) -> Iterator[Target]:
    """The files that people hold of one event, as `carevouch verify` reads them. It names the file.

    A cosignature that is gone is a quorum that is not met. Then the policy and the log above are named.
    """
    write(folder, honest.held)
    at = {file: str(folder / file) for file in honest.held}
    log = str(write(folder / "log", honest.files))
    chain = [at[f"{name}.tlog-proof"], at[f"{name}.super"], "--policy", at["policy"]]
    trust = ["--genesis", at["genesis"], "--epochs", at["epochs"]]
    by_opening = [*chain, "--opening", at[f"{name}.opening"], *trust]
    # A COSE receipt has no cosignatures that a policy could ask for.
    by_cose = [at[f"{name}.cose"], "--opening", at[f"{name}.opening"], *trust]
    by_entry = [*chain, "--entry", at[f"{name}.entry"], "--certificate", at[f"{name}.certificate"], *trust]
    by_receipt = ["--receipt", at[f"{name}.receipt"], "--log", log, "--genesis", at["genesis"]]
    for file, kind, words in (
        ("genesis", "genesis, verify", by_opening),
        ("epochs", "epochs, verify", by_opening),
        (f"{name}.opening", "opening", by_opening),
        (f"{name}.tlog-proof", "tlog-proof of an event", by_opening),
        (f"{name}.cose", "COSE receipt", by_cose),
        (f"{name}.entry", "entry held", by_entry),
        (f"{name}.certificate", "certificate held", by_entry),
        (f"{name}.receipt", "receipt", by_receipt),
    ):
        yield _held(honest, folder, file, kind, words, _file_right(folder, file))
    file = f"{name}.super"
    start = honest.held[file].index(b"\n\n") + 2
    right = _file_right(folder, file)
    yield _held(honest, folder, file, "tlog-proof of a checkpoint", by_opening, right, range(start))
    for what, places in _parts(honest.held[file][start:]):
        right = _file_right(folder, file)
        if what == "cosignature":
            right = Right(rf"{right.name}|.*{escape(str(folder / 'policy'))}: .*: the quorum .*")
        look = commanded(folder, file, "verify", *by_opening)
        data = honest.held[file]
        yield Target(f"checkpoint in a proof, {what}", file, data, [start + at for at in places], look, right)


def _held(
    honest: Honest,
    folder: Path,
    file: str,
    kind: str,
    words: Sequence[str],
    right: Right,
    places: Sequence[int] = (),
) -> Target:
    data = honest.held[file]
    look = commanded(folder, file, "verify", *words)
    return Target(kind, file, data, places or range(len(data)), look, right)


def _file_right(folder: Path, file: str) -> Right:
    return Right(rf"carevouch verify: (refused: )?{escape(str(folder / file))}(:| is) .*")


def _target(honest: Honest, kind: str, path: str, looks: Looks, right: Right) -> Target:
    data = honest.files[path]
    return Target(kind, path, data, range(len(data)), looks(honest, path), right)


def _tile(log: LogName, path: str) -> str:
    return rf"{log}: tile {escape(path.partition('/')[2])}: .*"


def _entry_right(log: LogName, index: int, what: str) -> Right:
    """The entry's name, and beside it the root and the entries that refer to it."""
    beside = [rf"{log}: root checkpoint: .*", rf"{log}: head super-log entry \d+: .*"]
    later = {
        # Later events of the key lack it, later seals their predecessor, later events their epoch.
        "certificate": r"the certificate of the event's key is not before the event",
        "block seal": r"block \d+ .*",
        "epoch": r"the event is of an epoch that is not open",
    }
    if what in later:
        beside.append(rf"{log}: entry entry \d+: {later[what]}")
    if what == "block seal":
        beside.append(rf"{log}: block entry \d+: .*are in no block")
    return Right(rf"{log}: entry entry {index}: .*", "|".join(beside))


def _note_right(log: LogName, what: str) -> Right:
    """The checkpoint's name or that of its missing part, and beside it the strand's missing proof."""
    beside = [rf"None: behind super-log entry \d+: it has strand {log} .*"]
    if log == SUPER:
        beside = [r"None: quorum super-log checkpoint: .*"]
    if what == "cosignature":
        name = rf"None: (cosignature|quorum) super-log checkpoint: .*|{log}: checkpoint checkpoint: .*"
        return Right(name, *beside)
    return Right(rf"{log}: (checkpoint|signature) checkpoint: .*", "|".join(beside))


def _what(entry: bytes) -> str:
    named = {"block.sealed": "block seal", "event.rejected": "rejection", "epoch": "epoch"}
    return named.get(type_of(entry)) or {"event": "event", "cert": "certificate"}[typ_of(entry)]


def _entries(honest: Honest) -> Iterator[tuple[LogName, int, str, Sequence[int]]]:
    """Each entry: its log, its index, its bundle's path, and the places of its length and its bytes there."""
    for log in LOGS:
        for number in range(-(-size_of(honest.files, log) // WIDTH)):
            path, at = tile_path(honest.files, log, ENTRIES, number), 0
            for offset, entry in enumerate(split_bundle(honest.files[path])):
                end = at + 2 + len(entry)
                yield log, number * WIDTH + offset, path, range(at, end)
                at = end


def _parts(note: bytes) -> Iterator[tuple[str, Sequence[int]]]:
    """The places of a checkpoint's text and of each of its lines."""
    text = parse_note(note).text.encode()
    yield "body", range(len(text) + 1)
    at = len(text) + 1
    for number, line in enumerate(note[at:].splitlines(keepends=True)):
        yield ("Ed25519 line", "ML-DSA-44 line", "cosignature")[min(number, 2)], range(at, at + len(line))
        at += len(line)
