"""Appends acts: each whole or not at all, and only once, however often a request is repeated.

An act takes one of three shapes. One revision is one conditional put. A few revisions, such as a claim and
its accumulator, are one transaction. Many new documents, such as a hospital's Bundle, are staged as rows that
nobody sees; one transaction of commit row, first row and identifier rows then shows them all. In each shape
the condition "no such row yet" is the optimistic lock.

A put whose answer is lost leaves the outcome open. The writer repeats the same bytes until the put succeeds
or its row is seen. Only then is the event's number used again, or counted (see `keys.Session`).
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from carevouch.events.act import NONCE_BYTES, Act, EventFacts, Revision, assemble, check_matrix, payload_of
from carevouch.events.envelope import EVENT_TYP, TAG_BYTES, Event, tag
from carevouch.kernel.errors import (
    Busy,
    Conflict,
    Erased,
    IntegrityFault,
    OutcomeUnknown,
    TooLarge,
    Unprocessable,
)
from carevouch.kernel.ids import Doc, Key
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from carevouch.store.documents.attempts import ANSWER, MAX_ATTEMPTS, AttemptLost, Attempts, remembered_answer
from carevouch.store.documents.model import (
    ABORTED,
    COMMITTED,
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    FirstDocument,
    SignedAct,
    StoredAnswer,
    commit_key,
    derived_names,
    event_attributes,
    random_names,
    revision_row,
    stage_key,
)
from carevouch.store.documents.reader import Reader
from carevouch.store.keys import IV_BYTES, Entropy, PersonKey, Session, SessionKey, associated_data, encrypt
from carevouch.store.rows import (
    MAX_ROW_BYTES,
    MAX_TRANSACTION,
    Contended,
    Row,
    RowExists,
    TransactionRefused,
    repeat,
)

# A Bundle with updates, or a claim with its accumulator, is one transaction of at most this much (ADR 2).
MAX_TRANSACTED = 40
MAX_TRANSACTED_BYTES = 3_000_000
# A stage older than this belongs to an environment that died: no function runs longer.
STAGE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class _EncryptedAct:
    """An act with its rows encrypted, not yet signed."""

    names: ActNames
    plan: ActPlan
    act: Act
    rows: tuple[Row, ...]
    tags: tuple[bytes, ...]

    @property
    def home(self) -> Key:
        """The key of the act's commit row, if it is staged."""
        return commit_key(self.rows[0].key.pk, self.names.event_id)

    @property
    def identifier_rows(self) -> list[Row]:
        """The rows that lead from identifiers to documents; raises `Unprocessable` for two of one."""
        leads_to: dict[str, Doc] = {}
        for blind, doc in self.plan.identifiers:
            if leads_to.setdefault(blind, doc) != doc:
                raise Unprocessable("two of these records have the same identifier; make them one record")
        return [Row(Key(blind, "id"), {"doc": str(doc)}) for blind, doc in leads_to.items()]


