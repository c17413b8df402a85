"""The receipts of `carevouch verify`: judged by a log, in words and as JSON."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass

from carevouch.cli.log.evidence import event_words
from carevouch.cli.log.report import log_progress, standing_json, where_of
from carevouch.cli.log.source import one_by_one, read_log
from carevouch.kernel.canonical import JsonObject
from carevouch.ledger.note import Verifier
from carevouch.ledger.policy import Policy
from carevouch.verifier.accepted import ReceiptVerdict, judge_receipts
from carevouch.verifier.opened import open_log
from carevouch.verifier.receipt import standing_words


@dataclass(frozen=True, slots=True)
class CheckedReceipts:
    """The log's answers. `cleared` is false if an answer is evidence, or if a fault of the log touches it."""

    json: list[JsonObject]
    words: list[list[str]]
    cleared: bool


def check_receipts(
    receipts: Mapping[str, bytes],
    args: Namespace,
    key: Verifier,
    policy: Policy | None,
    genesis: bytes | None,
) -> CheckedReceipts:
    """Judge the receipts by the `--log`; raises `Mismatch` for a receipt that does not verify.

    `genesis` is one that the caller kept. Without it the log's own is verified under the key and used.
    """
    log = open_log(one_by_one(read_log(args.log)), key, genesis)
    verdicts = judge_receipts(receipts, log, policy, super_log=not args.no_super, progress=log_progress)
    return CheckedReceipts(
        [
            {
                **standing_json(verdict.file, verdict.event, verdict.standing),
                "findings": len(verdict.audit.all_findings),
                "touching": len(verdict.touching),
            }
            for verdict in verdicts
        ],
        [_verdict_words(verdict, args.log) for verdict in verdicts],
        cleared=not any(verdict.is_evidence or verdict.touching for verdict in verdicts),
    )


def _verdict_words(verdict: ReceiptVerdict, log: str) -> list[str]:
    lines = [
        f"{verdict.file}: a true receipt",
        *event_words(verdict.event.text),
        f"            accepted, and promised to be in the log by {verdict.event.seal_by}",
        f"  log       {standing_words(verdict.event, verdict.standing)}",
    ]
    if verdict.touching:
        place, finding = verdict.touching[0]
        fault = f"{finding.code}: {where_of(place, finding)}: {finding.message}"
        lines.append(f"            this clears nobody: a fault of the log touches it ({fault})")
    count = len(verdict.audit.all_findings)
    if count:
        lines.append(f"            (the log has {count} findings of its own: carevouch audit lists them)")
    if verdict.is_evidence:
        sizes = ", ".join(f"{report.size} of strand {report.strand}" for report in verdict.audit.strands)
        lines += [
            "  evidence  this is proof against the operator: a key that genesis vouches for signed the",
            f"            promise, and the log, in all its entries ({sizes}), does not keep it.",
            f"  show      {verdict.file}, and the log as it is in {log} with its signed checkpoints",
            "            (carevouch mirror keeps a copy), to the service that acted for you, the log's",
            "            witnesses and auditors, a regulator or a court. Everybody who pins the same key",
            "            can repeat this command and gets the same answer.",
        ]
    return lines
