"""GET /fhir/Patient/{id}/$everything: all documents about a person that the caller may see, page by page.

Each document is judged by itself, on every page anew. Someone of whom the caller may see nothing looks
exactly like someone who is not there (404); who may see the Patient, and asks for types of which there is
nothing to show, gets an empty page. The documents of the directory that these refer to are read
apart. http://hl7.org/fhir/R4/patient-operation-everything.html
"""

from collections.abc import Iterable

from carevouch.door.access import VisibleRevision, Visit
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_TYPES
from carevouch.fhir.bundle import searchset
from carevouch.kernel.errors import Invalid, NotFound
from carevouch.kernel.ids import Doc
from carevouch.records.pages import CURSOR, cut, page_size, read_cursor
from carevouch.records.resource import is_served
from carevouch.store.documents import StoredRevision
from services.records.ports import Ports
from services.records.read import visited
from services.records.shape import last, page_url, size

PARAMETERS = frozenset({"_count", "_type", "_format", CURSOR})


def operation(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/Patient/{id}/{operation}: `$everything` is the one there is."""
    # Some proxies escape the dollar sign once more on the way.
    if incoming.path["operation"] not in ("$everything", "%24everything"):
        raise NotFound("this server has no such operation; GET /fhir/metadata lists what it has")
    return everything(incoming, ports)


def everything(incoming: HttpRequest, ports: Ports) -> Reply:
    """The page of the person's documents that the cursor names."""

    def work(visit: Visit, doc: Doc) -> Reply:
        if not PARAMETERS.issuperset(incoming.query):
            raise Invalid("$everything takes _count and _type only")
        count = page_size(last(incoming, "_count"))
        cursor = read_cursor(last(incoming, CURSOR))
        types = _types(last(incoming, "_type"))
        seen = sorted(visit.see(_of(visit, types)), key=_name)
        if not seen and not _may_know(visit, doc):
            raise NotFound(ABSENT)
        page = cut(seen, cursor, count, name=_name, size=size)
        visit.show(page.items)
        base = ports.access.base
        url = f"{base}/{doc}/$everything"
        body = searchset(
            [(f"{base}/{one.stored.doc}", one.resource) for one in page.items],
            self_url=page_url(url, incoming.query),
            next_url=page_url(url, incoming.query, page.next) if page.next else None,
            total=len(seen),
        )
        return Reply(200, body)

    return visited(incoming, ports, "Patient", "everything", work)


def _may_know(visit: Visit, person: Doc) -> bool:
    """Whether the caller may know of the person, so that an empty answer tells nothing new."""
    stored = visit.partition.get(person)
    return stored is not None and bool(visit.see([stored]))


def _of(visit: Visit, types: frozenset[str] | None) -> Iterable[StoredRevision]:
    if types is not None and len(types) == 1:
        return visit.partition.latest(next(iter(types)))
    found = visit.partition.latest()
    return [
        stored
        for stored in found
        if stored.doc.type not in OWN_TYPES and (types is None or stored.doc.type in types)
    ]


def _types(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    types = frozenset(text.split(","))
    if not all(is_served(type_) for type_ in types):
        raise Invalid("_type is a list of types that this server serves")
    return types


def _name(one: VisibleRevision) -> str:
    return str(one.stored.doc)
