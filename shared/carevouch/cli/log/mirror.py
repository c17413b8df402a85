"""`carevouch mirror`: copies a log into a folder, proves every file, and refuses a fork.

It trusts only the pinned key. `carevouch.ledger.mirror` finds the tiles that a copy lacks and proves them,
and `copy.py` survives crashes. A mirror proves that the log signed the files. `carevouch audit` checks that
the entries follow the rules; it reads a mirror as it reads a log.
"""

from argparse import Namespace
from functools import partial
from pathlib import Path

from carevouch.cli.files import read_vkey
from carevouch.cli.frame import OK
from carevouch.cli.log.copy import CHECKPOINT, Contradiction, Copy, CopyReport, Open
from carevouch.cli.log.folder import MirrorFolder
from carevouch.cli.log.source import one_by_one, read_log
from carevouch.cli.progress import progress
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis
from carevouch.events.opening import open_genesis
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.jsontext import render
from carevouch.ledger.checkpoint import SUPER, LogName, log_origin, open_checkpoint
from carevouch.ledger.note import Verifier
from carevouch.verifier.mismatch import about, unpublished
from carevouch.verifier.opened import ReadMany

GENESIS, EPOCHS = "genesis", "epochs"


def run(args: Namespace) -> int:
    """Copy the log, and return the exit status."""
    key = read_vkey(args.key)
    folder = MirrorFolder(Path(args.folder))
    read_many = read_log(args.log)
    with folder.alone():
        reports = mirror(read_many, folder, key, again=args.again)
    if args.json:
        logs = [{"origin": one.name, "old_size": one.old_size, "size": one.size} for one in reports]
        print(render({"logs": logs}).decode())
    else:
        for one in reports:
            print(f"{one.name}: {one.size} entries, {one.size - one.old_size} of them new")
    return OK


def mirror(
    read_many: ReadMany, folder: MirrorFolder, key: Verifier, *, again: bool = False
) -> list[CopyReport]:
    """Bring the copy up to date with the log; raises `IntegrityFault` if the log contradicts the copy."""
    read = one_by_one(read_many)
    note = read(GENESIS)
    logs: list[tuple[str, str, Open, bytes | None]] = []
    if note is None and folder.get(GENESIS) is None:
        # A log of another kind of deployment has its checkpoint and tiles at the top.
        logs.append(("", key.name, partial(open_checkpoint, verifier=key), read(CHECKPOINT)))
    else:
        genesis = _copy_genesis(note, folder, key)
        # The copies of the strands must have every entry that the super-log names. So the super-log is read
        # before the strands, and copied after them.
        above = read(f"{SUPER}/{CHECKPOINT}")
        genesis = _copy_epochs(read(EPOCHS) or b"", folder, genesis)
        names: list[LogName] = list(range(genesis.strand_count))
        notes = [read(f"{strand}/{CHECKPOINT}") for strand in names]
        # Old logs have no super-log. A strand always has a checkpoint, even with size 0.
        if above is not None or folder.get(f"{SUPER}/{CHECKPOINT}") is not None:
            names.append(SUPER)
            notes.append(above)
        for name, shown in zip(names, notes, strict=True):
            origin = log_origin(genesis.origin, name)
            logs.append((f"{name}/", origin, partial(genesis.keys.open_published, origin=origin), shown))
    reports = []
    for path, origin, open_, shown in logs:
        if shown is None:
            raise unpublished(origin)
        copy = Copy(folder, path, read_many, open_, progress(origin, "files"))
        try:
            reports.append(copy.to(shown, again=again))
        except Contradiction:
            raise
        except IntegrityFault as fault:
            raise IntegrityFault(f"{origin}: {fault.message}") from fault
    return reports


def _copy_genesis(note: bytes | None, folder: MirrorFolder, key: Verifier) -> Genesis:
    """Copy genesis, which never changes."""
    old = folder.get(GENESIS)
    if note is None:
        raise IntegrityFault("the log shows no genesis any more")
    with about(GENESIS):
        genesis = open_genesis(note, key)
    if old is None:
        folder.put(GENESIS, note)
    elif open_genesis(old, key) != genesis:
        raise _contradicted(folder, GENESIS, note, "the log shows another genesis than before")
    return genesis


def _copy_epochs(new: bytes, folder: MirrorFolder, genesis: Genesis) -> Genesis:
    """Copy the file of epochs, which only grows, and return genesis with them."""
    old = folder.get(EPOCHS) or b""
    with about(EPOCHS):
        known = read_epochs(new, genesis)
    if not new.startswith(old):
        raise _contradicted(folder, EPOCHS, new, "the log shows other epochs than before")
    if new != old:
        folder.put(EPOCHS, new)
    return known


def _contradicted(folder: MirrorFolder, name: str, data: bytes, sentence: str) -> Contradiction:
    path = f"{name}.contradicts"
    folder.put(path, data)
    return Contradiction(sentence, str(folder.folder / path))
