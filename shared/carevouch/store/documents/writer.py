"""Writing: an act is appended whole or not at all, once, however often it is tried.

Three shapes. One revision: one conditional put. A few (a claim and its accumulator): one transaction. Many
that only create (a hospital's Bundle): rows are staged, invisible, and one transaction of commit row, first
row and identifier rows makes them all visible at once. In each the condition "no such row yet" is the
optimistic lock.

The danger lies in outcomes that stay open. A put whose answer is lost is settled by repeating the same bytes
until it succeeds or its row is seen; only then is its number used again or counted (see `session`).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from carevouch.events.act import NONCE_BYTES, Act, EventFacts, Revision, assemble, check_matrix, payload_of
from carevouch.events.envelope import EVENT_TYP, TAG_BYTES, Event, tag
from carevouch.kernel.errors import (
    Busy,
    Conflict,
    DomainError,
    Erased,
    IntegrityFault,
    OutcomeUnknown,
    TooLarge,
    Unprocessable,
)
from carevouch.kernel.ids import Doc, Key
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from carevouch.store.documents import retry
from carevouch.store.documents.model import (
    ABORTED,
    COMMITTED,
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    SignedAct,
    StoredAnswer,
    commit_key,
    event_attributes,
    revision_row,
    stage_key,
)
from carevouch.store.documents.reader import Reader
from carevouch.store.keys import IV_BYTES, Entropy, PersonKey, associated_data, encrypt
from carevouch.store.rows import (
    MAX_ROW_BYTES,
    MAX_TRANSACTION,
    Contended,
    Row,
    RowExists,
    TransactionRefused,
    repeat,
)
from carevouch.store.session import NotStored, Session, SessionKey

# A Bundle with updates, or a claim with its accumulator, is one transaction of at most this much (ADR 2).
MAX_TRANSACTED = 40
MAX_TRANSACTED_BYTES = 3_000_000
# An identifier race is lost at most once per rival; five rivals at the same instant is beyond any real
# clinic.
MAX_ATTEMPTS = 5
# A stage older than this belongs to an environment that died: no function runs longer.
STAGE_SECONDS = 120


class AttemptLost(NotStored):
    """This attempt's names are spent: a rival took an identifier, or its stage was aborted."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An act with its rows encrypted, not yet signed."""

    naming: ActNames
    plan: ActPlan
    act: Act
    rows: tuple[Row, ...]
    tags: tuple[bytes, ...]


