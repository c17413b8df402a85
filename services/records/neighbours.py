"""The doors of the other services under the same base URL: method, path, what for, and whether it is open.

A service does not import another, so the list is kept by hand; a test compares it with the template.
"""

NEIGHBOURS: tuple[tuple[str, str, str, bool], ...] = (
    ("POST", "/auth/token", "Exchange a signed assertion for an access token", True),
    ("GET", "/.well-known/jwks.json", "The keys that sign tokens", True),
    ("GET", "/fhir/.well-known/smart-configuration", "What a SMART client needs to know", True),
    ("POST", "/fhir/Patient", "Register a person", False),
    ("POST", "/fhir/Organization", "Admit an organisation, in the operator's signed form", True),
    ("POST", "/identity/devices", "Bind a device under both signatures", True),
    ("DELETE", "/identity/devices/{id}", "Remove a device, by one of the same person", False),
    ("GET", "/identity/subjects/{id}", "A person's own devices and links", False),
    ("DELETE", "/identity/subjects/{id}", "Erase a person", False),
    ("GET", "/identity/subjects/{id}/secret", "The subject secret, for a bound device", False),
    ("POST", "/fhir/Consent", "Record a consent; only a device's signature makes one permit", False),
    ("PUT", "/fhir/Consent/{id}", "Record a new version of a consent", False),
    ("POST", "/fhir/Consent/{id}", "Operations on consents: $revokeConsent", False),
    ("POST", "/consent/requests", "Ask a person for consent", False),
    ("GET", "/consent/requests", "The requests that await an answer", False),
    ("GET", "/consent/requests/{id}", "One request, with what the device is to sign", False),
    ("POST", "/consent/requests/{id}/grant", "Grant, under the device's signature", False),
    ("POST", "/consent/requests/{id}/refuse", "Refuse", False),
    ("POST", "/consent/decision", "Decide on a request, with reasons", False),
    ("POST", "/fhir/Claim/{id}", "Operations on claims: $submit", False),
    ("POST", "/fhir/CoverageEligibilityRequest/{id}", "Operations on eligibility: $submit", False),
    ("POST", "/fhir/Coverage", "Register a coverage", False),
    ("POST", "/claims/contracts", "Register a benefit contract", False),
    ("GET", "/claims/contracts/{id}", "A benefit contract by its hash", False),
    ("GET", "/ledger/genesis", "The root of trust", True),
    ("GET", "/ledger/digest", "The newest digest", True),
    ("GET", "/ledger/{strand}/checkpoint", "The signed checkpoint of a strand", True),
    ("GET", "/ledger/{strand}/tile/{path+}", "Tiles and entry bundles of a strand", True),
    ("GET", "/ledger/blocks/{strand}/{n}", "A sealed block", True),
    ("GET", "/ledger/events/{id}", "An event, its entry and place", True),
    ("GET", "/ledger/events/{id}/proof", "The inclusion proof of an event", True),
)
