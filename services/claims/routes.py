"""The claims routes: HTTP words in, one use case each.

API Gateway allows no `$` in a literal part, so `$submit` arrives as the id of a POST; any
other id there is an address that this server does not have.
"""

from collections.abc import Callable

from carevouch.door.http import Door, Handler, HttpRequest, Reply
from carevouch.kernel.errors import NotFound
from services.claims import contracts, coverage, eligibility, submit
from services.claims.ports import Ports

Use = Callable[[HttpRequest, Ports], Reply]
SUBMIT = "$submit"
# Some clients escape the dollar, and not every gateway undoes it.
_SPELLED = (SUBMIT, "%24submit")


def register(door: Door, ports: Callable[[], Ports]) -> None:
    """Serve the claims routes; `ports` is asked when the first request comes."""

    def at(method: str, path: str, use: Use) -> None:
        door.route(method, path, _bound(use, ports))

    at("POST", "/fhir/Claim/{id}", _operation(submit.submit))
    at("POST", "/fhir/CoverageEligibilityRequest/{id}", _operation(eligibility.answer))
    at("POST", "/fhir/Coverage", coverage.register)
    at("POST", "/claims/contracts", contracts.register)
    at("GET", "/claims/contracts/{id}", contracts.show)


def _bound(use: Use, ports: Callable[[], Ports]) -> Handler:
    return lambda incoming: use(incoming, ports())


def _operation(use: Use) -> Use:
    def only_submit(incoming: HttpRequest, ports: Ports) -> Reply:
        if incoming.path["id"] not in _SPELLED:
            raise NotFound(f"the only operation here is {SUBMIT}: post to the type, then /{SUBMIT}")
        return use(incoming, ports)

    return only_submit
