"""The ledger's measured and simulated numbers as Markdown: what it costs, how fast it is, where it ends."""

from collections.abc import Sequence

from tests.bench.cloud import API_CALLERS, STEADY_PER_SECOND, Flow
from tests.bench.cost import (
    DYNAMO_GB_MONTH,
    KMS_SIGN_TEN_THOUSAND,
    LAMBDA_GB_SECOND,
    MILLION,
    QLDB_IOS_OF_UPDATE,
    QLDB_WRITE_MILLION,
    S3_GB_MONTH,
    SQS_FIFO_MILLION,
    Sealed,
    bill,
    inbox_dollars,
)
from tests.bench.latency import CALL_SECONDS, LATENCY
from tests.bench.limits import ACT_SECONDS, RATE, STRANDS, Found
from tests.bench.publication import INTERVAL_SECONDS
from tests.bench.table import prose, table


def costs(sealed: Sequence[Sealed], cpu_seconds: float) -> str:
    """The cost of a million events, beside that of QLDB."""
    head = [
        "events a batch, keys that signed",
        "write units an event",
        "read units",
        "S3 puts per 1,000",
        "gets",
        "DynamoDB $",
        "S3 $",
        "KMS $",
        "Lambda $",
        "$ per million",
    ]
    low, high = (f"{QLDB_WRITE_MILLION * count:.2f}" for count in QLDB_IOS_OF_UPDATE)
    qldb = ["Amazon QLDB: the update of one document", "", "", "", "", "", "", "", "", f"{low} to {high}"]
    return "\n\n".join(
        [table(head, [*(_cost(one, cpu_seconds) for one in sealed), qldb]), _cost_notes(sealed)]
    )


def flows(found: Sequence[Flow]) -> str:
    """From accepted to published on the local cloud."""
    head = [
        "local cloud, from accepted to published",
        "strands",
        "events",
        "accepted/s",
        "published/s",
        "p50 s",
        "p99 s",
        "cores: MiniStack",
        "functions",
    ]
    rows = [
        [
            one.name,
            str(one.strands),
            str(one.events),
            f"{one.accepted:.0f}",
            f"{one.published:.0f}",
            f"{one.p50:.1f}",
            f"{one.p99:.1f}",
            f"{one.server:.2f}",
            f"{one.functions:.2f}",
        ]
        for one in found
    ]
    return "\n\n".join([table(head, rows), _flow_notes()])


def ends(found: Sequence[Found]) -> str:
    """Where the first limit lies."""
    head = [
        f"{STRANDS} strands, simulated",
        "keeps up with events/s",
        "p50 s below that",
        "p99 s",
        f"queue grows at {RATE:,}/s by",
        "first limit then (what is asked of it)",
    ]
    designs = [
        [
            one.name,
            f"{one.keeps_up:,.0f}",
            f"{one.below.p50:.1f}",
            f"{one.below.p99:.1f}",
            f"{max(0.0, one.full.growth):,.0f}/s" if one.keeps_up < RATE else "0",
            f"{one.first.resource} ({one.first.share:.1f} times)",
        ]
        for one in found
    ]
    return "\n\n".join([table(head, designs), _uses(found), _end_notes()])


def _cost(one: Sealed, cpu_seconds: float) -> list[str]:
    dollars = bill(one, cpu_seconds)
    return [
        f"{one.events:,} by {one.keys}",
        f"{one.write_units:.2f}",
        f"{one.read_units:.2f}",
        f"{one.per_thousand('s3:PutObject'):.0f}",
        f"{one.per_thousand('s3:GetObject'):.0f}",
        *(f"{part:.2f}" for part in (dollars.dynamo, dollars.s3, dollars.kms, dollars.lambda_)),
        f"{dollars.total:.2f}",
    ]


def _cost_notes(sealed: Sequence[Sealed]) -> str:
    large = max(sealed, key=lambda one: (one.events, -one.keys))
    documents = large.written.write / large.events
    marks, files = large.table_bytes * MILLION / large.events / 1e9, large.object_bytes / large.events / 1e3
    least, most = QLDB_IOS_OF_UPDATE
    return prose(
        f"""
        From the row to the checkpoint: {documents:g} of the write units are the document's own, its
        event's place in the sparse index included. Lambda's polling of a stream is free; with more
        strands the inbox adds ${inbox_dollars(large.events, 4):.3f} per million at 4 and
        ${inbox_dollars(large.events, STRANDS):.2f} at {STRANDS}. What is kept per million events:
        {marks:.2f} GB of marks (${marks * DYNAMO_GB_MONTH:.2f} a month) and {files:.2f} GB of tiles,
        entries and staged batches (${files * S3_GB_MONTH:.2f}); QLDB's journal was $0.03 and its indexed
        storage $0.25 a GB and month. QLDB's figure is writing alone, at ${QLDB_WRITE_MILLION:.2f} per
        million I/Os and {least} to {most} of them an update: no signature, no witness, no proof of
        growth. Assumed besides the prices above: KMS ${KMS_SIGN_TEN_THOUSAND} per 10,000 signatures, SQS
        FIFO ${SQS_FIFO_MILLION:.2f} per million, Lambda ${LAMBDA_GB_SECOND * MILLION:.2f} per million
        GB-seconds, while it waits too.
        """
    )


def _flow_notes() -> str:
    return prose(
        f"""
        Signed acts, made ahead by the product's writer with a key that the deployment's KMS root
        certified, are written straight into the documents table, {STEADY_PER_SECOND} a second (steady) or
        all at once (flood); a watcher reads each strand's checkpoint every {INTERVAL_SECONDS:g} s and
        notes when it covers an event's index. Through the public API {API_CALLERS} callers post over HTTP
        instead. The bottleneck is MiniStack: one Python process answers every call, and it hands out the
        inbox to one call at a time for all strands, where AWS has one a strand. So more strands show here
        what they cost, a seal and a software ML-DSA signature each, and not what they bring.
        """
    )


def _uses(found: Sequence[Found]) -> str:
    head = [f"asked for at {RATE:,} events/s", "of", *(one.name.partition(":")[0] for one in found)]
    rows = []
    for at, use in enumerate(found[0].uses):
        bounds = sorted({one.uses[at].limit for one in found})
        limit = " or ".join("its time" if bound == 1 else f"{bound:,.0f}" for bound in bounds)
        shares = [f"{one.uses[at].share:.0%}" for one in found]
        rows.append([use.resource + (" \\*" if use.asked else ""), limit, *shares])
    return table(head, rows)


def _end_notes() -> str:
    get, put = 1_000 * LATENCY["dynamodb:BatchGetItem"], 1_000 * LATENCY["s3:PutObject"]
    return prose(
        f"""
        \\* per second, or at once; AWS gives more when asked. The simulation follows stream shards, the
        inbox's groups and the pace of publishing; calls per batch are those counted above, CPU is this
        run's, and the latencies are assumptions (BatchGetItem {get:.0f} ms, S3 put {put:.0f} ms, {
            1_000
            * CALL_SECONDS:.0f} ms until a call begins; tests/bench/latency.py has all). An act keeps its key
        for {ACT_SECONDS:g} s, so {RATE * ACT_SECONDS:,.0f} keys sign. ADR 11 has the arithmetic.
        """
    )
