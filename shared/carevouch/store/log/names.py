"""The names of the log's public files in its bucket, beside the tiles that C2SP tlog-tiles names."""

GENESIS = "genesis"
EPOCHS = "epochs"
CHECKPOINT = "checkpoint"
# The signed head in COSE beside a strand's checkpoint (RFC 9942).
SIGNED_HEAD = "checkpoint.cose"


def edge_name(size: int) -> str:
    """The file with the hashes of a published tree's edge, in their order. It saves reading tiles."""
    return f"edge/{size}"
