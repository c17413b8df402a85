"""How the entries of a Bundle (or the one of a plain create or update) become an act.

Three steps, so that the store is asked once for everything: `survey` finds what must be looked up, in one
pass; the shell looks it up; `place` gives every entry its document and rewrites what they say of each other.
One act concerns one person at the most, and the directory. Findings name the element, never what it says.
Standard: http://hl7.org/fhir/R4/http.html#transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from carevouch.fhir.bundle import Entry
from carevouch.fhir.compartment import subjects
from carevouch.fhir.references import rewrite
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Conflict, Issue, Malformed
from carevouch.kernel.ids import Doc, about, directory, parse_reference
from carevouch.records.resource import STORED, UPDATED, is_directory, stamped, stored_body
from carevouch.records.survey import PATIENT, BundleSurvey, Identifier, own_identifiers, raise_issues, rank


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the lookups found: documents by identifier, those that exist, and versions of those to update.

    `person` is the one whose documents these are, None if they are new or nobody's. `authors` are those of
    the documents to update, where known: an update does not change them.
    """

    found: Mapping[Identifier, Doc]
    existing: frozenset[Doc]
    current: Mapping[Doc, int]
    person: str | None
    authors: Mapping[Doc, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who acts and when, and where new ids come from: `part(index)` for the entry of that index."""

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
    """What became of one entry: 201 created, 200 updated or already there."""

    status: int
    doc: Doc
    version: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The act: revisions in its order, identifiers to tie to documents, and the answer to each entry."""

    writes: tuple[Write, ...]
    identifiers: tuple[tuple[Identifier, Doc], ...]
    done: tuple[EntryOutcome, ...]
    person: str | None
    new_person: bool
    event_type: str


def place(asked: BundleSurvey, world: StoreFacts, stamp: Stamp) -> Placement:
    """The act; raises `Unprocessable` with findings, `Conflict` for an identifier of another document."""
    person = world.person
    new_person = person is None and asked.patient is not None
    if asked.patient is not None and person is None:
        person = stamp.part(asked.patient)
    tied: dict[Identifier, Doc] = {}
    done: dict[int, EntryOutcome] = {}
    issues: list[Issue] = []
    for entry in asked.entries:
        done[entry.index] = _assign(entry, asked, world, stamp, person, tied, issues)
    mapping = _mapping(asked, world, tied, done, issues)
    for entry in asked.entries:
        issues += _about(entry, asked, mapping, person)
        if new_person and entry.method == "PUT":
            message = "a Bundle that makes a new person only creates; send updates apart"
            issues.append(Issue(message, asked.where(entry.index), "not-supported"))
    raise_issues(issues)
    links = {text: str(done[index].doc) for text, index in asked.links.items()}
    writes = [
        _write(entry, done[entry.index], mapping, links, stamp, world)
        for entry in sorted(asked.entries, key=lambda entry: rank(entry, asked))
        if done[entry.index].status == 201 or entry.method == "PUT"
    ]
    updates = any(write.version > 1 for write in writes)
    return Placement(
        tuple(writes),
        tuple(tied.items()),
        tuple(done[entry.index] for entry in asked.entries),
        person,
        new_person,
        UPDATED if updates else STORED,
    )


def document_of(entry: Entry, person: str | None, part: Callable[[int], str]) -> Doc:
    """The document of an entry that updates or creates one; `person` is None while they are new."""
    if entry.method == "PUT":
        return Doc(entry.type, entry.id or "")
    own = part(entry.index)
    if entry.type == PATIENT:
        return Doc(PATIENT, own)
    if is_directory(entry.type):
        return Doc(entry.type, directory(own))
    # Without a person the entry is refused, for it does not say whose it is.
    return Doc(entry.type, about(person or own, own))


def remembered(placed: Placement) -> tuple[str, ...]:
    """What a retry must be told that it cannot derive again: the person, and the entries not created."""
    others = (
        f"{at} {one.status} {one.doc} {one.version}"
        for at, one in enumerate(placed.done)
        if one.status != 201
    )
    return (placed.person or "", *others)


def told_again(
    asked: BundleSurvey, references: Sequence[str], part: Callable[[int], str]
) -> tuple[EntryOutcome, ...]:
    """The answers of an act that was done before, from what `remembered` kept; `part` as it was then."""
    person, *others = references
    known = {}
    for line in others:
        at, status, doc, version = line.split(" ")
        known[int(at)] = EntryOutcome(int(status), parse_reference(doc), int(version))
    return tuple(
        known.get(at) or EntryOutcome(201, document_of(entry, person or None, part), 1)
        for at, entry in enumerate(asked.entries)
    )


def _assign(
    entry: Entry,
    asked: BundleSurvey,
    world: StoreFacts,
    stamp: Stamp,
    person: str | None,
    tied: dict[Identifier, Doc],
    issues: list[Issue],
) -> EntryOutcome:
    """The document of one entry, its identifiers tied to it."""
    own = own_identifiers(entry)
    if entry.method == "PUT":
        doc = document_of(entry, person, stamp.part)
        done = EntryOutcome(200, doc, world.current[doc] + 1)
    elif entry.index == asked.patient and world.person is not None:
        return EntryOutcome(200, Doc(PATIENT, world.person), 0)
    else:
        there = _there(asked.conditions.get(entry.index), world, tied)
        if there is not None:
            return EntryOutcome(200, there, 0)
        done = EntryOutcome(201, document_of(entry, person, stamp.part), 1)
    for each in own:
        holder = tied.get(each)
        if holder is not None and holder != done.doc:
            message = "an earlier entry has the same identifier"
            issues.append(Issue(message, asked.where(entry.index), "duplicate"))
        elif world.found.get(each, done.doc) != done.doc:
            raise Conflict(
                "another record has one of these identifiers; use that one (ifNoneExist), or correct them"
            )
        elif each not in world.found:
            tied[each] = done.doc
    return done


def _there(condition: Identifier | None, world: StoreFacts, tied: Mapping[Identifier, Doc]) -> Doc | None:
    if condition is None:
        return None
    return world.found.get(condition) or tied.get(condition)


def _mapping(
    asked: BundleSurvey,
    world: StoreFacts,
    tied: Mapping[Identifier, Doc],
    done: Mapping[int, EntryOutcome],
    issues: list[Issue],
) -> dict[str, str]:
    """What each reference becomes."""
    mapping: dict[str, str] = {}
    for text, where in asked.places.items():
        if text in asked.links:
            mapping[text] = str(done[asked.links[text]].doc)
        elif text in asked.queries:
            doc = _there(asked.queries[text], world, tied)
            if doc is None:
                issues.append(Issue("nothing has this identifier here; load it first", where, "not-found"))
            else:
                mapping[text] = str(doc)
        elif text in asked.local:
            doc = asked.local[text]
            if doc not in world.existing:
                issues.append(Issue("the reference leads to no document here", where, "not-found"))
            mapping[text] = str(doc) + _version(text)
        else:
            mapping[text] = text
    return mapping


def _version(text: str) -> str:
    _, mark, version = text.partition("/_history/")
    return mark + version


def _about(
    entry: Entry, asked: BundleSurvey, mapping: Mapping[str, str], person: str | None
) -> Iterator[Issue]:
    """Whether the entry says whose document it is, if it is anybody's."""
    if entry.type == PATIENT or is_directory(entry.type):
        return
    people = {_subject(mapping.get(text, text)) for text in subjects(entry.resource or {})} - {None}
    if not people:
        message = "this must say whose document it is: a reference to the person"
        yield Issue(message, asked.where(entry.index), "required")
    elif people != {person}:
        yield Issue("this is about another person than the rest", asked.where(entry.index), "invalid")


def _subject(reference: str) -> str | None:
    try:
        return parse_reference(reference.partition("/_history/")[0]).subject
    except Malformed:
        return None


def _write(
    entry: Entry,
    done: EntryOutcome,
    mapping: Mapping[str, str],
    links: Mapping[str, str],
    stamp: Stamp,
    world: StoreFacts,
) -> Write:
    resource: JsonObject = rewrite(entry.resource or {}, lambda text: mapping.get(text, text), links)
    is_update = done.version > 1
    author = world.authors.get(done.doc) if is_update else stamp.author
    writer = stamp.author if is_update else None
    whole = stamped(resource, done.doc.id, done.version, stamp.time, author, writer)
    return Write(done.doc, done.version, stored_body(whole))
