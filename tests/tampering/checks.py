"""The product's checks, each as a function from bytes to the names that it reports.

These are the commands as they are typed, and the audits behind them. Where a thousand signatures for each
flipped byte would cost too much, it is the check of a file that audit and mirror make.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from carevouch.cli.app import main
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis
from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger.checkpoint import SUPER, Checkpoint, LogName, parse_checkpoint
from carevouch.ledger.mirror import SignedTree
from carevouch.ledger.note import parse_note
from carevouch.ledger.tiles import Tile, parse_path
from carevouch.ledger.walk import Finding, Findings, KnownRoot, Walk
from carevouch.verifier.log import audit_log
from carevouch.verifier.strand import audit_strand, open_published
from carevouch.verifier.super_log import audit_super
from tests.tampering.log import Files, Honest, origin_of
from tests.tampering.tally import Names
from tests.unit.cli.log.logs import VKEY

# Given other bytes for one file: what people are told.
Look = Callable[[bytes], Names]


def log_of(path: str) -> LogName:
    """The log that a file is of."""
    name = path.split("/")[0]
    return name if name == SUPER else int(name)


def name_of(log: LogName | None, finding: Finding) -> str:
    """A finding as one line."""
    return f"{log}: {finding.code} {finding.where}: {finding.message}"


def names_of(log: LogName | None, to: Findings) -> list[str]:
    """The findings of one log."""
    return [name_of(log, finding) for finding in to.findings]


def audited(honest: Honest, files: Files, *, witnessed: bool = True, **options: Any) -> list[str]:
    """The audit of the whole log."""
    policy = honest.policy if witnessed else None
    found = audit_log(honest.genesis, files.get, policy=policy, **options).all_findings
    return [name_of(log, finding) for log, finding in found]


def whole(honest: Honest, path: str) -> Look:
    """The audit of the whole log, with another file at `path`."""
    return lambda data: audited(honest, {**honest.files, path: data})


def strand_alone(honest: Honest, path: str) -> Look:
    """The audit of the file's log alone, compared with the super-log's entries about it."""
    log = log_of(path)
    genesis, heads = told(honest)

    def look(data: bytes) -> Names:
        files = {**honest.files, path: data}
        if not isinstance(log, int):
            return names_of(log, audit_super(honest.genesis, below(files, log)))
        return names_of(log, audit_strand(genesis, log, below(files, log), known=heads[log]))

    return look


def walked(honest: Honest, path: str) -> Look:
    """The audit's walk through the file's log: every tile against every entry, without signatures."""
    log, head = log_of(path), head_of(honest, log_of(path))

    def look(data: bytes) -> Names:
        to = Findings()
        for _ in Walk(head, below({**honest.files, path: data}, log), to, [], None).entries():
            pass
        return names_of(log, to)

    return look


def mirrored(honest: Honest, path: str) -> Look:
    """The mirror's check of a file before it stores it, if the log serves this file each time."""
    log, head = log_of(path), head_of(honest, log_of(path))
    tile = parse_path(path.partition("/")[2])

    def look(data: bytes) -> Names:
        def fetch(tiles: Sequence[Tile]) -> list[bytes]:
            return [data if one == tile else honest.files[f"{log}/{one.path}"] for one in tiles]

        try:
            SignedTree(head, fetch).check(tile, data)
        except IntegrityFault as fault:
            return [f"{log}: {fault.message}"]
        return []

    return look


def opened(honest: Honest, path: str) -> Look:
    """The audit's check of a checkpoint."""
    log = log_of(path)

    def look(data: bytes) -> Names:
        to = Findings()
        open_published(to, data, honest.genesis.keys, origin_of(log))
        return names_of(log, to)

    return look


def commanded(folder: Path, name: str, *words: str) -> Look:
    """A command that reads the file `name` of the folder. Returns its sentences if it refuses."""

    def look(data: bytes) -> Names:
        (folder / name).write_bytes(data)
        status, said = run(*words)
        return [said.strip()] if status else []

    return look


def run(verb: str, *words: str) -> tuple[int, str]:
    """A command as it is typed, with the pinned key. Returns its status and its output."""
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        status = main([verb, *words, "--key", VKEY])
    return status, said.getvalue()


def below(files: Mapping[str, bytes], log: LogName) -> Callable[[str], bytes | None]:
    """Reads one log's files."""
    return lambda path: files.get(f"{log}/{path}")


def head_of(honest: Honest, log: LogName) -> Checkpoint:
    """A log's checkpoint."""
    return parse_checkpoint(parse_note(honest.files[f"{log}/checkpoint"]).text)


def told(honest: Honest) -> tuple[Genesis, dict[int, list[KnownRoot]]]:
    """Genesis with the epochs, and the super-log's heads of each strand."""
    above = audit_super(honest.genesis, below(honest.files, SUPER))
    return read_epochs(honest.files["epochs"], honest.genesis), above.heads