class Writer:
    """Appends acts for one service."""

    def __init__(self, reader: Reader, session: Session, entropy: Entropy) -> None:
        self.reader = reader
        self._rows = reader.rows
        self._session = session
        self._entropy = entropy

    def attempts(
        self, request: ActRequest, first: Doc | FirstDocument, *, max_conflicts: int = 0
    ) -> Attempts:
        """The loop that stores one act, once per Idempotency-Key.

        If another request stored a version first, the loop decides again, up to `max_conflicts` times.
        Without it the caller gets a `Conflict`.
        """
        return Attempts(self, request, first, max_conflicts)

    def now(self) -> str:
        """The instant, by this environment's clock."""
        return self._session.clock()

    def append_signed(
        self, event: Event, act: Act, identifiers: tuple[tuple[str, Doc], ...] = ()
    ) -> CommittedAct:
        """Append an act that the operator signed; the caller has verified it.

        Raises `Conflict` where a version or an identifier is taken.
        """
        if event.root != act.root or event.count != len(act.revisions):
            raise IntegrityFault("the signed event does not commit to these documents")
        answer = StoredAnswer(201, tuple(str(revision.doc) for revision in act.revisions))
        plan = ActPlan(event.type, (), answer, identifiers=identifiers)
        names = ActNames(0, event.time, lambda _index, _what: b"")
        rows = tuple(
            self._encrypted(event.id, {}, revision, index, act)
            for index, revision in enumerate(act.revisions)
        )
        encrypted = _EncryptedAct(names, plan, act, rows, event.tags)
        try:
            self._commit_plain(encrypted, SignedAct(event.text, event.kid, event.n))
        except AttemptLost:
            raise Conflict("another organisation has one of these identifiers") from None
        return CommittedAct(event.text, None, answer)

    def names(self, request: ActRequest, first: Doc | FirstDocument) -> tuple[ActNames, ...]:
        """The names of every attempt: random, or derived from the Idempotency-Key."""
        time, key = self._session.clock(), request.key
        if key is None:
            return tuple(random_names(attempt, time, self._entropy) for attempt in range(MAX_ATTEMPTS))
        derive = partial(self.reader.keys.deployment().derive, request.caller, key)
        return tuple(derived_names(attempt, time, derive, first) for attempt in range(MAX_ATTEMPTS))

    def append(self, request: ActRequest, names: ActNames, plan: ActPlan) -> CommittedAct:
        """One attempt: encrypt, stage a large act, sign, commit. `Attempts.append` calls it."""
        people = {patient: self.reader.keys.person(patient) for patient in plan.subjects}
        act = assemble(
            [
                Revision(
                    draft.doc,
                    draft.version,
                    draft.after.revision.leaf_hash if draft.after else None,
                    self._entropy(NONCE_BYTES),
                    draft.body,
                )
                for draft in plan.drafts
            ]
        )
        check_matrix(act.revisions, plan.event_type, self._session.service)
        rows = tuple(
            self._encrypted(names.event_id, people, revision, index, act)
            for index, revision in enumerate(act.revisions)
        )
        if request.key is not None:
            rows = (self._with_answer(rows[0], request, plan, people), *rows[1:])
        tags = tuple(tag(key.secret, names.event_id) for key in people.values())
        encrypted = _EncryptedAct(names, plan, act, rows, tags or (self._entropy(TAG_BYTES),))
        is_staged = plan.staged and len(plan.drafts) > 1
        _check_limits(encrypted, is_staged)
        if is_staged:
            self._stage(encrypted)
        with self._session.numbered() as key:
            signed = self._sign(encrypted, key)
            commit = self._commit_stage if is_staged else self._commit_plain
            commit(encrypted, signed)
            return CommittedAct(signed.text, key.certificate, plan.answer, False, plan.drafts)

    def _encrypted(
        self, event_id: str, people: dict[str, PersonKey], revision: Revision, index: int, act: Act
    ) -> Row:
        key = revision.doc.key(revision.version)
        ct = self._encrypt(self._data_key(revision.doc, people), key, revision.nonce + revision.body)
        if len(ct) > MAX_ROW_BYTES:
            raise TooLarge(
                f"a {revision.doc.type} is larger than {MAX_ROW_BYTES // 1000} KB; store it in parts"
            )
        return Row(key, revision_row(ct, event_id, index, act.paths[index], revision.prev))

    def _with_answer(self, row: Row, request: ActRequest, plan: ActPlan, people: dict[str, PersonKey]) -> Row:
        memory = remembered_answer(request, plan.answer, self._entropy(NONCE_BYTES))
        sealed = self._encrypt(self._data_key(plan.drafts[0].doc, people), row.key, memory, ANSWER)
        if len(sealed) + len(row.binary("ct") or b"") > MAX_ROW_BYTES:
            raise TooLarge("the first document and the answer do not fit one row; split the request")
        return Row(row.key, {**row.attributes, "answer": sealed})

    def _data_key(self, doc: Doc, people: dict[str, PersonKey]) -> bytes:
        if doc.type == "Erasure" or doc.subject is None:
            return self.reader.keys.deployment().data
        return (people.get(doc.subject) or self.reader.keys.person(doc.subject)).data

    def _encrypt(self, data_key: bytes, key: Key, plain: bytes, *bound: str) -> bytes:
        bound_to = associated_data(self.reader.deployment, key, *bound)
        return encrypt(data_key, self._entropy(IV_BYTES), plain, bound_to)

    def _sign(self, encrypted: _EncryptedAct, key: SessionKey) -> SignedAct:
        facts = EventFacts(
            id=encrypted.names.event_id,
            type=encrypted.plan.event_type,
            producer=self._session.service,
            n=key.next_n,
            epoch=key.epoch,
            time=encrypted.names.time,
            seal_by=later(encrypted.names.time, key.seal_by_seconds),
            tags=encrypted.tags,
            contract=encrypted.plan.contract,
        )
        text = sign(payload_of(encrypted.act, facts), EVENT_TYP, key.signer)
        return SignedAct(text, key.signer.kid, key.next_n)

    def _commit_plain(self, encrypted: _EncryptedAct, signed: SignedAct) -> None:
        first, *others = encrypted.rows
        attributes = event_attributes(signed, first.key, [row.key for row in encrypted.rows])
        carrier = Row(first.key, {**first.attributes, **attributes})
        rows = [carrier, *(_at_home(row, first.key) for row in others), *encrypted.identifier_rows]
        self._commit(rows, carrier, encrypted.plan.subjects)

    def _stage(self, encrypted: _EncryptedAct) -> None:
        home = encrypted.home
        until = later(encrypted.names.time, STAGE_SECONDS)
        # The token distinguishes our own row, from a try whose answer was lost, from a row of another
        # environment.
        token = self._entropy(NONCE_BYTES)
        guard = Row(stage_key(home.pk, encrypted.names.event_id), {"until": until, "ct": token})
        try:
            repeat(lambda: self._rows.put_new(guard))
        except RowExists:
            met = self._rows.get(guard.key)
            if met is None or met.binary("ct") != token:
                # The stage belongs to a try of the same request, which is under way or dead.
                if met is not None and (met.text("until") or "") > self._session.clock():
                    raise Busy("the same request is still in progress; repeat it in two minutes") from None
                self._abort(home)
                raise AttemptLost from None
        repeat(lambda: self._rows.stage([_at_home(row, home) for row in encrypted.rows[1:]]))

    def _commit_stage(self, encrypted: _EncryptedAct, signed: SignedAct) -> None:
        home = encrypted.home
        attributes = event_attributes(signed, home, [row.key for row in encrypted.rows])
        commit = Row(home, {"state": COMMITTED, "act": encrypted.names.event_id, **attributes})
        rows = [commit, _at_home(encrypted.rows[0], home), *encrypted.identifier_rows]
        try:
            self._commit(rows, commit, encrypted.plan.subjects)
        except (AttemptLost, Conflict, Erased):
            # If this fails, the stage is soon overdue, and the next request that meets it aborts it.
            with suppress(OutcomeUnknown):
                self._abort(home)
            raise

    def _abort(self, home: Key) -> None:
        # An existing row may say committed, which a repeated request will find.
        with suppress(RowExists):
            repeat(lambda: self._rows.put_new(Row(home, {"state": ABORTED})))

    def _commit(self, rows: list[Row], carrier: Row, people: tuple[str, ...]) -> None:
        """Write the rows in one transaction, if these people are not erased; raises `Busy` and the errors of
        a lost race."""
        alive = [f"P#{patient}" for patient in people]
        try:
            if len(rows) == 1:
                repeat(lambda: self._rows.put_new(carrier))
            else:
                repeat(lambda: self._rows.transact(rows, alive=alive))
        except Contended:
            raise Busy("other requests are writing the same records; nothing was stored; try again") from None
        except (RowExists, TransactionRefused, OutcomeUnknown) as failure:
            # A failed condition alone is no answer: the row may be ours, from a put whose answer was lost.
            found = self._rows.get(carrier.key)
            if found is not None and found.text("event") == carrier.text("event"):
                return
            if isinstance(failure, OutcomeUnknown):
                raise
            if isinstance(failure, TransactionRefused) and failure.dead:
                raise Erased("the person's records were erased on request; nothing can be written") from None
            taken = failure.taken if isinstance(failure, TransactionRefused) else ()
            if any(key.pk.startswith("I#") or key.sk.startswith("act#") for key in taken):
                raise AttemptLost from failure
            raise Conflict(
                "another version was stored first; read the current one and try again"
            ) from failure


def _at_home(row: Row, home: Key) -> Row:
    return Row(row.key, {**row.attributes, "home": [home.pk, home.sk]})


def _check_limits(encrypted: _EncryptedAct, is_staged: bool) -> None:
    """Raise `TooLarge`, before any write, for an act that one transaction cannot commit."""
    rows = encrypted.rows
    size = sum(len(row.binary("ct") or b"") for row in rows)
    if not is_staged and (len(rows) > MAX_TRANSACTED or size > MAX_TRANSACTED_BYTES):
        raise TooLarge(
            f"an act that changes documents may have at most {MAX_TRANSACTED} of them and 3 MB; split it"
        )
    items = (2 if is_staged else len(rows)) + len(encrypted.identifier_rows) + len(encrypted.plan.subjects)
    if items > MAX_TRANSACTION:
        raise TooLarge(
            f"an act may have at most {MAX_TRANSACTION} documents, identifiers and people; split it"
        )
