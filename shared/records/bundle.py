"""How the entries of a Bundle (or the one of a plain create or update) become an act.

Three steps, so that the store is asked once for everything: `survey` finds what must be looked up, in one
pass; the shell looks it up; `place` gives every entry its document and rewrites what they say of each other.
One act concerns one person at the most, and the directory. Findings name the element, never what it says.
Standard: http://hl7.org/fhir/R4/http.html#transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.fhir.bundle import Entry
from shared.fhir.compartment import subjects
from shared.fhir.references import Target, identifier_query, parse, rewrite, walk
from shared.fhir.validate import MAX_ISSUES
from shared.identity.identifiers import identifiers_of
from shared.kernel.canonical import JsonObject
from shared.kernel.errors import Conflict, Invalid, Issue, Malformed, NotFound, Unprocessable
from shared.kernel.ids import Doc, about, directory, parse_doc, parse_reference
from shared.records.content import stamped
from shared.records.write import (
    STORED,
    UPDATED,
    has_identifiers,
    is_directory,
    stored_body,
    why_not_stored,
    why_not_updated,
)

PATIENT = "Patient"
# (type, system, value): what an identifier row is found by.
Identifier = tuple[str, str, str]
Where = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Survey:
    """What the entries need to know before they can be placed.

    `places` maps each distinct reference to the first element that holds it; `queries` those that are
    conditional, `local` those to documents of this server; `conditions` are the entries' ifNoneExist.
    `patient` is the index of the Patient to be created, if there is one.
    """

    entries: tuple[Entry, ...]
    links: Mapping[str, int]
    places: Mapping[str, str]
    queries: Mapping[str, Identifier]
    local: Mapping[str, Doc]
    conditions: Mapping[int, Identifier]
    patient: int | None
    where: Where

    def identifiers(self) -> set[Identifier]:
        """Everything to be looked up in the index, each once."""
        return {
            *self.queries.values(),
            *self.conditions.values(),
            *(each for entry in self.entries for each in own_identifiers(entry)),
        }

    def updated(self) -> dict[int, Doc]:
        """The documents that the entries update, by the entry's index."""
        return {one.index: Doc(one.type, one.id) for one in self.entries if one.method == "PUT" and one.id}

    def first(self) -> Entry:
        """The entry whose document is the first of the act, unless its Patient turns out to be known."""
        return min(self.entries, key=lambda entry: _rank(entry, self))

    def without_patient(self) -> "Survey":
        """The same act when its Patient is known already: what else there is to store."""
        rest = tuple(entry for entry in self.entries if entry.index != self.patient)
        return replace(self, entries=rest, patient=None)


@dataclass(frozen=True, slots=True)
class World:
    """What the lookups found: documents by identifier, those that exist, and versions of those to update.

    `person` is the one whose documents these are, None if they are new or nobody's.
    """

    found: Mapping[Identifier, Doc]
    existing: frozenset[Doc]
    current: Mapping[Doc, int]
    person: str | None


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
class Done:
    """What became of one entry: 201 created, 200 updated or already there."""

    status: int
    doc: Doc
    version: int


@dataclass(frozen=True, slots=True)
class Placed:
    """The act: revisions in its order, identifiers to tie to documents, and the answer to each entry."""

    writes: tuple[Write, ...]
    identifiers: tuple[tuple[Identifier, Doc], ...]
    done: tuple[Done, ...]
    person: str | None
    new_person: bool
    event_type: str


def in_bundle(index: int) -> str:
    """Where the resource of an entry stands in what was sent."""
    return f"Bundle.entry[{index}].resource"


def survey(entries: Sequence[Entry], links: Mapping[str, int], base: str, where: Where = in_bundle) -> Survey:
    """Everything to be looked up; raises `Unprocessable` for what no lookup could mend."""
    issues = [issue for entry in entries for issue in _refusals(entry, where)]
    places: dict[str, str] = {}
    for entry in entries:
        for place, text in walk(entry.resource or {}):
            if text not in places:
                places[text] = where(entry.index) + place[len(entry.type) :]
    queries: dict[str, Identifier] = {}
    local: dict[str, Doc] = {}
    for text, place in places.items():
        if text not in links:
            issues += _sort(text, place, parse(text, base), queries, local)
    conditions: dict[int, Identifier] = {}
    for entry in entries:
        issues += _condition(entry, where, conditions)
    patients = [entry.index for entry in entries if entry.type == PATIENT and entry.method == "POST"]
    issues += [
        Issue("an act creates one person at the most; send a Bundle for each", where(index), "not-supported")
        for index in patients[1:]
    ]
    _raise(issues)
    patient = patients[0] if patients else None
    return Survey(tuple(entries), dict(links), places, queries, local, conditions, patient, where)


