"""The report of a quorum, in words and as JSON."""

from datetime import UTC, datetime

from carevouch.kernel.canonical import JsonObject
from carevouch.ledger.policy import QuorumReport, shown


def witness_words(witnessed: QuorumReport) -> list[str]:
    """The cosigners with their times, the absent ones, and whether the quorum is met."""
    by = [f"{shown(one.witness)} at {at(one.time)}" for one in witnessed.by]
    lines = [f"cosigned by {', '.join(by)}" if by else "cosigned by no witness of the policy"]
    if witnessed.absent:
        lines.append(f"not cosigned by {', '.join(map(shown, witnessed.absent))}")
    as_of = "" if witnessed.as_of is None else f", as of {at(witnessed.as_of)}"
    lines.append(f"the quorum {shown(witnessed.quorum)} is {'met' + as_of if witnessed.met else 'not met'}")
    return lines


def witness_json(witnessed: QuorumReport) -> JsonObject:
    """The same for programs, with times in seconds since the epoch."""
    return {
        "origin": witnessed.checkpoint.origin,
        "size": witnessed.checkpoint.size,
        "quorum": shown(witnessed.quorum),
        "met": witnessed.met,
        "as_of": witnessed.as_of,
        "by": [{"witness": shown(one.witness), "time": one.time} for one in witnessed.by],
        "missing": [shown(name) for name in witnessed.absent],
    }


def at(seconds: int) -> str:
    """A cosignature's time. With zero a cosigner states no time."""
    if not seconds:
        return "a time it does not state"
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}, which no calendar has"