class Writer:
    """Appends acts for one service."""

    def __init__(self, reader: Reader, session: Session, entropy: Entropy) -> None:
        self._reader = reader
        self._rows = reader.rows
        self._session = session
        self._entropy = entropy

    def perform(
        self, request: ActRequest, first: Callable[[ActNames], Doc], build: Callable[[ActNames], ActPlan]
    ) -> CommittedAct:
        """Append the act that `build` decides, once per Idempotency-Key.

        `first` names the document of index 0, so that a retry finds its own row before anything is decided
        again. It may depend on the naming and on which person an identifier leads to, on nothing else.
        Raises `Conflict` (a version was taken), `Erased`, `TooLarge`, `Busy`, and what `build` raises.
        """
        attempt = 0
        while attempt < MAX_ATTEMPTS:
            # Named anew for each attempt: which person an identifier leads to may have changed meanwhile.
            names = self._names(request, first)
            done = retry.recall(self._reader, request, names, first) if request.key is not None else 0
            if isinstance(done, CommittedAct):
                return done
            attempt = max(attempt, done)
            try:
                return self._append(request, names[attempt], build(names[attempt]))
            except AttemptLost:
                attempt += 1
            except DomainError:
                # The rival who was first may have been this very request, sent twice: its answer is ours.
                done = retry.recall(self._reader, request, names, first) if request.key is not None else 0
                if isinstance(done, CommittedAct):
                    return done
                raise
        raise Busy("others keep changing the same person at the same time; try again in a moment")

    def now(self) -> str:
        """The instant, by this environment's clock."""
        return self._session.clock()

    def append_signed(
        self, event: Event, act: Act, identifiers: tuple[tuple[str, Doc], ...] = ()
    ) -> CommittedAct:
        """Append an act that somebody else signed: the operator's, verified before by the caller.

        Raises `Conflict` where a version or an identifier is taken.
        """
        if event.root != act.root or event.count != len(act.revisions):
            raise IntegrityFault("the signed event does not commit to these documents")
        answer = StoredAnswer(201, tuple(str(revision.doc) for revision in act.revisions))
        plan = ActPlan(event.type, (), answer, identifiers=identifiers)
        naming = ActNames(0, event.time, lambda _index, _what: b"")
        rows = tuple(
            self._encrypted(event.id, {}, revision, index, act)
            for index, revision in enumerate(act.revisions)
        )
        prepared = _Prepared(naming, plan, act, rows, event.tags)
        try:
            self._commit_plain(prepared, SignedAct(event.text, event.kid, event.n))
        except AttemptLost:
            raise Conflict("another organisation has one of these identifiers") from None
        return CommittedAct(event.text, None, answer)

    def _names(self, request: ActRequest, first: Callable[[ActNames], Doc]) -> tuple[ActNames, ...]:
        time, key = self._session.clock(), request.key
        if key is None:
            return tuple(ActNames(attempt, time, self._random_draw()) for attempt in range(MAX_ATTEMPTS))
        secret = self._reader.keys.deployment()

        def drawn(attempt: int, event: str) -> ActNames:
            def draw(index: int, what: str) -> bytes:
                what = event if what == "event" else what
                return secret.derive(request.caller, key, attempt, index, what)

            return ActNames(attempt, time, draw)

        # The act is named for its partition too: one key used for two people must not name two acts alike,
        # for the log takes each name once.
        homes = [first(drawn(attempt, "event")).pk() for attempt in range(MAX_ATTEMPTS)]
        return tuple(drawn(attempt, f"event {home}") for attempt, home in enumerate(homes))

    def _random_draw(self) -> Callable[[int, str], bytes]:
        drawn: dict[tuple[int, str], bytes] = {}

        def draw(index: int, what: str) -> bytes:
            if (index, what) not in drawn:
                drawn[index, what] = self._entropy(16)
            return drawn[index, what]

        return draw

    def _append(self, request: ActRequest, naming: ActNames, plan: ActPlan) -> CommittedAct:
        prepared = self._prepare(request, naming, plan)
        staged = plan.staged and len(plan.drafts) > 1
        _check_limits(prepared, staged)
        if staged:
            self._stage(prepared)
        with self._session.numbered() as key:
            signed = self._sign(prepared, key)
            if staged:
                self._commit_stage(prepared, signed)
            else:
                self._commit_plain(prepared, signed)
            return CommittedAct(signed.text, key.certificate, plan.answer, False, plan.drafts)

    # Preparing

    def _prepare(self, request: ActRequest, naming: ActNames, plan: ActPlan) -> _Prepared:
        people = {patient: self._reader.keys.person(patient) for patient in plan.subjects}
        act = assemble([self._revision(draft) for draft in plan.drafts])
        check_matrix(act.revisions, plan.event_type, self._session.service)
        rows = tuple(
            self._encrypted(naming.event_id, people, revision, index, act)
            for index, revision in enumerate(act.revisions)
        )
        if request.key is not None:
            rows = (self._with_answer(rows[0], request, plan, people), *rows[1:])
        tags = tuple(tag(key.secret, naming.event_id) for key in people.values())
        return _Prepared(naming, plan, act, rows, tags or (self._entropy(TAG_BYTES),))

    def _revision(self, draft: Draft) -> Revision:
        prev = draft.after.revision.leaf_hash if draft.after else None
        return Revision(draft.doc, draft.version, prev, self._entropy(NONCE_BYTES), draft.body)

    def _encrypted(
        self, event_id: str, people: dict[str, PersonKey], revision: Revision, index: int, act: Act
    ) -> Row:
        key = revision.doc.key(revision.version)
        ct = self._encrypt(self._data_key(revision.doc, people), key, revision.nonce + revision.body)
        row = revision_row(key, ct, event_id, index, act.paths[index], revision.prev)
        if len(ct) > MAX_ROW_BYTES:
            raise TooLarge(
                f"a {revision.doc.type} is larger than {MAX_ROW_BYTES // 1000} KB; store it in parts"
            )
        return Row(key, row)

    def _with_answer(self, row: Row, request: ActRequest, plan: ActPlan, people: dict[str, PersonKey]) -> Row:
        memory = retry.memory(request, plan.answer, self._entropy(NONCE_BYTES))
        data_key = self._data_key(plan.drafts[0].doc, people)
        sealed = self._encrypt(data_key, row.key, memory, retry.BOUND)
        if len(sealed) + len(row.binary("ct") or b"") > MAX_ROW_BYTES:
            raise TooLarge("the first document and the answer do not fit one row; split the request")
        return Row(row.key, {**row.attributes, "answer": sealed})

    def _data_key(self, doc: Doc, people: dict[str, PersonKey]) -> bytes:
        if doc.type == "Erasure" or doc.subject is None:
            return self._reader.keys.deployment().data
        person = people.get(doc.subject)
        return (person or self._reader.keys.person(doc.subject)).data

    def _encrypt(self, data_key: bytes, key: Key, plain: bytes, *bound: str) -> bytes:
        return encrypt(
            data_key, self._entropy(IV_BYTES), plain, associated_data(self._reader.deployment, key, *bound)
        )

    def _sign(self, prepared: _Prepared, key: SessionKey) -> SignedAct:
        naming, plan = prepared.naming, prepared.plan
        genesis = self._session.genesis()
        facts = EventFacts(
            id=naming.event_id,
            type=plan.event_type,
            producer=self._session.service,
            n=key.next_n,
            epoch=genesis.epoch,
            time=naming.time,
            seal_by=later(naming.time, genesis.seal_by_seconds),
            tags=prepared.tags,
            contract=plan.contract,
        )
        text = sign(payload_of(prepared.act, facts), EVENT_TYP, key.signer)
        return SignedAct(text, key.signer.kid, key.next_n)

    def _commit_plain(self, prepared: _Prepared, signed: SignedAct) -> None:
        home = prepared.rows[0].key
        carrier = Row(
            home,
            {
                **prepared.rows[0].attributes,
                **event_attributes(signed, home, [row.key for row in prepared.rows]),
            },
        )
        others = [_at_home(row, home) for row in prepared.rows[1:]]
        plan = prepared.plan
        if not others and not plan.identifiers:
            self._settled(lambda: self._rows.put_new(carrier), carrier)
            return
        rows = [carrier, *others, *_identifier_rows(plan)]
        self._settled(lambda: self._rows.transact(rows, alive=_alive(plan)), carrier)

    def _settled(self, write: Callable[[], None], carrier: Row) -> None:
        try:
            return repeat(write)
        except Contended:
            raise Busy("others are writing the same records; nothing was stored, try again") from None
        except (RowExists, TransactionRefused, OutcomeUnknown) as failure:
            if self._is_mine(carrier):
                return None
            raise _lost(failure) from failure

    def _is_mine(self, carrier: Row) -> bool:
        # A failed condition alone settles nothing: the row may be our own, from a put whose answer was lost.
        found = self._rows.get(carrier.key)
        return found is not None and found.text("event") == carrier.text("event")

    def _stage(self, prepared: _Prepared) -> None:
        home = self._home(prepared)
        until = later(prepared.naming.time, STAGE_SECONDS)
        # The token tells our own row, put by a try whose answer was lost, from that of another environment.
        token = self._entropy(NONCE_BYTES)
        guard = Row(stage_key(home.pk, prepared.naming.event_id), {"until": until, "ct": token})
        try:
            repeat(lambda: self._rows.put_new(guard))
        except RowExists:
            self._meet_stage(guard, home)
        staged = [_at_home(row, home) for row in prepared.rows[1:]]
        repeat(lambda: self._rows.stage(staged))

    def _meet_stage(self, guard: Row, home: Key) -> None:
        """Go on if the stage is ours; else it is of the same request, under way or dead."""
        met = self._rows.get(guard.key)
        if met is not None and met.binary("ct") == guard.binary("ct"):
            return
        if met is not None and (met.text("until") or "") > self._session.clock():
            raise Busy("the same request is still being worked on; ask again in two minutes")
        self._abort(home)
        raise AttemptLost

    def _abort(self, home: Key) -> None:
        # A row that is there may say committed: whoever asks again will find that.
        with suppress(RowExists):
            repeat(lambda: self._rows.put_new(Row(home, {"state": ABORTED})))

    def _commit_stage(self, prepared: _Prepared, signed: SignedAct) -> None:
        home, plan = self._home(prepared), prepared.plan
        commit = Row(
            home,
            {
                "state": COMMITTED,
                "act": prepared.naming.event_id,
                **event_attributes(signed, home, [row.key for row in prepared.rows]),
            },
        )
        rows = [commit, _at_home(prepared.rows[0], home), *_identifier_rows(plan)]
        try:
            self._settled(lambda: self._rows.transact(rows, alive=_alive(plan)), commit)
        except (AttemptLost, Conflict, Erased):
            # If this does not get through, the stage is overdue soon and aborted by whoever meets it.
            with suppress(OutcomeUnknown):
                self._abort(home)
            raise

    def _home(self, prepared: _Prepared) -> Key:
        return commit_key(prepared.rows[0].key.pk, prepared.naming.event_id)


