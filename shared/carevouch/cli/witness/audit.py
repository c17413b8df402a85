"""`carevouch witness audit`: follows a deployment's log up to its checkpoint, and cosigns it if a key is
given.

It does the work of an auditing witness from a schedule, without a server. It uses the same watch and the
same folder, and stores its state before it signs, as `add-checkpoint` does.
"""

import sys
import time
from argparse import Namespace
from functools import partial
from itertools import repeat
from pathlib import Path

from carevouch.cli.files import read_vkey
from carevouch.cli.frame import OK
from carevouch.cli.log.source import read_log
from carevouch.cli.witness.files import WitnessFiles, read_key
from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import IntegrityFault, NotFound
from carevouch.ledger.checkpoint import SUPER, Checkpoint, log_origin, open_checkpoint
from carevouch.ledger.logkeys import LogKeys
from carevouch.ledger.note import Verifier
from carevouch.verifier.mismatch import Mismatch
from carevouch.witness.request import CheckpointRequest, WitnessSigner, render_request
from carevouch.witness.watch import (
    AuditFault,
    Deployment,
    Read,
    Watch,
    follow,
    parse_watch,
    proof_between,
    render_watch,
)
from carevouch.witness.witness import WatchedLog, Witness

# The number of bundles and checkpoints after which progress is stored and shown.
STEP = 200


class TerminalTelemetry:
    """`Telemetry` at a terminal: it prints errors to standard error and drops metrics."""

    def count(self, name: str, value: float) -> None:
        """Drop the metric."""

    def error(self, message: str, **facts: str) -> None:
        """Print the error as one line."""
        words = " ".join(f"{name}={value}" for name, value in facts.items())
        print(f"{message}: {words}", file=sys.stderr)


def run(args: Namespace) -> int:
    """Follow the log, print its state, and print cosignature lines if a witness's key is given."""
    key = read_vkey(args.key)
    origin = key.name.removesuffix(f"/{SUPER}")
    deployment = Deployment(origin, LogKeys(key.public), read_log(args.log, patient=False))
    verifier = key.named(log_origin(origin, SUPER))
    signer = None if args.witness_key is None else read_key(Path(args.witness_key))
    note = super_checkpoint(deployment.read)
    lines = None
    with WitnessFiles(Path(args.state)) as store:
        try:
            checkpoint = open_checkpoint(note, verifier)
            watch = _follow_stored(checkpoint, deployment, store)
            if signer is not None:
                lines = _cosign(checkpoint, note, verifier, deployment, store, signer)
        except AuditFault as fault:
            raise Mismatch(f"{fault.code}: {fault.message}") from fault
        except IntegrityFault as fault:
            raise Mismatch(f"checkpoint: {fault.message}") from fault
    out = sys.stdout if lines is None else sys.stderr
    print(f"{checkpoint.origin}: followed, {checkpoint.size} entries, root {b64(checkpoint.root)}", file=out)
    for number, edge in sorted(watch.strands.items()):
        print(f"  strand {number}: {edge.size} entries, root {b64(edge.root())}", file=out)
    sys.stdout.write(lines or "")
    return OK


def super_checkpoint(read: Read) -> bytes:
    """The super-log's signed checkpoint, not verified; raises `NotFound`."""
    (note,) = read([f"{SUPER}/checkpoint"])
    if note is None:
        raise NotFound(f"there is no {SUPER}/checkpoint; give the URL or folder of the files under /ledger")
    return note


def clock() -> int:
    """The time in seconds since the epoch."""
    return int(time.time())


def _follow_stored(checkpoint: Checkpoint, deployment: Deployment, store: WitnessFiles) -> Watch:
    """The watch after the checkpoint. It is stored after every step, so an interruption loses one step."""
    shows = sys.stderr.isatty()
    while True:
        before = store.audited(checkpoint.origin)
        watch = Watch() if before.data is None else parse_watch(before.data)
        left = repeat(False, STEP)
        after = follow(watch, checkpoint, deployment, partial(next, left, True))
        if after != watch:
            store.advance(checkpoint.origin, before, render_watch(after))
        done = after.above.size >= checkpoint.size
        if shows:
            line = f"\r{after.above.size} of {checkpoint.size} entries of the super-log"
            print(line, end="\n" if done else "", file=sys.stderr)
        if done:
            return after


def _cosign(
    checkpoint: Checkpoint,
    note: bytes,
    verifier: Verifier,
    deployment: Deployment,
    store: WitnessFiles,
    signer: WitnessSigner,
) -> str:
    """The cosignature lines, by the same functions as over HTTP; raises `AuditFault` for a refusal."""
    witness = Witness([WatchedLog(checkpoint.origin, (verifier,))], store, signer, clock, TerminalTelemetry())
    old = store.read(checkpoint.origin).size
    proof = proof_between(deployment, old, checkpoint.size)
    answer = witness.add_checkpoint(render_request(CheckpointRequest(old, tuple(proof), note)))
    if answer.status != 200:
        raise AuditFault("fork", answer.body.rstrip("\n"))
    return answer.body
