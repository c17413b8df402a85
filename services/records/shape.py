"""How documents go out: headers of a version, the type a path names, and the address of the next page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlencode

from carevouch.door.access import VisibleRevision
from carevouch.door.http import HttpRequest
from carevouch.fhir.meta import etag
from carevouch.kernel.errors import Invalid, NotFound
from carevouch.kernel.times import moment
from carevouch.records.pages import CURSOR
from carevouch.records.resource import is_served
from carevouch.store.documents import StoredRevision

UNSERVED = "this server serves no such type; GET /fhir/metadata lists what it serves"


def one_type(incoming: HttpRequest) -> str:
    """The resource type in the path; raises `NotFound` for one without a FHIR door."""
    type_ = incoming.path["type"]
    if not is_served(type_):
        raise NotFound(UNSERVED)
    return type_


def etag_headers(stored: StoredRevision) -> dict[str, str]:
    """ETag and Last-Modified of a version (http://hl7.org/fhir/R4/http.html#versioning)."""
    return {"ETag": etag(stored.version), "Last-Modified": http_date(stored.time)}


def http_date(instant: str) -> str:
    """An instant as HTTP headers write it."""
    when: datetime = moment(instant)
    return format_datetime(when, usegmt=True)


def page_url(base: str, query: Mapping[str, Sequence[str]], cursor: str | None = None) -> str:
    """The address of this page, or of the one that begins at `cursor`; only what the caller sent is in it."""
    pairs = [(name, value) for name, values in query.items() if name != CURSOR for value in values]
    if cursor is not None:
        pairs.append((CURSOR, cursor))
    return f"{base}?{urlencode(pairs)}" if pairs else base


def last(incoming: HttpRequest, name: str) -> str | None:
    """A control parameter that is given once; raises `Invalid` if it comes again."""
    given = incoming.query.get(name, [])
    if len(given) > 1:
        raise Invalid(f"{name} is given once")
    return given[0] if given else None


def size(one: VisibleRevision) -> int:
    """The bytes that a document adds to an answer, with its entry around it."""
    return len(one.stored.body) + 400
