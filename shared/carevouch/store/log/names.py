"""The names of the log's public files in its bucket, as the C2SP tlog-tiles paths leave them open."""

GENESIS = "genesis"
EPOCHS = "epochs"
CHECKPOINT = "checkpoint"
# The signed head in COSE beside a strand's checkpoint (RFC 9942).
SIGNED_HEAD = "checkpoint.cose"


def edge_name(size: int) -> str:
    """The file that holds the hashes of a published tree's edge, in their order: who proves reads it."""
    return f"edge/{size}"
