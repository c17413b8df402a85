"""The ledger's rates as Markdown: sealing beside bare verification, tiles and proofs beside pymerkle."""

from collections.abc import Sequence

from tests.bench.rates import (
    BATCH,
    KEYS,
    LEAVES_A_BATCH,
    PEER_LEAVES,
    PEER_SIZE,
    AtSize,
    Integration,
    Sealing,
)
from tests.bench.table import prose, table


def rates(sealing: Sealing, integration: Integration, sizes: Sequence[AtSize]) -> str:
    """All of it."""
    return "\n\n".join([_sealing(sealing, integration), _sizes(sizes), _notes(sealing)])


def _sealing(one: Sealing, leaves: Integration) -> str:
    head = ["one process, one core", "a second", "µs each", "share of bare verification"]
    rows = [
        ["ES256 signatures verified, bare", *_rate(one.bare), "100%"],
        [
            f"events sealed, verification included, {one.events:,} a batch",
            *_rate(one.sealed),
            f"{one.share:.0%}",
        ],
        ["the same events verified as JWS by joserfc", *_rate(one.jose), f"{one.bare / one.jose:.0%}"],
        [f"leaves laid into tiles and bundles, {LEAVES_A_BATCH:,} a batch", *_per(leaves.tiles), ""],
        ["the same, their entries hashed on the way", *_per(leaves.hashed), ""],
        ["entries appended to pymerkle's tree in memory", *_per(leaves.pymerkle), ""],
    ]
    return table(head, rows)


def _sizes(sizes: Sequence[AtSize]) -> str:
    head = [
        "log of so many entries",
        "seal µs an event",
        "publish ms",
        "prove µs",
        "tiles read",
        "a level",
        "verify µs",
    ]
    rows = [
        [
            f"{one.size:,}",
            f"{one.seal:.0f}",
            f"{one.publish / 1e3:.1f}",
            _beside(one.prove, one.pymerkle_prove),
            str(one.tiles),
            str(one.tiles_a_level),
            _beside(one.verify, one.pymerkle_verify),
        ]
        for one in sizes
    ]
    return table(head, rows)


def _beside(ours: float, theirs: float | None) -> str:
    return f"{ours:.0f}" if theirs is None else f"{ours:.0f} (pymerkle {theirs:.0f})"


def _rate(microseconds: float) -> tuple[str, str]:
    return f"{1e6 / microseconds:,.0f}", f"{microseconds:.1f}"


def _per(second: float) -> tuple[str, str]:
    return f"{second:,.0f}", f"{1e6 / second:.2f}"


def _notes(sealing: Sealing) -> str:
    return prose(
        f"""
        Sealing is all of it: rows fetched, parsed and judged, marks looked up, staged, swapped, tiles and
        marks written, over stores in memory, by {KEYS} keys; a batch of {sealing.events:,} takes
        {sealing.peak_megabytes:.0f} MB at its peak. Times are of the processor, each of its quietest round.
        The logs by size are of equal leaves, sealed {BATCH} events at a time; a proof reads hash tiles on
        its way and one file with the edge of the tree. pymerkle keeps every node in memory (so up to
        {PEER_SIZE:,} entries here, and {PEER_LEAVES:,} appended); ours are computed out of tiles as they
        lie in a bucket.
        """
    )
