"""What the entries of a Bundle need to know of the store before they can be placed, found in one pass.

Distinct references are sorted once: those to entries beside them, those to documents of this server, those
by identifier. What no lookup could mend is refused here, with the element's place and never its content.
Standard: http://hl7.org/fhir/R4/http.html#trules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from carevouch.fhir.bundle import Entry
from carevouch.fhir.references import ReferenceTarget, identifier_query, parse_target, walk
from carevouch.fhir.validate import MAX_ISSUES
from carevouch.identity.links import identifiers_of
from carevouch.kernel.errors import Conflict, Invalid, Issue, Malformed, NotFound, TooLarge, Unprocessable
from carevouch.kernel.ids import Doc, parse_doc, parse_reference
from carevouch.records.resource import has_identifiers, why_not_stored, why_not_updated

PATIENT = "Patient"
# (type, system, value): what an identifier row is found by.
Identifier = tuple[str, str, str]
Where = Callable[[int], str]
# An act ties at most this many identifiers: they are rows of one transaction of the store, which takes 100.
MAX_IDENTIFIERS = 100
# Each is a read before anything is decided; more than one for every document of an act is nobody's record.
MAX_LOOKUPS = 2_500


@dataclass(frozen=True, slots=True)
class BundleSurvey:
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
        return {*self.queries.values(), *self.claimed()}

    def claimed(self) -> set[Identifier]:
        """Those that the entries' own resources have; a condition is always one of them."""
        return {each for entry in self.entries for each in own_identifiers(entry)}

    def updated(self) -> dict[int, Doc]:
        """The documents that the entries update, by the entry's index."""
        return {one.index: Doc(one.type, one.id) for one in self.entries if one.method == "PUT" and one.id}

    def first(self) -> Entry:
        """The entry whose document is the first of the act, unless its Patient turns out to be known."""
        return min(self.entries, key=lambda entry: rank(entry, self))

    def without_patient(self) -> "BundleSurvey":
        """The same act when its Patient is known already: what else there is to store."""
        rest = tuple(entry for entry in self.entries if entry.index != self.patient)
        return replace(self, entries=rest, patient=None)


def in_bundle(index: int) -> str:
    """Where the resource of an entry stands in what was sent."""
    return f"Bundle.entry[{index}].resource"


def survey(
    entries: Sequence[Entry], links: Mapping[str, int], base: str, where: Where = in_bundle
) -> BundleSurvey:
    """Everything to be looked up; raises `Unprocessable` for what no lookup could mend, `TooLarge`."""
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
            issues += _sort(text, place, parse_target(text, base), queries, local)
    conditions: dict[int, Identifier] = {}
    for entry in entries:
        issues += _condition(entry, where, conditions)
    patients = [entry.index for entry in entries if entry.type == PATIENT and entry.method == "POST"]
    issues += [
        Issue("an act creates one person at the most; send a Bundle for each", where(index), "not-supported")
        for index in patients[1:]
    ]
    raise_issues(issues)
    patient = patients[0] if patients else None
    found = BundleSurvey(tuple(entries), dict(links), places, queries, local, conditions, patient, where)
    _require_few(found)
    return found


def _require_few(asked: BundleSurvey) -> None:
    """Raise `TooLarge` for more than an act can tie or ask for: said before anything is looked up."""
    if len(asked.claimed()) > MAX_IDENTIFIERS:
        raise TooLarge(
            f"an act ties at most {MAX_IDENTIFIERS} identifiers to people and the directory; split it"
        )
    if len(asked.queries) + len(asked.local) > MAX_LOOKUPS:
        raise TooLarge(f"an act refers to at most {MAX_LOOKUPS} documents stored before; split it")


def whose(asked: BundleSurvey, found: Mapping[Identifier, Doc]) -> str | None:
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
        raise_issues([Issue(message, place, "invalid") for place in list(known.values())[1:]])
    return next(iter(known), None) or None


def own_identifiers(entry: Entry) -> list[Identifier]:
    """The identifiers that no other document may have, if the entry's type is one that is found by them."""
    if not has_identifiers(entry.type):
        return []
    return [(entry.type, system, value) for system, value in identifiers_of(entry.resource or {})]


def rank(entry: Entry, asked: BundleSurvey) -> tuple[int, int]:
    """The order of the act. A retry must find its first document again, so that is one surely stored."""
    if entry.index == asked.patient:
        return 0, entry.index
    if entry.method == "PUT":
        return 2, entry.index
    return (1 if entry.index not in asked.conditions else 3), entry.index


def _refusals(entry: Entry, where: Where) -> Iterator[Issue]:
    reason = why_not_updated(entry.type) if entry.method == "PUT" else why_not_stored(entry.type)
    if reason:
        yield Issue(reason, where(entry.index), "not-supported")
    elif entry.type == PATIENT and not own_identifiers(entry):
        message = "a Patient has an identifier with system and value, or nobody could find them again"
        yield Issue(message, f"{where(entry.index)}.identifier", "required")
    elif entry.method == "PUT":
        try:
            parse_doc(entry.type, entry.id or "")
        except NotFound as error:
            yield Issue(error.message, where(entry.index), "not-found")


def _sort(
    text: str, where: str, target: ReferenceTarget, queries: dict[str, Identifier], local: dict[str, Doc]
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


def _local(target: ReferenceTarget) -> Doc:
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
        system, value = identifier_query(ReferenceTarget("conditional", query=entry.if_none_exist))
    except Invalid:
        yield Issue("a conditional create is by identifier=system|value", at, "not-supported")
        return
    if (entry.type, system, value) not in own_identifiers(entry):
        yield Issue("the resource has no such identifier itself", at, "invalid")
        return
    conditions[entry.index] = (entry.type, system, value)


def _add_registered(
    asked: BundleSurvey, patient: int, found: Mapping[Identifier, Doc], known: dict[str, str]
) -> None:
    entry = next(entry for entry in asked.entries if entry.index == patient)
    people = {found[each].id for each in own_identifiers(entry) if each in found}
    if len(people) > 1:
        raise Conflict("the identifiers belong to different people; correct them or merge the records first")
    # A new person has no id yet; whoever else is named beside them is another one.
    known.setdefault(next(iter(people), ""), asked.where(patient))


def raise_issues(issues: Iterable[Issue]) -> None:
    """Raise `Unprocessable` with the findings, the first twenty, if there are any."""
    listed = tuple(issues)
    if listed:
        raise Unprocessable(f"{listed[0].where}: {listed[0].message}", issues=listed[:MAX_ISSUES])
