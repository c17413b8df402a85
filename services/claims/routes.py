"""The claims routes, one use case each."""

from carevouch.door.http import Route
from services.claims import contracts, coverage, eligibility, submit

ROUTES = (
    Route("POST", "/fhir/Claim/{id}", submit.submit, operation="$submit"),
    Route("POST", "/fhir/CoverageEligibilityRequest/{id}", eligibility.answer, operation="$submit"),
    Route("POST", "/fhir/Coverage", coverage.register),
    Route("POST", "/claims/contracts", contracts.register),
    Route("GET", "/claims/contracts/{id}", contracts.show),
)
