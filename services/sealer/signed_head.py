"""The signed head in COSE beside each published checkpoint, out of which anyone makes receipts (RFC 9942).

The sealer signs it, once per checkpoint and just before that is published; the door makes receipts of it and
holds no key. It is never of a head that is not committed and applied, as the checkpoint is not.
"""

from carevouch.kernel.jws import Signer
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.cose import parse_head, render_head, sign_head, statement_of
from carevouch.store.log.ports import ObjectMoved, Objects


def publish_head(objects: Objects, name: str, checkpoint: Checkpoint, seal: Signer) -> None:
    """Store the signed head under `name`, unless one of this size or larger is there."""
    found = objects.get(name)
    if found is not None and statement_of(parse_head(found.data)).size >= checkpoint.size:
        return
    try:
        objects.swap(name, found, render_head(sign_head(checkpoint, seal)))
    except ObjectMoved:
        # Another publisher was faster: its head is as good, and the next checkpoint's is newer anyway.
        return
