"""The measured numbers as Markdown, ready for the README, and what a thousand requests cost at list price."""

from collections.abc import Sequence

from tests.bench.calls import Counted
from tests.bench.cold import Cold
from tests.bench.primitives import OFFLINE, VERIFY, Bare
from tests.bench.requests import BARE_DOCUMENT, UNDER_CONSENT
from tests.bench.times import Timed

# US dollars, list price of us-east-1, on demand: assumptions, so that a reader can put in their own.
WRITE_UNITS_MILLION, READ_UNITS_MILLION = 0.625, 0.125
KMS_TEN_THOUSAND = 0.03
S3_PUT_THOUSAND, S3_GET_THOUSAND = 0.005, 0.0004


def markdown(
    machine: str,
    colds: Sequence[Cold],
    timed: Sequence[Timed],
    counted: Sequence[Counted],
    bare: Sequence[Bare],
) -> str:
    """All of it."""
    return "\n\n".join(
        [
            f"Measured on {machine}.",
            _cold(colds),
            _requests(timed, counted),
            _bare(bare),
            _ratios(timed, bare),
            _notes(),
        ]
    )


def dollars(counted: Counted) -> float:
    """The cost of a thousand of these in DynamoDB, KMS and S3."""
    calls = counted.calls
    kms = sum(number for name, number in calls.items() if name.startswith("kms:"))
    units = counted.write * WRITE_UNITS_MILLION / 1e6 + counted.read * READ_UNITS_MILLION / 1e6
    objects = calls.get("s3:PutObject", 0) * S3_PUT_THOUSAND + calls.get("s3:GetObject", 0) * S3_GET_THOUSAND
    return 1000 * (units + kms * KMS_TEN_THOUSAND / 10_000 + objects / 1000)


def _cold(colds: Sequence[Cold]) -> str:
    head = ["function", "zip MB", "import ms", "of it SDK", "libraries", "our code", "in imports of boto3"]
    rows = [
        [
            one.service,
            f"{one.zip_mb:.1f}",
            *(f"{ms:.0f}" for ms in (one.total, one.sdk, one.libraries, one.own)),
            f"{one.ratio:.1f}",
        ]
        for one in colds
    ]
    return table(head, rows)


def _requests(timed: Sequence[Timed], counted: Sequence[Counted]) -> str:
    times = {one.name: one for one in timed}
    head = [
        "request",
        "p50 ms",
        "p95 ms",
        "DynamoDB calls",
        "KMS",
        "S3",
        "write units",
        "read units",
        "$ per 1,000",
    ]
    names = dict.fromkeys([*times, *(one.name for one in counted)])
    used = {one.name: one for one in counted}
    return table(head, [[name, *_timed(times.get(name)), *_used(used.get(name))] for name in names])


def _timed(one: Timed | None) -> list[str]:
    return ["", ""] if one is None else [f"{one.p50:.1f}", f"{one.p95:.1f}"]


def _used(one: Counted | None) -> list[str]:
    if one is None:
        return [""] * 6
    by = {"dynamodb": 0, "kms": 0, "s3": 0}
    for name, number in one.calls.items():
        by[name.partition(":")[0]] += number
    return [
        *(str(number) for number in by.values()),
        f"{one.write:g}",
        f"{one.read:g}",
        f"{dollars(one):.4f}",
    ]


def _bare(bare: Sequence[Bare]) -> str:
    rows = [[one.name, f"{one.microseconds:.1f}", f"{1e6 / one.microseconds:,.0f}"] for one in bare]
    return table(["bare, in the same run", "µs", "per second"], rows)


def _ratios(timed: Sequence[Timed], bare: Sequence[Bare]) -> str:
    """The cost of each promise, as a multiple of the same work without it. The ratio holds on other
    machines."""
    times = {one.name: one.p50 for one in timed}
    cost = {one.name: one.microseconds for one in bare}
    ruled = times[UNDER_CONSENT] / times[BARE_DOCUMENT]
    proved = cost[OFFLINE] / cost[VERIFY]
    return (
        f"A read under a consent, with caller, rule and audit, takes {ruled:.0f} times the bare document; an "
        f"offline verification takes {proved:.1f} times one bare ES256 verification."
    )


def _notes() -> str:
    return (
        "Times are in process, over a store in memory: our own code without any network. Calls and units are "
        "counted at the SDK's hooks and computed from the items by DynamoDB's rules, for a warm environment "
        "that has met the person; KMS signs no event. Prices assumed: "
        f"${WRITE_UNITS_MILLION} per million write units, ${READ_UNITS_MILLION} per million read units, "
        f"${KMS_TEN_THOUSAND} per 10,000 KMS calls, S3 ${S3_PUT_THOUSAND} per 1,000 puts and "
        f"${S3_GET_THOUSAND} per 1,000 gets; Lambda and API Gateway come on top."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in [head, rule, *rows])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(cells)} |"


def prose(text: str) -> str:
    """One line of it, whatever the lines of the source."""
    return " ".join(text.split())
