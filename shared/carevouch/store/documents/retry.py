"""Retrying with an Idempotency-Key: the same answer for the same request, 422 for another (FORMATS.md, 2).

The row of index 0 remembers, encrypted under the same key as its body and bound to the same row, a salted
hash of the request and the answer's status and references. Nothing is kept in clear, and it dies with the
person's key.
"""

from collections.abc import Callable, Mapping, Sequence

from carevouch.kernel.canonical import jcs, parse_jcs
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.errors import Unprocessable
from carevouch.kernel.ids import Doc, Key
from carevouch.store.documents.model import (
    COMMITTED,
    ActNames,
    ActRequest,
    CommittedAct,
    StoredAnswer,
    commit_key,
    home_of,
)
from carevouch.store.documents.reader import Reader
from carevouch.store.keys import associated_data, decrypt
from carevouch.store.rows import Row

BOUND = "answer"


def memory(request: ActRequest, answer: StoredAnswer, nonce: bytes) -> bytes:
    """What row 0 remembers of the request and its answer."""
    return jcs(
        {
            "nonce": b64u(nonce),
            "request": b64u(sha256(nonce + request.content)),
            "status": answer.status,
            "references": list(answer.references),
        }
    )


def recall(
    reader: Reader, request: ActRequest, names: Sequence[ActNames], first: Callable[[ActNames], Doc]
) -> CommittedAct | int:
    """The earlier outcome of this very request, under whichever attempt; else the attempt to make now.

    All attempts are looked at, because what made an earlier one move on (a rival's identifier) may look
    otherwise by now. Raises `Unprocessable` if the key belongs to another request, `Erased`.
    """
    firsts = [first(naming) for naming in names]
    marks = [commit_key(doc.pk(), naming.event_id) for doc, naming in zip(firsts, names, strict=True)]
    found = reader.rows.get_many([*(doc.key(1) for doc in firsts), marks[0]])
    acts = {naming.event_id for naming in names}
    for doc in dict.fromkeys(firsts):
        mine = _row_of(reader, doc, acts, found)
        if mine is not None:
            return _told_again(reader, request, doc, mine)
    if marks[0] not in found:
        return 0
    states = {key: row.text("state") for key, row in reader.rows.get_many(marks).items()}
    if COMMITTED in states.values():
        # It was committed between the two reads: its first row, of the same transaction, is there now.
        return recall(reader, request, names, first)
    return next((attempt for attempt, mark in enumerate(marks) if mark not in states), len(marks))


def _row_of(reader: Reader, first: Doc, acts: set[str], found: Mapping[Key, Row]) -> Row | None:
    created = found.get(first.key(1))
    if created is None:
        return None
    rows = [created]
    if created.text("act") not in acts:
        rows = reader.rows.query(first.pk(), f"{first.type}#{first.id}#v#")
    return next((row for row in rows if row.text("act") in acts and row.number("index") == 0), None)


def _told_again(reader: Reader, request: ActRequest, first: Doc, mine: Row) -> CommittedAct:
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
    answer = StoredAnswer(known["status"], tuple(known["references"]))
    return CommittedAct(text, reader.certificate_text(event), answer, replayed=True)
