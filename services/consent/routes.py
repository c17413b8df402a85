"""The consent routes: HTTP words in, one use case each. Reads of /fhir/Consent are the records door's."""

from collections.abc import Callable

from carevouch.door.http import ABSENT, Door, Handler, HttpRequest, Reply
from carevouch.kernel.errors import NotFound
from services.consent import ask, decision, grant, record, requests, revoke
from services.consent.ports import Ports

Use = Callable[[HttpRequest, Ports], Reply]
REVOKE = ("$revokeConsent", "%24revokeConsent")


def register(door: Door, ports: Callable[[], Ports]) -> None:
    """Serve the consent routes; `ports` is asked when the first request comes."""

    def at(method: str, path: str, use: Use) -> None:
        door.route(method, path, _bound(use, ports))

    at("POST", "/fhir/Consent", _create)
    at("PUT", "/fhir/Consent/{id}", record.update)
    at("POST", "/fhir/Consent/{id}", _operate)
    at("POST", "/consent/requests", ask.ask)
    at("GET", "/consent/requests", requests.listed)
    at("GET", "/consent/requests/{id}", requests.read)
    at("POST", "/consent/requests/{id}/grant", grant.grant)
    at("POST", "/consent/requests/{id}/refuse", grant.refuse)
    at("POST", "/consent/decision", decision.decision)


def _bound(use: Use, ports: Callable[[], Ports]) -> Handler:
    return lambda incoming: use(incoming, ports())


def _create(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Consent: an organisation proposes, a person's device records what cannot permit."""
    caller = ports.access.caller(incoming)
    if caller.patient is None:
        return ask.propose(incoming, ports, caller)
    return record.create(incoming, ports, caller)


def _operate(incoming: HttpRequest, ports: Ports) -> Reply:
    # API Gateway has no `$` in literal parts: an id that starts with one is an operation.
    if incoming.path["id"] not in REVOKE:
        raise NotFound(ABSENT)
    return revoke.revoke(incoming, ports)
