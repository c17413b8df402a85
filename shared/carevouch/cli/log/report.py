"""The report of an audit, in words and as JSON: each log, then the holdings, then the findings."""

from collections import Counter
from collections.abc import Sequence

from carevouch.cli.log.quorum import witness_json, witness_words
from carevouch.cli.progress import progress
from carevouch.events.envelope import Event
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.walk import Finding, Progress
from carevouch.verifier.holdings import Holdings
from carevouch.verifier.log import Audit
from carevouch.verifier.receipt import (
    EventRejected,
    EventReplaced,
    EventSealed,
    EventWaiting,
    PromiseBroken,
    Standing,
    standing_words,
)
from carevouch.verifier.strand import Report
from carevouch.verifier.super_log import SuperReport

# A finding with its log; None for a finding about several logs, a receipt or an opening.
LocatedFinding = tuple[LogName | None, Finding]


def words_of(audit: Audit, holdings: Holdings, findings: Sequence[LocatedFinding]) -> list[str]:
    """The report for people."""
    lines = ["super-log: none"] if audit.above is None else _above_words(audit, audit.above)
    for report in audit.strands:
        lines += _strand_words(report, audit.above)
    if audit.time:
        lines.append(f"the log's time is {audit.time}")
    lines += [f"{file}: {standing_words(event, place)}" for file, event, place in holdings.standings(audit)]
    if holdings.openings:
        documents = Counter(str(proved.doc) for _, proved in holdings.openings)
        lines.append(f"openings: {len(holdings.openings)} revisions of {len(documents)} documents")
    lines += [f"{item.code}: {where_of(log, item)}: {item.message}" for log, item in findings]
    return [*lines, f"{len(findings)} findings" if findings else "nothing is wrong"]


def json_of(audit: Audit, holdings: Holdings, findings: Sequence[LocatedFinding]) -> JsonObject:
    """The report for programs."""
    above, witnessed = audit.above, audit.witnessed
    return {
        "super": None if above is None else {**_log_json(above), "strands": len(above.heads)},
        "strands": [_strand_json(report) for report in audit.strands],
        "witnesses": None if witnessed is None else witness_json(witnessed),
        "time": audit.time or None,
        "receipts": [standing_json(*standing) for standing in holdings.standings(audit)],
        "openings": len(holdings.openings),
        "findings": [
            {"log": log, "code": item.code, "where": item.where, "message": item.message}
            for log, item in findings
        ],
    }


def _above_words(audit: Audit, above: SuperReport) -> list[str]:
    lines = [f"super-log: {above.size} checkpoints of {len(above.heads)} strands"]
    lines += _old_words(above.old_sizes)
    if audit.witnessed is not None:
        lines += [f"  {line}" for line in witness_words(audit.witnessed)]
    return lines


def _strand_words(report: Report, above: SuperReport | None) -> list[str]:
    what = (
        f"{report.size} entries in {report.blocks} blocks; {report.events} events by "
        f"{len(report.numbers)} keys, {report.certificates} certificates, {report.rejected} rejections"
    )
    lines = [f"strand {report.strand}: {what}", *_old_words(report.old_sizes)]
    heads = [] if above is None else above.heads.get(report.strand, [])
    if heads:
        lines.append(
            f"  the super-log has {len(heads)} checkpoints of it, the last of {heads[-1].size} entries"
        )
    return lines


def _old_words(sizes: Sequence[int]) -> list[str]:
    return [f"  compared with the old checkpoint of {size} entries" for size in sizes]


def where_of(log: LogName | None, item: Finding) -> str:
    """The place of a finding in this log, or in the whole log."""
    if log is None:
        return item.where
    return f"strand {log}, {item.where}" if isinstance(log, int) else f"super-log, {item.where}"


def _strand_json(report: Report) -> JsonObject:
    return {
        "strand": report.strand,
        **_log_json(report),
        "blocks": report.blocks,
        "events": report.events,
        "certificates": report.certificates,
        "rejected": report.rejected,
        "keys": len(report.numbers),
    }


def _log_json(report: Report | SuperReport) -> JsonObject:
    return {"size": report.size, "root": b64u(report.root), "old_sizes": list(report.old_sizes)}


def standing_json(file: str, event: Event, standing: Standing) -> JsonObject:
    """The log's answer about an accepted event, for programs."""
    names = {
        EventSealed: "sealed",
        EventReplaced: "replaced",
        EventRejected: "rejected",
        EventWaiting: "waiting",
        PromiseBroken: "broken",
    }
    place: JsonObject = {}
    if isinstance(standing, EventSealed | EventReplaced | EventRejected):
        place = {"strand": standing.strand, "index": standing.index}
    if isinstance(standing, EventRejected):
        place |= {"reason": standing.reason, "exact": standing.exact}
    if isinstance(standing, EventWaiting | PromiseBroken):
        place = {"time": standing.now}
    return {
        "receipt": file,
        "event": event.id,
        "seal_by": event.seal_by,
        "standing": names[type(standing)],
        **place,
    }


def log_progress(log: LogName) -> Progress:
    """The function that shows the progress of reading one log."""
    return progress(f"strand {log}" if isinstance(log, int) else "super-log", "entries")
