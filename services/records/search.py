"""Search: the documents in one person's partition (or in the directory), matched, then judged one by one.

A search names its person, so that it is one consistent query and read-your-writes. Someone absent, refused
or erased gets the same empty Bundle. A next link is decided anew when it is followed. `total` counts only
what the caller may see.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
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
from carevouch.records.pages import CURSOR, Cursor, cut, page_size, page_url, read_cursor
from carevouch.records.resource import is_directory, require_served, resource_of
from carevouch.store.documents import StoredRevision
from services.records.ports import Ports

# The parameters that say whose documents are searched.
WHOSE = ("patient", "subject")


@dataclass(frozen=True, slots=True)
class PersonSearch:
    """A search: of whose documents (None: the directory), what for, and which page."""

    query: Query
    person: str | None
    count: int
    cursor: Cursor


def search(request: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/{type}?…: a page of the documents that match and that the caller may see."""
    caller, type_ = ports.access.caller(request), require_served(request.path["type"])
    params = {name: list(values) for name, values in request.query.items()}
    is_about_nobody = is_directory(type_)
    if type_ == "Patient":
        person = _patient(params, ports)
    else:
        person = None if is_about_nobody else _person(type_, params, ports.access.base)
    is_audited = not is_about_nobody
    with ports.access.visit(request, caller, person, "search-type", is_audited=is_audited) as visit:
        caller.require_scope(type_, "s")
        wanted = _read(type_, person, params, request, ports)
        visible = _visible(visit, wanted, ports)
        page = cut(
            visible,
            wanted.cursor,
            wanted.count,
            name=lambda one: one.stored.doc.id,
            size=lambda one: one.page_bytes,
            by_name=not wanted.query.sort,
        )
        visit.show(page.items)
        base = visit.access.base
        url = f"{base}/{type_}"
        body = searchset(
            [(f"{base}/{one.stored.doc}", one.resource) for one in page.items],
            self_url=page_url(url, request.query),
            next_url=page_url(url, request.query, page.next) if page.next else None,
            total=len(visible),
        )
        return Reply(200, body)


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
    found = ports.index.resolve([identifier]).get(identifier)
    return found.id if found else None


def _read(
    type_: str, person: str | None, params: dict[str, list[str]], request: HttpRequest, ports: Ports
) -> PersonSearch:
    """The search that the parameters ask for; raises `Invalid` naming the first that is wrong."""
    cursor = read_cursor(request.once(CURSOR))
    count = page_size(request.once("_count"))
    ignored = {CURSOR, "_count"}
    if not is_directory(type_) and type_ != "Patient":
        # Every document in the partition is about the person, also of types that R4 does not search so.
        ignored |= {name for name in WHOSE if name not in search_parameters(type_)}
    query = parse_query(type_, params, base_url=ports.access.base, ignore=frozenset(ignored))
    return PersonSearch(query, person, count, cursor)


def _visible(visit: Visit, wanted: PersonSearch, ports: Ports) -> list[VisibleRevision]:
    """The matching documents that the caller may see, in the order asked for."""
    query = wanted.query
    try:
        candidates = list(_candidates(visit, wanted, ports))
    except (NotFound, Erased):
        candidates = []
    matching = [stored for stored in candidates if query.matches(resource_of(stored.doc.type, stored.body))]
    seen = {one.stored.doc.id: one for one in visit.see(matching, "s")}
    return [seen[str(resource["id"])] for resource in query.ordered([one.resource for one in seen.values()])]


def _candidates(visit: Visit, wanted: PersonSearch, ports: Ports) -> Iterable[StoredRevision]:
    """The latest revisions to look through: as few as the parameters allow."""
    query, reader = wanted.query, visit.access.reader
    type_ = query.type
    if type_ == "AuditEvent":
        for month in months_of(query, visit.question.now):
            yield from reader.month_of_audit(wanted.person, month).latest(type_)
        return
    partition = reader.directory(type_) if is_directory(type_) else visit.partition
    named: Iterable[Doc]
    ids = query.values_of("_id")
    identifiers = [value.partition("|") for value in query.values_of("identifier")]
    if ids:
        named = []
        for id_ in dict.fromkeys(ids):
            with suppress(NotFound):
                named.append(parse_doc(type_, id_))
    elif is_directory(type_) and identifiers and all(system and value for system, _, value in identifiers):
        unescaped = {(type_, unescape(system), unescape(value)) for system, _, value in identifiers}
        named = dict.fromkeys(ports.index.resolve(unescaped).values())
    else:
        yield from partition.latest(type_)
        return
    found = (partition.get(doc) for doc in named if doc.pk() == partition.pk)
    yield from (stored for stored in found if stored is not None)
