"""The attempts at an act, and the stored answer that a retry with an Idempotency-Key gets (FORMATS.md, 2).

The row of index 0 remembers a salted hash of the request, and the answer's status and references. They are
encrypted under the key of its body and bound to its row. They are stored only in encrypted form, and are
lost with the person's key. The same Idempotency-Key for another request is refused (422).
"""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

from carevouch.kernel.canonical import jcs, parse_jcs
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.errors import Busy, Conflict, DomainError, Unprocessable
from carevouch.kernel.ids import Doc, Key
from carevouch.store.documents.model import (
    COMMITTED,
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    FirstDocument,
    StoredAnswer,
    commit_key,
    first_document,
    home_of,
)
from carevouch.store.documents.reader import Reader
from carevouch.store.keys import NotStored, associated_data, decrypt
from carevouch.store.rows import Row

# Each rival takes an identifier from us once. No clinic has five rivals at the same instant.
MAX_ATTEMPTS = 5
# The attribute of row 0 that remembers the answer, and a part of what its ciphertext is bound to.
ANSWER = "answer"


class ActStore(Protocol):
    """A writer, as far as attempts use it."""

    @property
    def reader(self) -> Reader:
        """The reader of the same rows."""

    def names(self, request: ActRequest, first: Doc | FirstDocument) -> tuple[ActNames, ...]:
        """The names of every attempt."""

    def append(self, request: ActRequest, names: ActNames, plan: ActPlan) -> CommittedAct:
        """One attempt."""


class AttemptLost(NotStored):
    """The names of this attempt cannot be used: a rival took an identifier, or its stage was aborted."""


class Attempts:
    """The attempts at one act: a loop whose body decides the act anew, until an attempt is stored.

        attempts = writer.attempts(request, NewDocument("Claim", patient))
        for names in attempts:
            with attempts:
                attempts.append(plan_of(names))
        return attempts.committed

    A retry of a stored request gets the stored answer and never enters the loop. `with` catches the error of
    a lost race; every other error leaves the loop. A body with nothing to store leaves by `return`.

    `first` names the document of index 0, so that a retry finds its own row before anything is decided again.
    The body may replace it when the state has changed; the next attempt is named by the new one.
    """

    def __init__(
        self, writer: ActStore, request: ActRequest, first: Doc | FirstDocument, max_conflicts: int
    ) -> None:
        self.first = first
        self._writer = writer
        self._request = request
        self._number = 0
        self._conflicts = 0
        self._max_conflicts = max_conflicts
        self._names: tuple[ActNames, ...] = ()
        self._committed: CommittedAct | None = None

    @property
    def committed(self) -> CommittedAct:
        """The stored act, once the loop has ended."""
        if self._committed is None:
            raise LookupError("the loop over the attempts has not ended")
        return self._committed

    @property
    def committed_names(self) -> ActNames:
        """The names of the stored act."""
        return next(names for names in self._names if names.event_id == self.committed.event_id)

    def __iter__(self) -> Iterator[ActNames]:
        """The names for each attempt; raises `Busy` after too many, `Unprocessable` for a key used before."""
        while self._number < MAX_ATTEMPTS:
            # Each attempt gets new names, because an identifier may lead to another person by now.
            self._names = self._writer.names(self._request, self.first)
            if self._recalls():
                return
            if self._number < MAX_ATTEMPTS:
                lost_before = self._number, self._conflicts
                yield self._names[self._number]
                if self._committed is not None:
                    return
                if lost_before == (self._number, self._conflicts):
                    raise AssertionError("an attempt ends with append, or leaves the loop")
        raise Busy("other requests keep changing the same person; try again in a moment")

    def append(self, plan: ActPlan) -> None:
        """Store the act; raises `Conflict` (a version was taken), `Erased`, `TooLarge`, `Busy`."""
        self._committed = self._writer.append(self._request, self._names[self._number], plan)

    def __enter__(self) -> "Attempts":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if isinstance(error, AttemptLost):
            self._number += 1
            return True
        if not isinstance(error, DomainError):
            return False
        # The rival may have been this same request, sent twice. Then its answer is ours.
        if self._recalls():
            return True
        # A plain Conflict is a lost race. Its subclasses are facts that another read does not change.
        if type(error) is not Conflict or not self._max_conflicts:
            return False
        self._number, self._conflicts = 0, self._conflicts + 1
        if self._conflicts < self._max_conflicts:
            return True
        raise Busy("other requests keep changing the same records; try again in a moment") from error

    def _recalls(self) -> bool:
        """Whether an earlier try of this request is stored. Otherwise go on to the next unused names."""
        if self._request.key is None:
            return False
        earlier = _recall(self._writer.reader, self._request, self._names, self.first)
        if isinstance(earlier, CommittedAct):
            self._committed = earlier
            return True
        self._number = max(self._number, earlier)
        return False


def remembered_answer(request: ActRequest, answer: StoredAnswer, nonce: bytes) -> bytes:
    """The request and its answer, in the form that row 0 stores."""
    return jcs(
        {
            "nonce": b64u(nonce),
            "request": b64u(sha256(nonce + request.content)),
            "status": answer.status,
            "references": list(answer.references),
        }
    )


def _recall(
    reader: Reader, request: ActRequest, names: Sequence[ActNames], first: Doc | FirstDocument
) -> CommittedAct | int:
    """The stored outcome of this request, from any attempt; otherwise the number of the next attempt.

    All attempts are searched, because the reason of an earlier one to go on (a rival's identifier) may be
    gone by now. Raises `Erased`, and `Unprocessable` if the key belongs to another request.
    """
    firsts = [first_document(first, naming) for naming in names]
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
        # It was committed between the two reads, so its first row is there now, from the same transaction.
        return _recall(reader, request, names, first)
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
    plain = decrypt(
        data_key, mine.binary(ANSWER) or b"", associated_data(reader.deployment, mine.key, ANSWER)
    )
    known = parse_jcs(plain, "a remembered answer")
    if b64u(sha256(unb64u(known["nonce"]) + request.content)) != known["request"]:
        raise Unprocessable("this Idempotency-Key was used for another request; take a new one")
    carrier = mine if mine.key == home_of(mine) else reader.rows.get(home_of(mine))
    text = (carrier.text("event") if carrier else None) or ""
    event = reader.event(text)
    answer = StoredAnswer(known["status"], tuple(known["references"]))
    return CommittedAct(text, reader.certificate_text(event), answer, replayed=True)
