"""Judges proved entries by a policy: a checkpoint that covers each must meet its quorum."""

from collections.abc import Sequence
from dataclasses import replace

from carevouch.events.genesis import Genesis
from carevouch.ledger.policy import Policy, QuorumFault, QuorumReport, satisfied
from carevouch.verifier.mismatch import Mismatch, naming
from carevouch.verifier.proofs import ProvedEntry


def witness(entries: Sequence[ProvedEntry], genesis: Genesis, policy: Policy, file: str) -> list[ProvedEntry]:
    """The entries, each with the report of the first of its checkpoints that meets the quorum.

    Raises `Mismatch` of the policy's `file` if its quorum is not met, or of a proof with a bad cosignature.
    """
    witnessed = []
    for entry in entries:
        met: list[QuorumReport] = []
        unmet: list[str] = []
        # Every checkpoint is checked, because one bad cosignature refuses all proofs.
        for name, head, proof in entry.checkpoints:
            with naming(name):
                try:
                    verifier = genesis.keys.verifier(head.origin)
                    met.append(satisfied(policy, proof.checkpoint, logs=[verifier]))
                except QuorumFault as fault:
                    unmet.append(f"{head.origin}: {fault.message}")
        if not met:
            why = "; ".join(unmet) or "a COSE receipt has no cosignatures, give the .tlog-proof"
            hint = "" if entry.above else " (the super-log's checkpoint may have more: give its proof too)"
            raise Mismatch(f"{file}: {entry.file} is not witnessed as it asks: {why}{hint}")
        witnessed.append(replace(entry, witnessed=met[0]))
    return witnessed
