"""The records routes: HTTP words in, one use case each. The server is described from this list.

API Gateway prefers a literal part to a variable, so a type that another service also serves repeats every
route of this one under its own name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from carevouch.door.http import Door, Handler, HttpRequest, Reply
from services.records import describe, everything, feed, ledger, read, revisions, search, transaction, write
from services.records.ports import Ports

Use = Callable[[HttpRequest, Ports], Reply]
# Types of which some route is another service's, by their literal name.
LITERAL_TYPES = ("Patient", "Organization", "Consent", "Claim", "Coverage", "CoverageEligibilityRequest")
_DOCUMENT = "/ledger/documents/{type}/{id}"


@dataclass(frozen=True, slots=True)
class Route:
    """One route; `fixed` are path variables that its pattern spells out. `is_open`: no token is needed."""

    method: str
    path: str
    summary: str
    use: Use
    fixed: Mapping[str, str]
    is_open: bool = False


def routes() -> list[Route]:
    """Every route of this service."""
    return [
        Route("GET", "/fhir/metadata", "What this FHIR server does", _metadata, {}, is_open=True),
        Route("GET", "/openapi.json", "This description", _openapi, {}, is_open=True),
        Route("POST", "/fhir", "A Bundle: transaction or batch", transaction.bundle, {}),
        *_reads("{type}", {}),
        Route("POST", "/fhir/{type}", "Create a document", write.create, {}),
        Route("PUT", "/fhir/{type}/{id}", "Update a document", write.update, {}),
        *(route for type_ in LITERAL_TYPES for route in _reads(type_, {"type": type_})),
        Route("PUT", "/fhir/Patient/{id}", "Update a Patient", write.update, {"type": "Patient"}),
        Route("GET", "/fhir/Patient/{id}/{operation}", "$everything", everything.operation, {}),
        Route("GET", f"{_DOCUMENT}/history", "A document's versions in the log", revisions.history, {}),
        Route("GET", f"{_DOCUMENT}/feed", "A person's sealed revisions, from a position", feed.feed, {}),
        Route("GET", f"{_DOCUMENT}/{{version}}", "One version as the log has it", revisions.revision, {}),
        Route("GET", f"{_DOCUMENT}/{{version}}/opening", "The proof of one version", ledger.opening, {}),
    ]


def register(door: Door, ports: Callable[[], Ports]) -> None:
    """Serve the records routes; `ports` is asked when the first request comes."""
    for route in routes():
        door.route(route.method, route.path, _bound(route, ports))


def _reads(type_: str, fixed: Mapping[str, str]) -> list[Route]:
    path = f"/fhir/{type_}"
    return [
        Route("GET", path, "Search", search.search, fixed),
        Route("GET", f"{path}/{{id}}", "Read a document", read.read, fixed),
        Route("GET", f"{path}/{{id}}/_history", "All versions of a document", read.history, fixed),
        Route("GET", f"{path}/{{id}}/_history/{{version}}", "One version of a document", read.vread, fixed),
    ]


def _bound(route: Route, ports: Callable[[], Ports]) -> Handler:
    def handler(incoming: HttpRequest) -> Reply:
        return route.use(replace(incoming, path={**incoming.path, **route.fixed}), ports())

    return handler


def _metadata(_incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/metadata."""
    listed = [(route.method, route.path) for route in routes()]
    return Reply(200, describe.capabilities(listed, ports), {"Cache-Control": "public, max-age=300"})


def _openapi(_incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /openapi.json."""
    listed = [(route.method, route.path, route.summary, route.is_open) for route in routes()]
    return Reply(200, describe.openapi(listed, ports), {"Cache-Control": "public, max-age=300"})
