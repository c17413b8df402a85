"""`carevouch mirror`: copies a log into a folder, proving all of it, and refuses one that changes its story.

A door: what a copy lacks and whether a tile is true is decided in `carevouch.ledger.mirror`, how a copy
survives crashes in `copying`. It believes the pinned key and nothing else. A mirror proves that the files
are what the log signed; that the entries obey the rules is for `carevouch audit`, which reads a mirror as it
reads a log.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carevouch.cli.files import read_vkey
from carevouch.cli.log.copy import CHECKPOINT, Contradiction, Copy, CopyReport, Open
from carevouch.cli.log.folder import MirrorFolder
from carevouch.cli.log.source import Read, ReadMany, reader, readers, said_of
from carevouch.cli.progress import progress
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis
from carevouch.events.opening import open_genesis
from carevouch.kernel.errors import DomainError, IntegrityFault
from carevouch.kernel.jsontext import render
from carevouch.ledger.checkpoint import SUPER, LogName, log_origin, open_checkpoint
from carevouch.ledger.note import Verifier
from carevouch.verifier.mismatch import telling, unpublished

COPIED, REFUSED, BAD_INPUT = 0, 1, 2
GENESIS, EPOCHS = "genesis", "epochs"

_DESCRIPTION = """\
Copy a log into a folder, in the layout of C2SP tlog-tiles, and keep it up to date. Every tile and
every bundle of entries is proved against the signed root before it is kept; what was copied
before is not read again. A log that forks or shrinks is refused: the copy stays as it was, and
the checkpoint that contradicts it is kept beside it, as proof."""

_EPILOG = """\
URL is the address of /ledger, or a folder with the same files. The copy holds genesis, epochs, each
strand and the super-log, and may be audited, scanned and served as it is.

A log of somebody else (any C2SP tlog-tiles log) is copied too: then the URL is the prefix under
which checkpoint and tile/... lie, and the name of the key is the log's origin.

A run that was cut off is finished by the next one. To run it every hour is a good habit: a log
can be held to what it showed you, and to nothing else.

exit status:
  0  the copy is what the log shows now
  1  the log contradicts its copy or its own signature; the sentence says what
  2  the log cannot be read, or the key is not one

examples:
  carevouch mirror https://api.example/ledger ./mirror --key 'carevouch.example+33d7b496+AeHT…'
  carevouch audit ./mirror --key key.txt"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "mirror",
        help="copy a log, proving it, and refuse a fork",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("log", metavar="URL|DIR", help="where the log's files are")
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the copy is kept")
    parser.add_argument("--key", required=True, metavar="VKEY", help="the log's key, or a file that holds it")
    parser.add_argument("--again", action="store_true", help="prove what was copied before as well; mend it")
    parser.add_argument("--json", action="store_true", help="what was copied, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Copy as asked; the exit status."""
    try:
        key = read_vkey(args.key)
        kept = MirrorFolder(args.folder)
        read = reader(args.log)
        with kept.alone(), readers(read) as read_many:
            copied = mirror(read, read_many, kept, key, again=args.again)
    except IntegrityFault as fault:
        return _stop(f"refused: {fault.message}", REFUSED)
    except (DomainError, OSError) as error:
        return _stop(said_of(error, args.log), BAD_INPUT)
    _print(copied, as_json=args.json)
    return COPIED


def mirror(
    read: Read, read_many: ReadMany, kept: MirrorFolder, key: Verifier, *, again: bool = False
) -> list[CopyReport]:
    """Bring the copy up to date with the log; raises `IntegrityFault` for a log that is not true to it."""
    note = read(GENESIS)
    if note is None and kept.get(GENESIS) is None:
        plain = _Log("", key.name, lambda data: open_checkpoint(data, key), read(CHECKPOINT))
        return [_copied(plain, read, read_many, kept, again=again)]
    genesis = _genesis(note, kept, key)
    # What the super-log says of the strands must be in their copies: so it is looked at before them, and
    # its own copy is brought up to date after them.
    above = read(f"{SUPER}/{CHECKPOINT}")
    genesis = _epochs(read(EPOCHS), kept, genesis)
    logs = [_log(genesis, strand, read(f"{strand}/{CHECKPOINT}")) for strand in range(genesis.strand_count)]
    # A log from before there were super-logs has none; a strand always has its checkpoint, if only of size 0.
    if above is not None or kept.get(f"{SUPER}/{CHECKPOINT}") is not None:
        logs.append(_log(genesis, SUPER, above))
    return [_copied(log, read, read_many, kept, again=again) for log in logs]


@dataclass(frozen=True, slots=True)
class _Log:
    """One log to be copied: where it lies, its origin, how its notes are opened, and the one it shows."""

    path: str
    origin: str
    open: Open
    note: bytes | None


def _log(genesis: Genesis, name: LogName, note: bytes | None) -> _Log:
    origin = log_origin(genesis.origin, name)
    return _Log(f"{name}/", origin, lambda data: genesis.keys.open_published(data, origin), note)


def _copied(log: _Log, read: Read, read_many: ReadMany, kept: MirrorFolder, *, again: bool) -> CopyReport:
    if log.note is None:
        raise unpublished(log.origin)
    copy = Copy(
        kept,
        log.path,
        lambda path: read(log.path + path),
        lambda paths: read_many([log.path + path for path in paths]),
        log.open,
        progress(log.origin, "files"),
    )
    try:
        return copy.to(log.note, again=again)
    except Contradiction:
        raise
    except IntegrityFault as fault:
        raise IntegrityFault(f"{log.origin}: {fault.message}") from fault


def _genesis(note: bytes | None, kept: MirrorFolder, key: Verifier) -> Genesis:
    """Genesis, kept once and the same for ever."""
    old = kept.get(GENESIS)
    if note is None:
        raise IntegrityFault("the log shows no genesis any more")
    with telling(GENESIS):
        genesis = open_genesis(note, key)
    if old is None:
        kept.put(GENESIS, note)
    elif open_genesis(old, key) != genesis:
        raise _contradicted(kept, GENESIS, note, "the log shows another genesis than before")
    return genesis


def _epochs(orders: bytes | None, kept: MirrorFolder, genesis: Genesis) -> Genesis:
    """Genesis knowing the epochs; their file only ever grows."""
    old, new = kept.get(EPOCHS) or b"", orders or b""
    with telling(EPOCHS):
        known = read_epochs(new, genesis)
    if not new.startswith(old):
        raise _contradicted(kept, EPOCHS, new, "the log shows other epochs than before")
    if new != old:
        kept.put(EPOCHS, new)
    return known


def _contradicted(kept: MirrorFolder, name: str, data: bytes, what: str) -> Contradiction:
    path = f"{name}.contradicts"
    kept.put(path, data)
    return Contradiction(what, str(kept.folder / path))


def _print(copied: Sequence[CopyReport], *, as_json: bool) -> None:
    if as_json:
        logs = [{"origin": one.name, "old_size": one.old_size, "size": one.size} for one in copied]
        print(render({"logs": logs}).decode())
        return
    for one in copied:
        print(f"{one.name}: {one.size} entries, {one.size - one.old_size} of them new")


def _stop(said: str, status: int) -> int:
    print(f"carevouch mirror: {said}", file=sys.stderr)
    return status
