"""The consent routes, one use case each. Reads of /fhir/Consent are the records door's."""

from carevouch.door.http import Route
from services.consent import ask, decision, grant, record, requests, revoke

ROUTES = (
    Route("POST", "/fhir/Consent", record.post),
    Route("PUT", "/fhir/Consent/{id}", record.update),
    Route("POST", "/fhir/Consent/{id}", revoke.revoke, operation="$revokeConsent"),
    Route("POST", "/consent/requests", ask.ask),
    Route("GET", "/consent/requests", requests.listed),
    Route("GET", "/consent/requests/{id}", requests.read),
    Route("POST", "/consent/requests/{id}/grant", grant.grant),
    Route("POST", "/consent/requests/{id}/refuse", grant.refuse),
    Route("POST", "/consent/decision", decision.decision),
)
