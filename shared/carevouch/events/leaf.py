"""What an event commits to: one leaf per revision, in the bytes of version 1.

A leaf holds no word of the revision, only a commitment to its bytes with a nonce that is stored inside the
ciphertext. While the person's key lives, an opening shows the revision to whoever is given it; when the key
is gone, so is the nonce, and no guess can be checked against the leaf. The leaf hash of the previous
revision orders a document's history. Trees are RFC 6962.
"""

from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.ids import Doc
from carevouch.ledger.merkle import leaf_hash

NONCE_BYTES = 32
_COMMIT_TAG = b"carevouch.body.v1\n"


def commit(nonce: bytes, body: bytes) -> bytes:
    """The 32-byte commitment to `body`."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError("the nonce of a body has 32 bytes")
    return sha256(_COMMIT_TAG + nonce + body)


def leaf(doc: Doc, version: int, prev: bytes | None, commitment: bytes) -> bytes:
    """The canonical bytes of a leaf; `prev` is the leaf hash of the document's previous revision."""
    return jcs(
        {
            "v": 1,
            "doc": str(doc),
            "version": version,
            "prev": None if prev is None else b64u(prev),
            "commit": b64u(commitment),
        }
    )


def revision_leaf_hash(doc: Doc, version: int, prev: bytes | None, nonce: bytes, body: bytes) -> bytes:
    """The leaf hash of a revision, from its content."""
    return leaf_hash(leaf(doc, version, prev, commit(nonce, body)))
