"""The records routes, one use case each.

API Gateway prefers a literal part to a variable. So each type of which another service has a route, such as
`/fhir/Claim`, needs every route of this service under its own name.
"""

from collections.abc import Iterator

from carevouch.door.http import Route
from services.records import describe, everything, feed, ledger, read, revisions, search, transaction, write

# The types that a route of another service spells out.
LITERAL_TYPES = ("Patient", "Organization", "Consent", "Claim", "Coverage", "CoverageEligibilityRequest")
_DOCUMENT = "/ledger/documents/{type}/{id}"


def _reads(type_: str) -> Iterator[Route]:
    path, fixed = f"/fhir/{type_}", {} if type_.startswith("{") else {"type": type_}
    yield Route("GET", path, search.search, fixed=fixed)
    yield Route("GET", f"{path}/{{id}}", read.read, fixed=fixed)
    yield Route("GET", f"{path}/{{id}}/_history", read.history, fixed=fixed)
    yield Route("GET", f"{path}/{{id}}/_history/{{version}}", read.vread, fixed=fixed)


ROUTES = (
    Route("GET", "/fhir/metadata", describe.metadata),
    Route("GET", "/openapi.json", describe.openapi),
    Route("POST", "/fhir", transaction.bundle),
    *_reads("{type}"),
    Route("POST", "/fhir/{type}", write.create),
    Route("PUT", "/fhir/{type}/{id}", write.update),
    *(route for type_ in LITERAL_TYPES for route in _reads(type_)),
    Route("PUT", "/fhir/Patient/{id}", write.update, fixed={"type": "Patient"}),
    Route("GET", "/fhir/Patient/{id}/{operation}", everything.everything, operation="$everything"),
    Route("GET", f"{_DOCUMENT}/history", revisions.history),
    Route("GET", f"{_DOCUMENT}/feed", feed.feed),
    Route("GET", f"{_DOCUMENT}/{{version}}", revisions.revision),
    Route("GET", f"{_DOCUMENT}/{{version}}/opening", ledger.opening),
)
