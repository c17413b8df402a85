"""One act of the records door, from the entries of a Bundle (or of one create or update) to stored rows.

A provider writes about people with whom it is linked, and into the directory. Decisions that depend on the
state are made inside the attempt, after a retry could meet its own rows. The people that the act concerns are
opened before roles and scopes are checked. So a refusal is audited with each of them, and only once, however
many entries it refused. A stored write is its own audit.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from carevouch.door.access import PURPOSE_HEADER, Visit, as_heard, purpose_of
from carevouch.door.http import ABSENT, HttpRequest
from carevouch.events.act import NONCE_BYTES
from carevouch.events.envelope import parse_event
from carevouch.identity.caller import PROVIDER, Caller
from carevouch.identity.links import enrolment_body, enrolment_doc, identifiers_of
from carevouch.kernel.errors import DomainError, Forbidden, Invalid, NotFound, PreconditionFailed, TooLarge
from carevouch.kernel.ids import Doc
from carevouch.records.access import ReadRefused
from carevouch.records.bundle import (
    EntryOutcome,
    Placement,
    Stamp,
    StoreFacts,
    answer_references,
    document_of,
    place,
    repeated_outcomes,
)
from carevouch.records.resource import STORED, author_of, is_directory, resource_of
from carevouch.records.survey import PATIENT, BundleSurvey, Identifier
from carevouch.store.documents import (
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    StoredAnswer,
    StoredRevision,
)
from carevouch.store.documents.attempts import remembered_answer
from carevouch.store.keys import IV_BYTES
from carevouch.store.rows import MAX_ROW_BYTES, MAX_TRANSACTION
from services.records.ports import Ports

_IF_MATCH = re.compile(r'(?:W/)?"([1-9][0-9]{0,9})"', re.ASCII)
# Encryption adds an IV and a tag of 16 bytes (NIST SP 800-38D).
_ENCRYPTION_BYTES = IV_BYTES + 16
# The commit row, the first document and the person stand in one transaction with the identifiers.
_OTHER_ROWS = 3


@dataclass(frozen=True, slots=True)
class ActOutcome:
    """An answer per entry, and the stored act, unless everything was there already."""

    entries: tuple[EntryOutcome, ...]
    time: str
    committed: CommittedAct | None = None

    def body(self, doc: Doc) -> bytes | None:
        """The body that was just written, if it was in this request."""
        written = self.committed.stored if self.committed else ()
        return next((draft.body for draft in written if draft.doc == doc), None)


@dataclass(frozen=True, slots=True)
class _FirstEntry:
    """The first document of the act: the Patient, unless the Patient is the known person `person`."""

    survey: BundleSurvey
    person: str | None

    def doc(self, names: ActNames) -> Doc:
        survey, new = self.survey, None
        if survey.patient is not None:
            new = names.part(survey.patient)
            if self.person not in (None, new):
                survey, new = survey.without_patient(), None
                if not survey.entries:
                    return Doc("Patient", str(self.person))
        return document_of(survey.first(), self.person or new, names.part)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The documents that the identifiers lead to, and the act's person, if known."""

    documents: Mapping[Identifier, Doc]
    person: str | None


