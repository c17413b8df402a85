"""Whether an act about a new person can be stored, asked before their key is made.

The writer refuses the same, but it needs the person's key to encrypt, and a key once made stays: a refused
Bundle would leave a living person of whom there is nothing.
"""

from collections.abc import Sequence

from carevouch.events.act import NONCE_BYTES
from carevouch.kernel.errors import TooLarge
from carevouch.store.documents import ActRequest, Draft, StoredAnswer
from carevouch.store.documents.retry import memory
from carevouch.store.keys import IV_BYTES
from carevouch.store.rows import MAX_ROW_BYTES, MAX_TRANSACTION

# What encryption adds (NIST SP 800-38D: a tag of 16 bytes).
_SEALED_BYTES = IV_BYTES + 16
# The commit row, the first document and the person stand in one transaction with the identifiers.
_ROWS_BESIDE = 3


def require_room(
    drafts: Sequence[Draft], identifiers: int, request: ActRequest, answer: StoredAnswer
) -> None:
    """Raise `TooLarge` for a document, an answer or identifiers that the store cannot take."""
    for draft in drafts:
        if _sealed(draft) > MAX_ROW_BYTES:
            limit = f"{MAX_ROW_BYTES // 1000} KB"
            raise TooLarge(f"a {draft.doc.type} is larger than {limit}; store it in parts")
    if request.key is not None:
        remembered = len(memory(request, answer, bytes(NONCE_BYTES))) + _SEALED_BYTES
        if _sealed(drafts[0]) + remembered > MAX_ROW_BYTES:
            raise TooLarge("the first document and the answer do not fit one row; split the request")
    if identifiers + _ROWS_BESIDE > MAX_TRANSACTION:
        raise TooLarge(
            f"a new person is tied with at most {MAX_TRANSACTION - _ROWS_BESIDE} identifiers; split it"
        )


def _sealed(draft: Draft) -> int:
    return NONCE_BYTES + len(draft.body) + _SEALED_BYTES
