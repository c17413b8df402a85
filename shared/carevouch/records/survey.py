"""The survey of a Bundle finds, in one pass, everything that its entries need from the store.

Each distinct reference is sorted once: to another entry, to a document here, or by identifier. Faults that no
lookup could mend are refused here. The refusal names the element, never its content. Standard:
http://hl7.org/fhir/R4/http.html#trules.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from carevouch.fhir.bundle import Entry
from carevouch.fhir.references import ReferenceTarget, identifier_query, parse_target, walk
from carevouch.fhir.validate import MAX_ISSUES
from carevouch.identity.links import identifiers_of
from carevouch.kernel.errors import Conflict, Invalid, Issue, Malformed, NotFound, TooLarge, Unprocessable
from carevouch.kernel.ids import Doc, parse_doc, parse_reference
from carevouch.records.resource import has_identifiers, why_not_stored, why_not_updated

PATIENT = "Patient"
# (type, system, value): the key of an identifier row.
Identifier = tuple[str, str, str]
# An act ties at most this many identifiers: they are rows of one transaction of the store, which takes 100.
MAX_IDENTIFIERS = 100
# Each lookup is a read before anything is decided. No record needs more than one per document of an act.
MAX_LOOKUPS = 2_500


@dataclass(frozen=True, slots=True)
class BundleSurvey:
    """The entries of a Bundle, and the lookups that they need.

    `links` maps the names of the entries (fullUrl or `Type/id`) to their indices. `places` maps each distinct
    reference to the first element that holds it. `queries` are the conditional references, `local` the
    references to documents of this server. `conditions` are the entries' ifNoneExist, by index. `patient` is
    the index of the Patient to be created, if any. `where` maps an index to the place of the resource.
    """

    entries: tuple[Entry, ...]
    links: Mapping[str, int]
    places: Mapping[str, str]
    queries: Mapping[str, Identifier]
    local: Mapping[str, Doc]
    conditions: Mapping[int, Identifier]
    patient: int | None
    where: Mapping[int, str]

    def identifiers(self) -> set[Identifier]:
        """Every identifier to be looked up in the index, each once."""
        return {*self.queries.values(), *self.claimed()}

    def claimed(self) -> set[Identifier]:
        """The identifiers of the entries' own resources; a condition is always one of them."""
        return {each for entry in self.entries for each in own_identifiers(entry)}

    def updated(self) -> dict[int, Doc]:
        """The documents that the entries update, by the entry's index."""
        return {one.index: Doc(one.type, one.id) for one in self.entries if one.method == "PUT" and one.id}

    def person(self, documents: Mapping[Identifier, Doc]) -> str | None:
        """The existing person of the entries; None for a new person, or nobody.

        `documents` are those that the identifiers lead to. Raises `Unprocessable` for several people, and
        `Conflict` where a Patient's identifiers lead to several.
        """
        places: dict[str, str] = {}
        for text, doc in self.local.items():
            if doc.subject:
                places.setdefault(doc.subject, self.places[text])
        for text, query in self.queries.items():
            subject = documents[query].subject if query in documents else None
            if subject:
                places.setdefault(subject, self.places[text])
        for index, doc in self.updated().items():
            if doc.subject:
                places.setdefault(doc.subject, self.where[index])
        if self.patient is not None:
            entry = next(entry for entry in self.entries if entry.index == self.patient)
            people = {documents[each].id for each in own_identifiers(entry) if each in documents}
            if len(people) > 1:
                raise Conflict(
                    "the identifiers belong to different people; correct them or merge the records first"
                )
            # A new person has no id yet, so any other person that the Bundle names is somebody else.
            places.setdefault(next(iter(people), ""), self.where[self.patient])
        if len(places) > 1:
            message = "one act is about one person; send a Bundle for each"
            raise_issues([Issue(message, place, "invalid") for place in list(places.values())[1:]])
        return next(iter(places), None) or None

    def rank(self, entry: Entry) -> tuple[int, int]:
        """The place of an entry in the act: the Patient, creations, updates, conditional creations.

        A retry must find the first document again, so the first one must be a document that is always
        stored.
        """
        if entry.index == self.patient:
            return 0, entry.index
        if entry.method == "PUT":
            return 2, entry.index
        return (1 if entry.index not in self.conditions else 3), entry.index

    def first(self) -> Entry:
        """The entry of the first document of the act, unless its Patient is known already."""
        return min(self.entries, key=self.rank)

    def without_patient(self) -> "BundleSurvey":
        """The rest of the act, for a Patient that is known already."""
        rest = tuple(entry for entry in self.entries if entry.index != self.patient)
        return replace(self, entries=rest, patient=None)