class ConcernedPeople:
    """The visits of one request. `people` are those whom the present act concerns, as far as is known."""

    def __init__(
        self,
        request: HttpRequest,
        caller: Caller,
        ports: Ports,
        interaction: str,
        visits: dict[str, Visit | Forbidden] | None = None,
    ) -> None:
        self.people: list[str] = []
        self._request = request
        self._caller = caller
        self._ports = ports
        self._interaction = interaction
        self._visits = {} if visits is None else visits

    def visit(self, person: str) -> Visit:
        """The visit to this person; raises `Forbidden`, audited once, for a purpose that the role lacks."""
        if person not in self._visits:
            try:
                self._visits[person] = self._ports.access.open(
                    self._request, self._caller, person, self._interaction
                )
            except Forbidden as refusal:
                self._visits[person] = refusal
        visit = self._visits[person]
        if isinstance(visit, Forbidden):
            raise visit
        if person not in self.people:
            self.people.append(person)
        return visit

    def require_purpose(self) -> None:
        """Raise `Forbidden` for a purpose that the role may not have, before any person is known.

        So the answer does not depend on whether the write finds a person.
        """
        purpose_of(self._caller, self._request.headers.get(PURPOSE_HEADER))

    def of_entry(self) -> "ConcernedPeople":
        """The same visits for one entry of a batch, with `people` of its own."""
        return ConcernedPeople(self._request, self._caller, self._ports, self._interaction, self._visits)

    @contextmanager
    def audited(self) -> Iterator[None]:
        """Store the audit of a refusal for each of the people, before the answer."""
        try:
            yield
        except DomainError as refusal:
            for person in self.people:
                self.visit(person).refuse(refusal.code)
            raise as_heard(refusal) from None


def store(
    request: HttpRequest,
    survey: BundleSurvey,
    caller: Caller,
    people: ConcernedPeople,
    ports: Ports,
    entry_key: str = "",
) -> ActOutcome:
    """Store the entries as one act. `entry_key` distinguishes the acts of one request.

    Raises the refusals of `carevouch.records.survey` and `carevouch.records.bundle`, and those of the store.
    """
    # Find the person by the references alone, so that every later refusal is audited with the person.
    named = None
    with suppress(DomainError):  # References to several people are refused below.
        named = survey.person({})
    if named is None:
        people.require_purpose()
    else:
        people.visit(named)
    caller.require_role(PROVIDER)
    for entry in survey.entries:
        caller.require_scope(entry.type, "u" if entry.method == "PUT" else "c")
    found = _find(survey, caller, people, ports)
    key = request.idempotency_key
    retriable = ActRequest(caller.id, f"{key}{entry_key}" if key else None, request.content())
    attempts = ports.store.writer.attempts(retriable, _FirstEntry(survey, found.person))
    is_first = True
    for names in attempts:
        with attempts:
            if not is_first:  # Another request was first, so the identifiers may lead to another person now.
                found = _find(survey, caller, people, ports)
                attempts.first = _FirstEntry(survey, found.person)
            is_first = False
            current, authors = _to_update(survey, caller, people, ports)
            facts = StoreFacts(
                found.documents,
                ports.store.reader.existing(survey.local.values()),
                {doc: stored.version for doc, stored in current.items()},
                found.person,
                authors,
            )
            placement = place(survey, facts, Stamp(caller.reference, names.time, names.part))
            if not placement.writes:
                return ActOutcome(placement.outcomes, ports.store.clock())
            attempts.append(_plan(placement, current, retriable, caller, ports))
    committed = attempts.committed
    entries = repeated_outcomes(survey, committed.answer.references, attempts.committed_names.part)
    return ActOutcome(entries, parse_event(committed.event).time, committed)


def _find(survey: BundleSurvey, caller: Caller, people: ConcernedPeople, ports: Ports) -> _Lookup:
    """Look the identifiers up; raises `NotFound` unless the caller is linked with the act's person.

    A reference by identifier to a person without a link to the caller finds nobody, as if the identifier were
    unknown. Otherwise anyone with an identifier could find out who is registered here.
    """
    documents = {}
    claimed = survey.claimed()
    for identifier, doc in ports.index.resolve(survey.identifiers()).items():
        is_foreign = doc.type == PATIENT and identifier not in claimed
        if is_foreign and not ports.access.is_enrolled(caller, doc.id):
            people.visit(doc.id)  # So that the coming refusal is audited with this person.
        else:
            documents[identifier] = doc
    person = survey.person(documents)
    if person is not None:
        people.visit(person)
        if not ports.access.is_enrolled(caller, person):
            raise NotFound(ABSENT)
    return _Lookup(documents, person)


