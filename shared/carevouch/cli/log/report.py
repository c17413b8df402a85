"""What an audit saw, in words and as JSON: a section for each log, then what people hold, findings last."""

from collections import Counter
from collections.abc import Sequence

from carevouch.cli.log.holdings import Holdings, standing_json, standing_words
from carevouch.cli.log.quorum import witness_json, witness_words
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.walk import Finding
from carevouch.verifier.log import Audit
from carevouch.verifier.strand import Report
from carevouch.verifier.super_log import SuperReport

# A finding, with the log it is in; None where it concerns several, or what somebody holds.
Found = tuple[LogName | None, Finding]


def words_of(audit: Audit, held: Holdings, findings: Sequence[Found]) -> list[str]:
    """The report for people."""
    lines = ["super-log: none"] if audit.above is None else _above_words(audit, audit.above)
    for report in audit.strands:
        lines += _strand_words(report, audit.above)
    if audit.time:
        lines.append(f"the log's time is {audit.time}")
    lines += [f"{file}: {standing_words(event, said)}" for file, event, said in held.judged(audit)]
    if held.openings:
        documents = Counter(str(proved.doc) for _, proved in held.openings)
        lines.append(f"openings: {len(held.openings)} revisions of {len(documents)} documents")
    lines += [f"{item.code}: {where_of(log, item)}: {item.message}" for log, item in findings]
    return [*lines, f"{len(findings)} findings" if findings else "nothing is wrong"]


def json_of(audit: Audit, held: Holdings, findings: Sequence[Found]) -> JsonObject:
    """The report for programs."""
    above, witnessed = audit.above, audit.witnessed
    return {
        "super": None if above is None else {**_log_json(above), "strands": len(above.heads)},
        "strands": [_strand_json(report) for report in audit.strands],
        "witnesses": None if witnessed is None else witness_json(witnessed),
        "time": audit.time or None,
        "receipts": [standing_json(*judged) for judged in held.judged(audit)],
        "openings": len(held.openings),
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
    """Where a finding of this log, or of the whole one, is."""
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