def survey(
    entries: Sequence[Entry], links: Mapping[str, int], base: str, place: str | None = None
) -> BundleSurvey:
    """Find the lookups that the entries need. `place` is that of a resource without a Bundle.

    Raises `Unprocessable` for faults that no lookup could mend. Raises `TooLarge` for too many identifiers or
    lookups.
    """
    where = {entry.index: place or f"Bundle.entry[{entry.index}].resource" for entry in entries}
    issues = [issue for entry in entries for issue in _entry_issues(entry, where[entry.index])]
    places: dict[str, str] = {}
    for entry in entries:
        for element, text in walk(entry.resource or {}):
            if text not in places:
                places[text] = where[entry.index] + element[len(entry.type) :]
    queries: dict[str, Identifier] = {}
    local: dict[str, Doc] = {}
    for text, at in places.items():
        if text not in links:
            issues += _sort_reference(text, at, parse_target(text, base), queries, local)
    conditions: dict[int, Identifier] = {}
    for entry in entries:
        issues += _read_condition(entry, where[entry.index], conditions)
    patients = [entry.index for entry in entries if entry.type == PATIENT and entry.method == "POST"]
    message = "an act creates one person at the most; send a Bundle for each"
    issues += [Issue(message, where[index], "not-supported") for index in patients[1:]]
    raise_issues(issues)
    patient = patients[0] if patients else None
    surveyed = BundleSurvey(tuple(entries), dict(links), places, queries, local, conditions, patient, where)
    if len(surveyed.claimed()) > MAX_IDENTIFIERS:
        raise TooLarge(f"an act may have at most {MAX_IDENTIFIERS} identifiers; split it")
    if len(queries) + len(local) > MAX_LOOKUPS:
        raise TooLarge(f"an act may refer to at most {MAX_LOOKUPS} stored documents; split it")
    return surveyed


def own_identifiers(entry: Entry) -> list[Identifier]:
    """The identifiers of the entry that no other document of its type may have."""
    if not has_identifiers(entry.type):
        return []
    return [(entry.type, system, value) for system, value in identifiers_of(entry.resource or {})]


def raise_issues(issues: Iterable[Issue]) -> None:
    """Raise `Unprocessable` with the first twenty issues, if there are any."""
    listed = tuple(issues)
    if listed:
        raise Unprocessable(f"{listed[0].where}: {listed[0].message}", issues=listed[:MAX_ISSUES])


def _entry_issues(entry: Entry, where: str) -> Iterator[Issue]:
    reason = why_not_updated(entry.type) if entry.method == "PUT" else why_not_stored(entry.type)
    if reason:
        yield Issue(reason, where, "not-supported")
    elif entry.type == PATIENT and not own_identifiers(entry):
        message = "a Patient needs an identifier with system and value, or nobody could find it again"
        yield Issue(message, f"{where}.identifier", "required")
    elif entry.method == "PUT":
        try:
            parse_doc(entry.type, entry.id or "")
        except NotFound as error:
            yield Issue(error.message, where, "not-found")


def _sort_reference(
    text: str, where: str, target: ReferenceTarget, queries: dict[str, Identifier], local: dict[str, Doc]
) -> Iterator[Issue]:
    """Put one reference into `queries` or `local`, or say why it cannot be followed."""
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
            doc = parse_reference(f"{target.type}/{target.id}")
            if why_not_stored(doc.type) or (target.version and not target.version.isdecimal()):
                raise Malformed("the reference does not name a document of this server")
            local[text] = doc
        except Malformed as error:
            yield Issue(error.message, where, "not-found")
    elif target.form == "urn":
        yield Issue("no other entry has this fullUrl", where, "not-found")
    elif target.form == "unknown":
        yield Issue("this is not a reference of FHIR R4", where, "not-found")


def _read_condition(entry: Entry, where: str, conditions: dict[int, Identifier]) -> Iterator[Issue]:
    """Put the entry's ifNoneExist into `conditions`, or say why it cannot be done."""
    if not entry.if_none_exist:
        return
    is_in_bundle = where.startswith("Bundle")
    at = f"{where.removesuffix('.resource')}.request.ifNoneExist" if is_in_bundle else "If-None-Exist"
    if not has_identifiers(entry.type):
        yield Issue("only people and the directory can be created conditionally", at, "not-supported")
        return
    try:
        system, value = identifier_query(ReferenceTarget("conditional", query=entry.if_none_exist))
    except Invalid:
        yield Issue("the condition has the form identifier=system|value", at, "not-supported")
        return
    if (entry.type, system, value) not in own_identifiers(entry):
        yield Issue("the resource itself must have this identifier", at, "invalid")
        return
    conditions[entry.index] = (entry.type, system, value)
