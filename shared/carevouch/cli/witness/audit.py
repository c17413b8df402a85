"""`carevouch witness audit`: follow a deployment's log once, up to its checkpoint, and cosign it if asked.

What an auditing witness does behind `add-checkpoint`, for whoever runs it from a schedule instead of a
server: the same watch, the same folder, the same order (stored before signed).
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TextIO

from carevouch.cli.files import read_vkey
from carevouch.cli.witness.files import WitnessFiles, read_key
from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import IntegrityFault, NotFound
from carevouch.ledger.checkpoint import SUPER, Checkpoint, log_origin, open_checkpoint
from carevouch.ledger.logkeys import LogKeys
from carevouch.ledger.note import Verifier
from carevouch.remote.http import reading
from carevouch.witness.request import CheckpointRequest, WitnessSigner, render_request
from carevouch.witness.watch import (
    AuditFault,
    Deployment,
    Enough,
    Read,
    Watch,
    follow,
    parse_watch,
    proof_between,
    render_watch,
)
from carevouch.witness.witness import WatchedLog, Witness

SOUND, FAULTY = 0, 1
# After so many questions whether it is enough (a bundle or a checkpoint each), progress is stored and shown.
STEP = 200


class TerminalTelemetry:
    """`witness.Tell` for a person at a terminal: errors on standard error, metrics nowhere."""

    def count(self, name: str, value: float) -> None:
        """Nobody counts here."""

    def error(self, message: str, **facts: str) -> None:
        """One line."""
        told = " ".join(f"{name}={value}" for name, value in facts.items())
        print(f"{message}: {told}", file=sys.stderr)


def run(args: argparse.Namespace) -> int:
    """Follow, say what was found, and print cosignature lines where a witness's key is given."""
    key = read_vkey(args.key)
    origin = key.name.removesuffix(f"/{SUPER}")
    deployment = Deployment(origin, LogKeys(key.public), files_of(args.log))
    verifier = key.named(log_origin(origin, SUPER))
    signer = None if args.witness_key is None else read_key(args.witness_key)
    note = super_checkpoint(deployment.read)
    with WitnessFiles(args.state) as store:
        try:
            checkpoint = open_checkpoint(note, verifier)
            watch = _followed(checkpoint, deployment, store)
            lines = (
                None if signer is None else _cosigned(checkpoint, note, verifier, deployment, store, signer)
            )
        except AuditFault as fault:
            return _stop(f"{fault.code}: {fault.message}")
        except IntegrityFault as fault:
            return _stop(f"checkpoint: {fault.message}")
    _say(checkpoint, watch, sys.stdout if lines is None else sys.stderr)
    sys.stdout.write(lines or "")
    return SOUND


def files_of(log: str) -> Read:
    """Reads a deployment's public files, from a folder or from below a URL."""
    if log.startswith(("http://", "https://")):
        return reading(log)
    folder = Path(log)
    if not folder.is_dir():
        raise NotADirectoryError(20, "is no folder and no http(s) address", log)
    return lambda paths: [_file(folder / path) for path in paths]


def super_checkpoint(read: Read) -> bytes:
    """The super-log's signed checkpoint, unverified; raises `NotFound`."""
    (note,) = read([f"{SUPER}/checkpoint"])
    if note is None:
        raise NotFound(f"there is no {SUPER}/checkpoint; is this where the files under /ledger are?")
    return note


def clock() -> int:
    """Seconds since the epoch."""
    return int(time.time())


def _followed(checkpoint: Checkpoint, deployment: Deployment, store: WitnessFiles) -> Watch:
    """The watch after the checkpoint; stored after every step, so that an interruption costs one."""
    while True:
        before = store.audited(checkpoint.origin)
        watch = Watch() if before.data is None else parse_watch(before.data)
        after = follow(watch, checkpoint, deployment, _steps(STEP))
        if after != watch:
            store.advance(checkpoint.origin, before, render_watch(after))
        if sys.stderr.isatty():
            print(
                f"\r{after.above.size} of {checkpoint.size} entries of the super-log", end="", file=sys.stderr
            )
        if after.above.size >= checkpoint.size:
            if sys.stderr.isatty():
                print(file=sys.stderr)
            return after


def _cosigned(
    checkpoint: Checkpoint,
    note: bytes,
    verifier: Verifier,
    deployment: Deployment,
    store: WitnessFiles,
    signer: WitnessSigner,
) -> str:
    """The cosignature lines, by the same way as over HTTP; raises `AuditFault` for a refusal."""
    witness = Witness([WatchedLog(checkpoint.origin, (verifier,))], store, signer, clock, TerminalTelemetry())
    old = store.read(checkpoint.origin).size
    proof = proof_between(deployment, old, checkpoint.size)
    answer = witness.add_checkpoint(render_request(CheckpointRequest(old, tuple(proof), note)))
    if answer.status != 200:
        raise AuditFault("fork", answer.body.rstrip("\n"))
    return answer.body


def _steps(count: int) -> Enough:
    """Enough after so many questions."""
    left = iter(range(count))
    return lambda: next(left, None) is None


def _say(checkpoint: Checkpoint, watch: Watch, out: TextIO) -> None:
    print(f"{checkpoint.origin}: followed, {checkpoint.size} entries, root {b64(checkpoint.root)}", file=out)
    for number, edge in sorted(watch.strands.items()):
        print(f"  strand {number}: {edge.size} entries, root {b64(edge.root())}", file=out)


def _file(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _stop(said: str) -> int:
    print(f"carevouch witness audit: refused: {said}", file=sys.stderr)
    return FAULTY