def _at_home(row: Row, home: Key) -> Row:
    return Row(row.key, {**row.attributes, "home": [home.pk, home.sk]})


def _identifier_rows(plan: ActPlan) -> list[Row]:
    leads_to: dict[str, Doc] = {}
    for blind, doc in plan.identifiers:
        if leads_to.setdefault(blind, doc) != doc:
            raise Unprocessable("two of these records carry the same identifier; make them one")
    return [Row(Key(blind, "id"), {"doc": str(doc)}) for blind, doc in leads_to.items()]


def _alive(plan: ActPlan) -> tuple[str, ...]:
    return tuple(f"P#{patient}" for patient in plan.subjects)


def _lost(failure: RowExists | TransactionRefused | OutcomeUnknown) -> Exception:
    """What it means that a commit failed whose row is not there."""
    if isinstance(failure, OutcomeUnknown):
        return failure
    if isinstance(failure, TransactionRefused):
        if failure.dead:
            return Erased("the person's records were erased on request; nothing can be written")
        if any(key.pk.startswith("I#") or key.sk.startswith("act#") for key in failure.taken):
            return AttemptLost()
    return Conflict("another version was stored first; read the current one and try again")


def _check_limits(prepared: _Prepared, staged: bool) -> None:
    """Raise `TooLarge` before anything is written for what one transaction cannot commit."""
    plan, rows = prepared.plan, prepared.rows
    if not staged and (len(rows) > MAX_TRANSACTED or _size(rows) > MAX_TRANSACTED_BYTES):
        raise TooLarge(
            f"an act that changes documents holds at most {MAX_TRANSACTED} of them and 3 MB; split it"
        )
    items = (2 if staged else len(rows)) + len(_identifier_rows(plan)) + len(plan.subjects)
    if items > MAX_TRANSACTION:
        raise TooLarge(f"an act ties at most {MAX_TRANSACTION} documents, identifiers and people; split it")


def _size(rows: Sequence[Row]) -> int:
    return sum(len(row.binary("ct") or b"") for row in rows)
