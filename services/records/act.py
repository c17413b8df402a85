"""One act of the records door, from the entries of a Bundle (or of one create or update) to stored rows.

A provider writes about people it is enrolled with, and into the directory. Everything that depends on the
state is decided inside the attempt, after a retry had its chance to meet its own rows. The people that the
act concerns are opened before anything is refused, and the use case audits the refusal. A stored write is
its own audit.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

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
from services.records.people import ConcernedPeople
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
    """The first document of the act: the Patient, unless `person` turns out to be somebody known."""

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


def store(
    request: HttpRequest,
    survey: BundleSurvey,
    caller: Caller,
    people: ConcernedPeople,
    ports: Ports,
    entry_key: str = "",
) -> ActOutcome:
    """Store what the entries ask for, once; `entry_key` tells the acts of one request apart.

    Raises the refusals of `carevouch.records.survey` and `bundle`, and what the store raises.
    """
    # So that a refusal is audited with the person it was about, where the references say that alone.
    named = None
    with suppress(DomainError):  # They name several; that is refused below.
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
            if not is_first:  # A rival was first: the person may be another one by now.
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

    A reference by identifier to a person whom the caller has no link with leads nowhere, as if nobody had the
    identifier. Otherwise everybody who knows an identifier could ask who is here.
    """
    documents = {}
    claimed = survey.claimed()
    for identifier, doc in ports.index.resolve(survey.identifiers()).items():
        is_foreign = doc.type == PATIENT and identifier not in claimed
        if is_foreign and not ports.access.is_enrolled(caller, doc.id):
            people.visit(doc.id)  # The refusal to come is audited with them.
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
    """The latest revisions of what is to be updated, which the caller may change; and their authors."""
    current, authors = {}, {}
    entries = {entry.index: entry for entry in survey.entries}
    for index, doc in survey.updated().items():
        stored = ports.store.reader.find(doc)
        if stored is None:
            raise NotFound(ABSENT)
        # The author is that of version 1: what later versions say of it was written by their own authors.
        first: StoredRevision | None = stored
        if stored.version > 1:
            first = ports.store.reader.partition_of(doc).version(doc, 1)
        authors[doc] = author_of(resource_of(doc.type, first.body)) if first else None
        if is_directory(doc.type):
            if authors[doc] != caller.reference:
                raise Forbidden("a document of the directory is changed by its author only")
        elif isinstance(people.visit(str(doc.subject)).may_correct(stored, authors[doc]), ReadRefused):
            raise NotFound(ABSENT)
        entry = entries[index]
        match = _IF_MATCH.fullmatch(entry.if_match or "")
        if match is None:
            raise Invalid(
                'an update names the version it changes: send If-Match with its ETag, such as W/"1"'
            )
        if int(match[1]) != stored.version:
            raise PreconditionFailed("another version is current; read it and apply your change to that one")
        is_foreign_patient = doc.type == "Patient" and authors[doc] != caller.reference
        known = identifiers_of(resource_of(doc.type, stored.body)) if is_foreign_patient else None
        # A person is found by these: somebody else's change could make the person unfindable.
        if is_foreign_patient and identifiers_of(entry.resource or {}) != known:
            raise Forbidden("only the organisation that registered a person changes their identifiers")
        current[doc] = stored
    return current, authors


def _plan(
    placement: Placement,
    current: Mapping[Doc, StoredRevision],
    retriable: ActRequest,
    caller: Caller,
    ports: Ports,
) -> ActPlan:
    """The act to be stored; a new person's key is made here, last of all, because a key once made stays."""
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

    The writer refuses the same, but it needs the person's key to encrypt. A refused Bundle would then leave a
    living person of whom there is nothing.
    """
    sizes = [NONCE_BYTES + len(draft.body) + _ENCRYPTION_BYTES for draft in drafts]
    for draft, size in zip(drafts, sizes, strict=True):
        if size > MAX_ROW_BYTES:
            limit = f"{MAX_ROW_BYTES // 1000} KB"
            raise TooLarge(f"a {draft.doc.type} is larger than {limit}; store it in parts")
    if retriable.key is not None:
        remembered_bytes = len(remembered_answer(retriable, answer, bytes(NONCE_BYTES))) + _ENCRYPTION_BYTES
        if sizes[0] + remembered_bytes > MAX_ROW_BYTES:
            raise TooLarge("the first document and the answer do not fit one row; split the request")
    if identifiers + _OTHER_ROWS > MAX_TRANSACTION:
        raise TooLarge(
            f"a new person is tied with at most {MAX_TRANSACTION - _OTHER_ROWS} identifiers; split it"
        )