def whose(asked: Survey, found: Mapping[Identifier, Doc]) -> str | None:
    """The existing person that the entries are about; None if they make a new one or are about nobody.

    Raises `Unprocessable` for several people, `Conflict` where a Patient's identifiers lead to several.
    """
    known: dict[str, str] = {}
    for text, doc in asked.local.items():
        if doc.subject:
            known.setdefault(doc.subject, asked.places[text])
    for text, query in asked.queries.items():
        if query in found and found[query].subject:
            known.setdefault(found[query].subject or "", asked.places[text])
    for index, doc in asked.updated().items():
        if doc.subject:
            known.setdefault(doc.subject, asked.where(index))
    if asked.patient is not None:
        _add_registered(asked, asked.patient, found, known)
    if len(known) > 1:
        message = "one act is about one person; send a Bundle for each"
        _raise([Issue(message, place, "invalid") for place in list(known.values())[1:]])
    return next(iter(known), None) or None


def place(asked: Survey, world: World, stamp: Stamp) -> Placed:
    """The act; raises `Unprocessable` with findings, `Conflict` for an identifier of another document."""
    person = world.person
    new_person = person is None and asked.patient is not None
    if asked.patient is not None and person is None:
        person = stamp.part(asked.patient)
    tied: dict[Identifier, Doc] = {}
    done: dict[int, Done] = {}
    issues: list[Issue] = []
    for entry in asked.entries:
        done[entry.index] = _assign(entry, asked, world, stamp, person, tied, issues)
    mapping = _mapping(asked, world, tied, done, issues)
    for entry in asked.entries:
        issues += _about(entry, asked, mapping, person)
        if new_person and entry.method == "PUT":
            message = "a Bundle that makes a new person only creates; send updates apart"
            issues.append(Issue(message, asked.where(entry.index), "not-supported"))
    _raise(issues)
    links = {text: str(done[index].doc) for text, index in asked.links.items()}
    writes = [
        _write(entry, done[entry.index], mapping, links, stamp)
        for entry in sorted(asked.entries, key=lambda entry: _rank(entry, asked))
        if done[entry.index].status == 201 or entry.method == "PUT"
    ]
    updates = any(write.version > 1 for write in writes)
    return Placed(
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


def remembered(placed: Placed) -> tuple[str, ...]:
    """What a retry must be told that it cannot derive again: the person, and the entries not created."""
    others = (
        f"{at} {one.status} {one.doc} {one.version}"
        for at, one in enumerate(placed.done)
        if one.status != 201
    )
    return (placed.person or "", *others)


def told_again(asked: Survey, references: Sequence[str], part: Callable[[int], str]) -> tuple[Done, ...]:
    """The answers of an act that was done before, from what `remembered` kept; `part` as it was then."""
    person, *others = references
    known = {}
    for line in others:
        at, status, doc, version = line.split(" ")
        known[int(at)] = Done(int(status), parse_reference(doc), int(version))
    return tuple(
        known.get(at) or Done(201, document_of(entry, person or None, part), 1)
        for at, entry in enumerate(asked.entries)
    )


def own_identifiers(entry: Entry) -> list[Identifier]:
    """The identifiers that no other document may have, if the entry's type is one that is found by them."""
    if not has_identifiers(entry.type):
        return []
    return [(entry.type, system, value) for system, value in identifiers_of(entry.resource or {})]


# --- surveying ---------------------------------------------------------------------------------------------


def _refusals(entry: Entry, where: Where) -> Iterator[Issue]:
    reason = why_not_updated(entry.type) if entry.method == "PUT" else why_not_stored(entry.type)
    if reason:
        yield Issue(reason, where(entry.index), "not-supported")
    elif entry.method == "PUT":
        try:
            parse_doc(entry.type, entry.id or "")
        except NotFound as error:
            yield Issue(error.message, where(entry.index), "not-found")


def _sort(
    text: str, where: str, target: Target, queries: dict[str, Identifier], local: dict[str, Doc]
) -> Iterator[Issue]:
    """Put one reference where it belongs, or say why it cannot be followed."""
    if target.form == "conditional":
        try:
            system, value = identifier_query(target)
        except Invalid as error:
            yield Issue(error.message, where, "not-supported")
            return
        if not has_identifiers(target.type or ""):
            yield Issue("only people and the directory are found by identifier", where, "not-supported")
            return
        queries[text] = (target.type or "", system, value)
    elif target.form == "local":
        try:
            local[text] = _local(target)
        except Malformed as error:
            yield Issue(error.message, where, "not-found")
    elif target.form in ("urn", "unknown"):
        message = (
            "no entry beside this one has that fullUrl"
            if target.form == "urn"
            else "this is no reference of FHIR R4"
        )
        yield Issue(message, where, "not-found")


def _local(target: Target) -> Doc:
    doc = parse_reference(f"{target.type}/{target.id}")
    if why_not_stored(doc.type) or (target.version and not target.version.isdecimal()):
        raise Malformed("the reference does not name a document of this server")
    return doc


def _condition(entry: Entry, where: Where, conditions: dict[int, Identifier]) -> Iterator[Issue]:
    if not entry.if_none_exist:
        return
    named = where(entry.index).removesuffix(".resource")
    at = f"{named}.request.ifNoneExist" if named.startswith("Bundle") else "If-None-Exist"
    if not has_identifiers(entry.type):
        yield Issue("a conditional create is for people and the directory only", at, "not-supported")
        return
    try:
        system, value = identifier_query(Target("conditional", query=entry.if_none_exist))
    except Invalid:
        yield Issue("a conditional create is by identifier=system|value", at, "not-supported")
        return
    if (entry.type, system, value) not in own_identifiers(entry):
        yield Issue("the resource has no such identifier itself", at, "invalid")
        return
    conditions[entry.index] = (entry.type, system, value)


def _add_registered(
    asked: Survey, patient: int, found: Mapping[Identifier, Doc], known: dict[str, str]
) -> None:
    entry = next(entry for entry in asked.entries if entry.index == patient)
    people = {found[each].id for each in own_identifiers(entry) if each in found}
    if len(people) > 1:
        raise Conflict("the identifiers belong to different people; correct them or merge the records first")
    # A new person has no id yet; whoever else is named beside them is another one.
    known.setdefault(next(iter(people), ""), asked.where(patient))


def _raise(issues: Iterable[Issue]) -> None:
    listed = tuple(issues)
    if listed:
        raise Unprocessable(f"{listed[0].where}: {listed[0].message}", issues=listed[:MAX_ISSUES])


# --- placing -----------------------------------------------------------------------------------------------


def _rank(entry: Entry, asked: Survey) -> tuple[int, int]:
    """The order of the act. A retry must find its first document again, so that is one surely stored."""
    if entry.index == asked.patient:
        return 0, entry.index
    if entry.method == "PUT":
        return 3, entry.index
    return (1 if entry.index not in asked.conditions else 2), entry.index


def _assign(
    entry: Entry,
    asked: Survey,
    world: World,
    stamp: Stamp,
    person: str | None,
    tied: dict[Identifier, Doc],
    issues: list[Issue],
) -> Done:
    """The document of one entry, its identifiers tied to it."""
    own = own_identifiers(entry)
    if entry.method == "PUT":
        doc = document_of(entry, person, stamp.part)
        done = Done(200, doc, world.current[doc] + 1)
    elif entry.index == asked.patient and world.person is not None:
        return Done(200, Doc(PATIENT, world.person), 0)
    else:
        there = _there(asked.conditions.get(entry.index), world, tied)
        if there is not None:
            return Done(200, there, 0)
        done = Done(201, document_of(entry, person, stamp.part), 1)
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


def _there(condition: Identifier | None, world: World, tied: Mapping[Identifier, Doc]) -> Doc | None:
    if condition is None:
        return None
    return world.found.get(condition) or tied.get(condition)


def _mapping(
    asked: Survey,
    world: World,
    tied: Mapping[Identifier, Doc],
    done: Mapping[int, Done],
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


def _about(entry: Entry, asked: Survey, mapping: Mapping[str, str], person: str | None) -> Iterator[Issue]:
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
    entry: Entry, done: Done, mapping: Mapping[str, str], links: Mapping[str, str], stamp: Stamp
) -> Write:
    resource: JsonObject = rewrite(entry.resource or {}, lambda text: mapping.get(text, text), links)
    whole = stamped(resource, done.doc.id, done.version, stamp.time, stamp.author)
    return Write(done.doc, done.version, stored_body(whole))
