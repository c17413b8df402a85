"""A log that is opened under the pinned key: its verified genesis, and the reader of its files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carevouch.events.genesis import Genesis
from carevouch.events.opening import open_genesis
from carevouch.kernel.errors import NotFound
from carevouch.ledger.checkpoint import SUPER, LogName, log_origin, parse_checkpoint, strand_of_origin
from carevouch.ledger.note import Verifier, parse_note
from carevouch.ledger.walk import Finding, Read
from carevouch.verifier.mismatch import about

# Reads several public files of a log by their paths, in that order; None for a missing file.
ReadMany = Callable[[Sequence[str]], list[bytes | None]]


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """A log to check. `findings` are the faults that were found while it was opened."""

    read: Read
    genesis: Genesis
    findings: tuple[Finding, ...] = ()


def open_log(read: Read, key: Verifier, kept: bytes | None) -> OpenedLog:
    """Open a log under the genesis that the caller kept, or under the log's own.

    Raises `NotFound` if there is no genesis, and `IntegrityFault` for one that does not verify.
    """
    served = read("genesis")
    note = kept if kept is not None else served
    if note is None:
        raise NotFound("the log has no file genesis; give one with --genesis")
    findings = []
    if served is not None and served != note:
        findings.append(Finding("genesis", "genesis", "the log serves another genesis than the one given"))
    with about("genesis"):
        genesis = open_genesis(note, key)
    if genesis.strands == 1 and read("0/checkpoint") is None and read("checkpoint") is not None:
        # A log of one strand may lie in the folder itself.
        return OpenedLog(lambda path: read(path.removeprefix("0/")), genesis, tuple(findings))
    return OpenedLog(read, genesis, tuple(findings))


def sort_checkpoints(notes: Sequence[bytes], genesis: Genesis) -> dict[LogName, list[bytes]]:
    """Old checkpoints, each under its log; raises `IntegrityFault` for one of another deployment."""
    by_log: dict[LogName, list[bytes]] = {}
    for note in notes:
        origin = parse_checkpoint(parse_note(note).text).origin
        is_super = origin == log_origin(genesis.origin, SUPER)
        by_log.setdefault(SUPER if is_super else strand_of_origin(genesis.origin, origin), []).append(note)
    return by_log
