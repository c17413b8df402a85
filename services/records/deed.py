"""One act of the records door, from the entries of a Bundle (or a plain create or update) to stored rows.

A provider writes about people it is enrolled with, and into the directory. Everything that depends on the
state is decided inside the attempt, after a retry had its chance to meet its own rows. Whom the act concerns
is visited before anything is refused, and whoever calls audits the refusal; what is written is its own audit.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from carevouch.door.access import event_id
from carevouch.door.http import ABSENT
from carevouch.events.envelope import parse_event
from carevouch.identity.caller import PROVIDER, Caller
from carevouch.identity.links import enrolment_body, identifiers_of
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import DomainError, Forbidden, Invalid, NotFound, PreconditionFailed
from carevouch.kernel.ids import Doc
from carevouch.records.access import ReadRefused
from carevouch.records.bundle import (
    EntryOutcome,
    Placement,
    Stamp,
    StoreFacts,
    document_of,
    place,
    remembered,
    told_again,
)
from carevouch.records.resource import STORED, author_of, is_directory, resource_of
from carevouch.records.survey import PATIENT, BundleSurvey, Identifier, whose
from carevouch.store.documents import (
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    StoredAnswer,
    StoredRevision,
)
from services.records.limits import require_room
from services.records.lookups import enrolment_doc, existing, is_enrolled, require_enrolment, resolve
from services.records.ports import Ports
from services.records.visits import Visits

_IF_MATCH = re.compile(r'(?:W/)?"([1-9][0-9]{0,9})"', re.ASCII)


@dataclass(frozen=True, slots=True)
class ActOutcome:
    """What was done: an answer per entry, and the act, unless everything was there already."""

    done: tuple[EntryOutcome, ...]
    time: str
    committed: CommittedAct | None = None

    def body(self, doc: Doc) -> bytes | None:
        """The body that was just written, if it was in this request."""
        written = self.committed.stored if self.committed else ()
        return next((draft.body for draft in written if draft.doc == doc), None)


class _AllThere(Exception):
    """Nothing is left to store."""

    def __init__(self, placed: Placement) -> None:
        super().__init__("nothing to store")
        self.placed = placed


class Deed:
    """An act in the making."""

    def __init__(self, ports: Ports, caller: Caller, visits: Visits, asked: BundleSurvey) -> None:
        self._ports = ports
        self._caller = caller
        self._visits = visits
        self._asked = asked
        self._person: str | None = None
        self._found: Mapping[Identifier, Doc] = {}
        self._fresh = False
        self._names: dict[str, ActNames] = {}

    def do(self, request: ActRequest) -> ActOutcome:
        """Do it once; raises the refusals of `write` and `bundle`, and what the writer raises."""
        self._admit()
        self._look()
        try:
            committed = self._ports.store.writer.perform(
                request, self._first, lambda naming: self._build(request, naming)
            )
        except _AllThere as nothing:
            return ActOutcome(nothing.placed.done, self._ports.store.clock())
        naming = self._names[event_id(committed)]
        done = told_again(self._asked, committed.answer.references, naming.part)
        return ActOutcome(done, parse_event(committed.event).time, committed)

    def _admit(self) -> None:
        # So that a refusal is audited with the person it was about, where the references say that alone.
        person = _named(self._asked)
        if person is None:
            self._visits.require_purpose()
        else:
            self._visits.of(person)
        self._caller.require_role(PROVIDER)
        for entry in self._asked.entries:
            self._caller.require_scope(entry.type, "u" if entry.method == "PUT" else "c")

    def _look(self) -> None:
        found = resolve(self._asked.identifiers(), self._ports)
        self._found = {each: doc for each, doc in found.items() if not self._is_hidden(each, doc)}
        self._person = whose(self._asked, self._found)
        if self._person is not None:
            self._visits.of(self._person)
            require_enrolment(self._caller, self._person, self._ports)
        self._fresh = True

    def _is_hidden(self, identifier: Identifier, doc: Doc) -> bool:
        """Whether a reference by identifier leads to a person whom the caller has no link with.

        It then leads nowhere, as if nobody had the identifier: else whoever knows one could ask who is here.
        """
        if doc.type != PATIENT or identifier in self._asked.claimed():
            return False
        if is_enrolled(self._caller, doc.id, self._ports):
            return False
        self._visits.of(doc.id)  # the refusal to come is audited with them
        return True

    def _first(self, naming: ActNames) -> Doc:
        self._names[naming.event_id] = naming
        asked = self._asked
        if asked.patient is not None and self._person not in (None, naming.part(asked.patient)):
            asked = asked.without_patient()
            if not asked.entries:
                return Doc("Patient", str(self._person))
        new = naming.part(asked.patient) if asked.patient is not None else None
        return document_of(asked.first(), self._person or new, naming.part)

    def _build(self, request: ActRequest, naming: ActNames) -> ActPlan:
        self._names[naming.event_id] = naming
        if not self._fresh:  # a rival was first: the person may be another one by now
            self._look()
        self._fresh = False
        current, authors = self._current()
        there = existing(self._asked.local.values(), self._ports)
        versions = {doc: stored.version for doc, stored in current.items()}
        world = StoreFacts(self._found, there, versions, self._person, authors)
        stamp = Stamp(self._caller.reference, naming.time, naming.part)
        placed = place(self._asked, world, stamp)
        if not placed.writes:
            raise _AllThere(placed)
        return self._plan(request, placed, current)

    def _current(self) -> tuple[dict[Doc, StoredRevision], dict[Doc, str | None]]:
        """The latest revisions of what is to be updated, which the caller may change; and their authors."""
        found, authors = {}, {}
        for index, doc in self._asked.updated().items():
            stored = self._ports.store.reader.find(doc)
            if stored is None:
                raise NotFound(ABSENT)
            authors[doc] = self._author_of(stored)
            self._require_change(stored, authors[doc])
            entry = next(entry for entry in self._asked.entries if entry.index == index)
            _require_match(entry.if_match, stored)
            if doc.type == "Patient" and authors[doc] != self._caller.reference:
                _require_identifiers(entry.resource or {}, stored)
            found[doc] = stored
        return found, authors

    def _author_of(self, stored: StoredRevision) -> str | None:
        """Who wrote version 1: what later versions say of it was written by whoever wrote these."""
        if stored.version == 1:
            return author_of(resource_of(stored.doc.type, stored.body))
        first = self._ports.store.reader.partition_of(stored.doc).version(stored.doc, 1)
        return author_of(resource_of(first.doc.type, first.body)) if first else None

    def _require_change(self, stored: StoredRevision, author: str | None) -> None:
        if is_directory(stored.doc.type):
            if author != self._caller.reference:
                raise Forbidden("a document of the directory is changed by its author only")
            return
        visit = self._visits.of(str(stored.doc.subject))
        if isinstance(visit.may_correct(stored, author), ReadRefused):
            raise NotFound(ABSENT)

    def _plan(self, request: ActRequest, placed: Placement, current: Mapping[Doc, StoredRevision]) -> ActPlan:
        drafts = [Draft(write.doc, write.body, current.get(write.doc)) for write in placed.writes]
        answer, blind = StoredAnswer(200, remembered(placed)), self._blind(placed)
        if placed.new_person and placed.person is not None:
            link = enrolment_doc(self._caller, placed.person, self._ports)
            drafts.append(Draft(link, enrolment_body(placed.person, self._caller.id)))
            require_room(drafts, len(blind), request, answer)
            # Last of all: a key once made stays.
            self._ports.store.reader.keys.create(placed.person)
        return ActPlan(
            placed.event_type,
            tuple(drafts),
            answer,
            tuple({draft.doc.subject: None for draft in drafts if draft.doc.subject}),
            blind,
            staged=placed.event_type == STORED,
        )

    def _blind(self, placed: Placement) -> tuple[tuple[str, Doc], ...]:
        if not placed.identifiers:
            return ()
        key = self._ports.store.reader.keys.deployment()
        return tuple((key.blind(*identifier), doc) for identifier, doc in placed.identifiers)


def _named(asked: BundleSurvey) -> str | None:
    """The person that the references alone name; None also where they name several."""
    with suppress(DomainError):
        return whose(asked, {})
    return None


def _require_identifiers(resource: JsonObject, stored: StoredRevision) -> None:
    """A person is found by these: whoever could change them could make the person unfindable for others."""
    if identifiers_of(resource) != identifiers_of(resource_of("Patient", stored.body)):
        raise Forbidden("only the organisation that registered a person changes their identifiers")


def _require_match(given: str | None, stored: StoredRevision) -> None:
    match = _IF_MATCH.fullmatch(given or "")
    if match is None:
        raise Invalid('an update names the version it changes: send If-Match with its ETag, such as W/"1"')
    if int(match[1]) != stored.version:
        raise PreconditionFailed("another version is current; read it and apply your change to that one")
