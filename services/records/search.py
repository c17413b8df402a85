"""Search: what lies in one person's partition (or in the directory), matched, then judged one by one.

A search names its person, so that it is one consistent query and read-your-writes. Someone absent, refused
or erased gets the same empty Bundle. A next link is decided anew when it is followed; `total` counts only
what the caller may see.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from carevouch.door.access import VisibleRevision, Visit
from carevouch.door.http import HttpRequest, Reply
from carevouch.fhir.bundle import searchset
from carevouch.fhir.matching import unescape
from carevouch.fhir.references import parse_target
from carevouch.fhir.search import Query, parse_query, search_parameters
from carevouch.kernel.errors import Erased, Invalid, NotFound
from carevouch.kernel.ids import PART, Doc, parse_doc
from carevouch.records.months import months_of
from carevouch.records.pages import CURSOR, Cursor, cut, page_size, read_cursor
from carevouch.records.resource import is_directory, resource_of
from carevouch.store.documents import StoredRevision
from services.records.lookups import resolve
from services.records.ports import Ports
from services.records.shape import last, one_type, page_url, size

# The parameters that say whose documents are searched.
WHOSE = ("patient", "subject")


@dataclass(frozen=True, slots=True)
class Search:
    """A search as asked: of whom, what for, and which page."""

    query: Query
    person: str | None
    count: int
    cursor: Cursor


def search(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}?…: a page of the documents that match and that the caller may see."""
    caller, type_ = ports.access.caller(incoming), one_type(incoming)
    params = {name: list(values) for name, values in incoming.query.items()}
    person = _whose(type_, params, ports)
    visit = ports.access.visit(incoming, caller, person, "search-type")

    def work(visit: Visit) -> Reply:
        caller.require_scope(type_, "s")
        return _answer(visit, _read(type_, person, params, incoming, ports), incoming, ports)

    return work(visit) if is_directory(type_) else visit.run(work)


def _whose(type_: str, params: dict[str, list[str]], ports: Ports) -> str | None:
    """The person whose documents are searched; None for the directory, and for a Patient who is not here."""
    if type_ == "Patient":
        return _patient(params, ports)
    return None if is_directory(type_) else _person(type_, params, ports.access.base)


def _read(
    type_: str, person: str | None, params: dict[str, list[str]], incoming: HttpRequest, ports: Ports
) -> Search:
    cursor = read_cursor(last(incoming, CURSOR))
    count = page_size(last(incoming, "_count"))
    ignored = {CURSOR, "_count"}
    if not is_directory(type_) and type_ != "Patient":
        # Every document in the partition is about the person, also of types that R4 does not search so.
        ignored |= {name for name in WHOSE if name not in search_parameters(type_)}
    query = parse_query(type_, params, base_url=ports.access.base, ignore=frozenset(ignored))
    return Search(query, person, count, cursor)


def _person(type_: str, params: dict[str, list[str]], base: str) -> str:
    """The one person whose documents are searched; the parameter becomes a full reference in `params`."""
    people = set()
    for name in WHOSE:
        for at, text in enumerate(params.get(name, ())):
            if PART.fullmatch(text):
                params[name][at] = text = f"Patient/{text}"
            target = parse_target(text, base)
            people.add(target.id if (target.form, target.type) == ("local", "Patient") else None)
    if not people:
        raise Invalid(f"say whose {type_} documents to search: patient=Patient/<id>")
    if len(people) > 1 or None in people:
        raise Invalid("patient and subject name one person, as Patient/<id>")
    return str(people.pop())


def _patient(params: Mapping[str, list[str]], ports: Ports) -> str | None:
    """The person that `_id` or `identifier` leads to, or None."""
    given = [(name, text) for name in ("_id", "identifier") for text in params.get(name, ())]
    if not given:
        raise Invalid("say which Patient to search: _id, or identifier=system|value")
    if len(given) > 1 or "," in given[0][1]:
        raise Invalid("search one Patient at a time: by one _id, or one identifier=system|value")
    name, text = given[0]
    if name == "_id":
        return text
    system, bar, value = text.partition("|")
    if not (system and bar and value):
        raise Invalid("a Patient is found by identifier=system|value, both of them")
    identifier = ("Patient", system, value)
    found = resolve([identifier], ports).get(identifier)
    return found.id if found else None


def _answer(visit: Visit, asked: Search, incoming: HttpRequest, ports: Ports) -> Reply:
    visible = _visible(visit, asked, ports)
    page = cut(visible, asked.cursor, asked.count, name=_name, size=size, by_name=not asked.query.sort)
    visit.show(page.items)
    base = visit.access.base
    url = f"{base}/{asked.query.type}"
    body = searchset(
        [(f"{base}/{one.stored.doc}", one.resource) for one in page.items],
        self_url=page_url(url, incoming.query),
        next_url=page_url(url, incoming.query, page.next) if page.next else None,
        total=len(visible),
    )
    return Reply(200, body)


def _visible(visit: Visit, asked: Search, ports: Ports) -> list[VisibleRevision]:
    query = asked.query
    try:
        candidates = list(_candidates(visit, asked, ports))
    except (NotFound, Erased):
        candidates = []
    matching = [stored for stored in candidates if query.matches(resource_of(stored.doc.type, stored.body))]
    seen = {one.stored.doc.id: one for one in visit.see(matching, "s")}
    return [seen[str(resource["id"])] for resource in query.ordered([one.resource for one in seen.values()])]


def _candidates(visit: Visit, asked: Search, ports: Ports) -> Iterable[StoredRevision]:
    """The latest revisions to look through: as few as the parameters allow."""
    type_, reader = asked.query.type, visit.access.reader
    if type_ == "AuditEvent":
        for month in months_of(asked.query, visit.asked.now):
            yield from reader.month_of_audit(asked.person, month).latest(type_)
        return
    partition = reader.directory(type_) if is_directory(type_) else visit.partition
    docs = _named(asked.query, ports)
    if docs is None:
        yield from partition.latest(type_)
        return
    found = (partition.get(doc) for doc in docs if doc.pk() == partition.pk)
    yield from (stored for stored in found if stored is not None)


def _named(query: Query, ports: Ports) -> list[Doc] | None:
    """The documents that the search names by `_id`, or by identifier in the directory; None without names."""
    ids = query.values_of("_id")
    if ids:
        return list(_docs(query.type, ids))
    wanted = [value.partition("|") for value in query.values_of("identifier")]
    if not is_directory(query.type) or not wanted or not all(system and value for system, _, value in wanted):
        return None
    found = resolve({(query.type, unescape(system), unescape(value)) for system, _, value in wanted}, ports)
    return list(dict.fromkeys(found.values()))


def _docs(type_: str, ids: Iterable[str]) -> Iterable[Doc]:
    for id_ in dict.fromkeys(ids):
        try:
            yield parse_doc(type_, id_)
        except NotFound:
            continue


def _name(one: VisibleRevision) -> str:
    return one.stored.doc.id
