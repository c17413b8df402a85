"""The identity routes, one use case each."""

from carevouch.door.http import Route
from services.identity import devices, discovery, organizations, people, tokens

ROUTES = (
    Route("POST", "/auth/token", tokens.token, takes="form"),
    Route("GET", "/.well-known/jwks.json", discovery.jwks),
    Route("GET", "/fhir/.well-known/smart-configuration", discovery.smart_configuration),
    Route("POST", "/fhir/Patient", people.register),
    Route("POST", "/fhir/Organization", organizations.admit),
    Route("POST", "/identity/devices", devices.bind),
    Route("DELETE", "/identity/devices/{id}", devices.remove),
    Route("GET", "/identity/subjects/{id}", devices.describe),
    Route("DELETE", "/identity/subjects/{id}", devices.erase),
    Route("GET", "/identity/subjects/{id}/secret", devices.secret),
)
