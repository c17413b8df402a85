"""Makes an act from the entries of a Bundle, or from one create or update.

There are three steps. `survey` finds the lookups that the entries need. The service does all of them at
once. `place` gives every entry its document and rewrites the references. An act concerns at most one person,
and the directory. Issues name the element, never its content. Standard:
http://hl7.org/fhir/R4/http.html#transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from carevouch.consent.signature import body_of
from carevouch.fhir.bundle import Entry
from carevouch.fhir.compartment import subjects
from carevouch.fhir.references import rewrite
from carevouch.kernel.errors import Conflict, Issue, Malformed
from carevouch.kernel.ids import Doc, about, directory, parse_reference
from carevouch.kernel.jsontext import render
from carevouch.records.resource import STORED, UPDATED, is_directory, stamped
from carevouch.records.survey import PATIENT, BundleSurvey, Identifier, own_identifiers, raise_issues


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The results of the lookups.

    `documents` are those that the identifiers lead to. `existing` are the local documents that exist.
    `versions` are the current versions of documents to update, and `authors` their authors, where known: an
    update keeps the author. `person` is the person of the act, None if new or nobody.
    """

    documents: Mapping[Identifier, Doc]
    existing: frozenset[Doc]
    versions: Mapping[Doc, int]
    person: str | None
    authors: Mapping[Doc, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The acting caller, the time, and the source of new ids: `part(index)` is the one of that entry."""

    author: str
    time: str
    part: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Write:
    """One revision to append; `version` above 1 follows the current one."""

    doc: Doc
    version: int
    body: bytes


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """The result of one entry: 201 for a new document, 200 for any other.

    `version` is 0 for an existing document, which is left as it is.
    """

    status: int
    doc: Doc
    version: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The act: its revisions in order, identifiers to tie, and the outcome of each entry."""

    writes: tuple[Write, ...]
    identifiers: tuple[tuple[Identifier, Doc], ...]
    outcomes: tuple[EntryOutcome, ...]
    person: str | None
    new_person: bool
    event_type: str


def place(survey: BundleSurvey, facts: StoreFacts, stamp: Stamp) -> Placement:
    """Make the act from the entries.

    Raises `Unprocessable` with the issues, and `Conflict` for an identifier of another document.
    """
    person, new_person = facts.person, False
    if survey.patient is not None and person is None:
        person, new_person = stamp.part(survey.patient), True
    tied: dict[Identifier, Doc] = {}
    outcomes: dict[int, EntryOutcome] = {}
    issues: list[Issue] = []
    for entry in survey.entries:
        outcomes[entry.index] = _assign(entry, survey, facts, stamp, person, tied, issues)
    mapping = _mapping(survey, facts, tied, outcomes, issues)
    for entry in survey.entries:
        issues += _subject_issues(entry, survey, mapping, person)
        if new_person and entry.method == "PUT":
            message = "a Bundle with a new person may only create; send the updates separately"
            issues.append(Issue(message, survey.where[entry.index], "not-supported"))
    raise_issues(issues)
    links = {text: str(outcomes[index].doc) for text, index in survey.links.items()}
    writes = []
    for entry in sorted(survey.entries, key=survey.rank):
        outcome, is_update = outcomes[entry.index], entry.method == "PUT"
        if outcome.status != 201 and not is_update:
            continue
        resource = rewrite(entry.resource or {}, lambda text: mapping.get(text, text), links)
        author = facts.authors.get(outcome.doc) if is_update else stamp.author
        writer = stamp.author if is_update else None
        whole = stamped(resource, outcome.doc.id, outcome.version, stamp.time, author, writer)
        body = render(whole)
        if entry.type == "Consent":  # Without a device's signature here, so it permits nothing.
            body = body_of(body, None)
        writes.append(Write(outcome.doc, outcome.version, body))
    return Placement(
        tuple(writes),
        tuple(tied.items()),
        tuple(outcomes[entry.index] for entry in survey.entries),
        person,
        new_person,
        UPDATED if any(write.version > 1 for write in writes) else STORED,
    )


def document_of(entry: Entry, person: str | None, part: Callable[[int], str]) -> Doc:
    """The document that an entry creates or updates. `person` is None if new or nobody."""
    if entry.method == "PUT":
        return Doc(entry.type, entry.id or "")
    own = part(entry.index)
    if entry.type == PATIENT:
        return Doc(PATIENT, own)
    if is_directory(entry.type):
        return Doc(entry.type, directory(own))
    # Without a person the entry will be refused, since it does not say whose document it is.
    return Doc(entry.type, about(person or own, own))


def answer_references(placement: Placement) -> tuple[str, ...]:
    """The part of the answer that a retry cannot derive: the person, and entries without a new document."""
    others = (
        f"{at} {one.status} {one.doc} {one.version}"
        for at, one in enumerate(placement.outcomes)
        if one.status != 201
    )
    return (placement.person or "", *others)


def repeated_outcomes(
    survey: BundleSurvey, references: Sequence[str], part: Callable[[int], str]
) -> tuple[EntryOutcome, ...]:
    """The outcomes of an act that was stored before. `part` gives the ids of that time."""
    person, *others = references
    known = {}
    for line in others:
        at, status, doc, version = line.split(" ")
        known[int(at)] = EntryOutcome(int(status), parse_reference(doc), int(version))
    return tuple(
        known.get(at) or EntryOutcome(201, document_of(entry, person or None, part), 1)
        for at, entry in enumerate(survey.entries)
    )


def _assign(
    entry: Entry,
    survey: BundleSurvey,
    facts: StoreFacts,
    stamp: Stamp,
    person: str | None,
    tied: dict[Identifier, Doc],
    issues: list[Issue],
) -> EntryOutcome:
    """Give one entry its document, and tie its identifiers to it."""
    if entry.method == "PUT":
        doc = document_of(entry, person, stamp.part)
        outcome = EntryOutcome(200, doc, facts.versions[doc] + 1)
    elif entry.index == survey.patient and facts.person is not None:
        return EntryOutcome(200, Doc(PATIENT, facts.person), 0)
    else:
        condition = survey.conditions.get(entry.index)
        existing = _document_with(condition, facts, tied) if condition is not None else None
        if existing is not None:
            return EntryOutcome(200, existing, 0)
        outcome = EntryOutcome(201, document_of(entry, person, stamp.part), 1)
    for each in own_identifiers(entry):
        holder = tied.get(each)
        if holder is not None and holder != outcome.doc:
            message = "an earlier entry has the same identifier"
            issues.append(Issue(message, survey.where[entry.index], "duplicate"))
        elif facts.documents.get(each, outcome.doc) != outcome.doc:
            raise Conflict(
                "another record has one of these identifiers; use that one (ifNoneExist), or correct them"
            )
        elif each not in facts.documents:
            tied[each] = outcome.doc
    return outcome


def _document_with(identifier: Identifier, facts: StoreFacts, tied: Mapping[Identifier, Doc]) -> Doc | None:
    """The document with an identifier: a stored one, or one of an earlier entry."""
    return facts.documents.get(identifier) or tied.get(identifier)


def _mapping(
    survey: BundleSurvey,
    facts: StoreFacts,
    tied: Mapping[Identifier, Doc],
    outcomes: Mapping[int, EntryOutcome],
    issues: list[Issue],
) -> dict[str, str]:
    """Each distinct reference with the reference that is stored in its place."""
    mapping: dict[str, str] = {}
    for text, where in survey.places.items():
        if text in survey.links:
            mapping[text] = str(outcomes[survey.links[text]].doc)
        elif text in survey.queries:
            doc = _document_with(survey.queries[text], facts, tied)
            if doc is None:
                message = "no document here has this identifier; store it first"
                issues.append(Issue(message, where, "not-found"))
            else:
                mapping[text] = str(doc)
        elif text in survey.local:
            doc = survey.local[text]
            if doc not in facts.existing:
                issues.append(Issue("the reference leads to no document here", where, "not-found"))
            _, history, version = text.partition("/_history/")
            mapping[text] = f"{doc}{history}{version}"
        else:
            mapping[text] = text
    return mapping


def _subject_issues(
    entry: Entry, survey: BundleSurvey, mapping: Mapping[str, str], person: str | None
) -> Iterator[Issue]:
    """The issues of an entry that names no subject, or another one."""
    if entry.type == PATIENT or is_directory(entry.type):
        return
    people = set()
    for text in subjects(entry.resource or {}):
        try:
            people.add(parse_reference(mapping.get(text, text).partition("/_history/")[0]).subject)
        except Malformed:  # A reference to elsewhere names nobody here.
            continue
    people.discard(None)
    if not people:
        message = "this must say whose document it is: a reference to the person"
        yield Issue(message, survey.where[entry.index], "required")
    elif people != {person}:
        yield Issue("this is about another person than the rest", survey.where[entry.index], "invalid")
