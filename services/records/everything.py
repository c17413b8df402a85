"""GET /fhir/Patient/{id}/$everything: all documents about a person that the caller may see, page by page.

Each document is judged by itself, and again on every page. A person whose documents the caller may not see
looks like an absent one (404). A caller who may see the Patient gets an empty page if no document of the
types is visible. The caller reads the directory documents that these refer to separately.
http://hl7.org/fhir/R4/patient-operation-everything.html
"""

from carevouch.door.access import VisibleRevision
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_TYPES
from carevouch.fhir.bundle import searchset
from carevouch.kernel.errors import Invalid, NotFound
from carevouch.records.pages import CURSOR, cut, page_size, page_url, read_cursor
from carevouch.records.resource import is_served
from services.records.ports import Ports
from services.records.read import document_visit

PARAMETERS = frozenset({"_count", "_type", "_format", CURSOR})


def everything(request: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/Patient/{id}/$everything: the page of the person's documents that the cursor names."""
    with document_visit(request, ports, "Patient", "everything") as (visit, doc):
        if not PARAMETERS.issuperset(request.query):
            raise Invalid("$everything takes only _count and _type; leave other parameters out")
        count = page_size(request.once("_count"))
        cursor = read_cursor(request.once(CURSOR))
        wanted = request.once("_type")
        types = None if wanted is None else frozenset(wanted.split(","))
        if types is not None and not all(is_served(type_) for type_ in types):
            raise Invalid("_type must be a list of types that this server serves (see /fhir/metadata)")
        if types is not None and len(types) == 1:
            stored = visit.partition.latest(next(iter(types)))
        else:
            stored = [
                one
                for one in visit.partition.latest()
                if one.doc.type not in OWN_TYPES and (types is None or one.doc.type in types)
            ]
        seen = sorted(visit.see(stored), key=_name)
        if not seen:
            # A caller who may see the Patient learns nothing new from an empty page.
            patient = visit.partition.get(doc)
            if patient is None or not visit.see([patient]):
                raise NotFound(ABSENT)
        page = cut(seen, cursor, count, name=_name, size=lambda one: one.page_bytes)
        visit.show(page.items)
        base = ports.access.base
        url = f"{base}/{doc}/$everything"
        body = searchset(
            [(f"{base}/{one.stored.doc}", one.resource) for one in page.items],
            self_url=page_url(url, request.query),
            next_url=page_url(url, request.query, page.next) if page.next else None,
            total=len(seen),
        )
        return Reply(200, body)


def _name(one: VisibleRevision) -> str:
    return str(one.stored.doc)