def _to_update(
    survey: BundleSurvey, caller: Caller, people: ConcernedPeople, ports: Ports
) -> tuple[dict[Doc, StoredRevision], dict[Doc, str | None]]:
    """The latest revisions of the documents to update, and their authors, if the caller may change them."""
    current, authors = {}, {}
    entries = {entry.index: entry for entry in survey.entries}
    for index, doc in survey.updated().items():
        stored = ports.store.reader.find(doc)
        if stored is None:
            raise NotFound(ABSENT)
        # The author is that of version 1. Later versions were written by others, and may claim another one.
        first: StoredRevision | None = stored
        if stored.version > 1:
            first = ports.store.reader.partition_of(doc).version(doc, 1)
        authors[doc] = author_of(resource_of(doc.type, first.body)) if first else None
        if is_directory(doc.type):
            if authors[doc] != caller.reference:
                raise Forbidden("only the author may change a document of the directory")
        elif isinstance(people.visit(str(doc.subject)).may_correct(stored, authors[doc]), ReadRefused):
            raise NotFound(ABSENT)
        entry = entries[index]
        match = _IF_MATCH.fullmatch(entry.if_match or "")
        if match is None:
            raise Invalid(
                'an update needs the version that it changes: send If-Match with its ETag, such as W/"1"'
            )
        if int(match[1]) != stored.version:
            raise PreconditionFailed("another version is current; read it and apply your change to it")
        is_foreign_patient = doc.type == "Patient" and authors[doc] != caller.reference
        known = identifiers_of(resource_of(doc.type, stored.body)) if is_foreign_patient else None
        # People are found by identifier, so a change by another organisation could hide a person.
        if is_foreign_patient and identifiers_of(entry.resource or {}) != known:
            raise Forbidden("only the organisation that registered a person may change their identifiers")
        current[doc] = stored
    return current, authors


def _plan(
    placement: Placement,
    current: Mapping[Doc, StoredRevision],
    retriable: ActRequest,
    caller: Caller,
    ports: Ports,
) -> ActPlan:
    """The act to store. A new person's key is made last, because it stays even if the act is refused."""
    keys = ports.store.reader.keys
    drafts = [Draft(write.doc, write.body, current.get(write.doc)) for write in placement.writes]
    answer = StoredAnswer(200, answer_references(placement))
    blind = tuple((ports.index.blind(*identifier), doc) for identifier, doc in placement.identifiers)
    if placement.new_person and placement.person is not None:
        link = enrolment_doc(keys.deployment(), placement.person, caller.id)
        drafts.append(Draft(link, enrolment_body(placement.person, caller.id)))
        _require_storable(drafts, len(blind), retriable, answer)
        keys.create(placement.person)
    return ActPlan(
        placement.event_type,
        tuple(drafts),
        answer,
        tuple({draft.doc.subject: None for draft in drafts if draft.doc.subject}),
        blind,
        staged=placement.event_type == STORED,
    )


def _require_storable(
    drafts: Sequence[Draft], identifiers: int, retriable: ActRequest, answer: StoredAnswer
) -> None:
    """Raise `TooLarge` for a document, an answer or identifiers that the store cannot take.

    The writer refuses the same, and needs the person's key for it. Then a refused Bundle would leave the key
    of a person without any document.
    """
    sizes = [NONCE_BYTES + len(draft.body) + _ENCRYPTION_BYTES for draft in drafts]
    for draft, size in zip(drafts, sizes, strict=True):
        if size > MAX_ROW_BYTES:
            limit = f"{MAX_ROW_BYTES // 1000} KB"
            raise TooLarge(f"a {draft.doc.type} is larger than {limit}; store it in several parts")
    if retriable.key is not None:
        remembered_bytes = len(remembered_answer(retriable, answer, bytes(NONCE_BYTES))) + _ENCRYPTION_BYTES
        if sizes[0] + remembered_bytes > MAX_ROW_BYTES:
            raise TooLarge("the first document and the answer do not fit one row; split the request")
    if identifiers + _OTHER_ROWS > MAX_TRANSACTION:
        raise TooLarge(
            f"a new person may have at most {MAX_TRANSACTION - _OTHER_ROWS} identifiers; leave some out"
        )
