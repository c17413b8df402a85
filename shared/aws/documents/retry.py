"""Retrying with an Idempotency-Key: the same answer for the same request, 422 for another (formats.md).

The row of index 0 remembers, encrypted under the same key as its body and bound to the same row, a salted
hash of the request and the answer's status and references. Nothing is kept in clear, and it dies with the
person's key.
"""

from shared.aws.cipher import associated_data, decrypt
from shared.aws.documents.layout import commit_key, home_of
from shared.aws.documents.model import Answer, Committed, Naming, Request
from shared.aws.documents.reader import Reader
from shared.aws.rows import Row
from shared.kernel.canonical import jcs, parse_jcs
from shared.kernel.encoding import b64u, sha256, unb64u
from shared.kernel.errors import Unprocessable
from shared.kernel.ids import Doc

BOUND = "answer"


class Spent(Exception):
    """The names of this attempt were aborted; the next attempt has others."""


def memory(request: Request, answer: Answer, nonce: bytes) -> bytes:
    """What row 0 remembers of the request and its answer."""
    return jcs(
        {
            "nonce": b64u(nonce),
            "request": b64u(sha256(nonce + request.content)),
            "status": answer.status,
            "references": list(answer.references),
        }
    )


def recall(reader: Reader, request: Request, naming: Naming, first: Doc) -> Committed | None:
    """The earlier outcome of this very request, if there is one.

    Raises `Spent` if that attempt was aborted, `Unprocessable` if the key belongs to another request.
    """
    if request.key is None:
        return None
    event_id = naming.event_id
    rows = reader.rows.query(first.pk(), f"{first.type}#{first.id}#v#")
    mine = next((row for row in rows if row.text("act") == event_id and row.number("index") == 0), None)
    if mine is None:
        if reader.rows.get(commit_key(first.pk(), event_id)) is not None:
            raise Spent
        return None
    return _told_again(reader, request, first, mine)


def _told_again(reader: Reader, request: Request, first: Doc, mine: Row) -> Committed:
    keys = reader.keys
    lives_with_person = first.subject is not None and first.type != "Erasure"
    data_key = keys.person(first.subject or "").data if lives_with_person else keys.deployment().data
    plain = decrypt(data_key, mine.binary(BOUND) or b"", associated_data(reader.deployment, mine.key, BOUND))
    known = parse_jcs(plain, "a remembered answer")
    if b64u(sha256(unb64u(known["nonce"]) + request.content)) != known["request"]:
        raise Unprocessable("this Idempotency-Key was used for another request; take a new one")
    carrier = mine if mine.key == home_of(mine) else reader.rows.get(home_of(mine))
    text = (carrier.text("event") if carrier else None) or ""
    event = reader.event(text)
    answer = Answer(known["status"], tuple(known["references"]))
    return Committed(text, reader.certificate_text(event), answer, replayed=True)
