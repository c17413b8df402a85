"""The event types, who may produce them, and which document types each may write: the write matrix.

The same matrix is held three times, on purpose: by the store before it writes, by the certificate of the
key that signs (a certificate lists the types of its service), and by every reader and the sealer after. A
service that goes astray can therefore not write what belongs to another, and nobody has to trust the store
to notice.
"""

from dataclasses import dataclass

OPERATOR = "operator"
IDENTITY = "identity"
CONSENT = "consent"
RECORDS = "records"
CLAIMS = "claims"
SERVICES = (IDENTITY, CONSENT, RECORDS, CLAIMS)

# Document types of our own, beside FHIR's, and under names that FHIR does not use. They are stored, hashed
# and proved alike, but have no FHIR door.
OWN_TYPES = frozenset(
    {
        "Admission",  # an organisation's roles and keys, as the operator admitted it
        "Enrolment",  # the link of an organisation with a person it treats
        "BoundDevice",  # a key bound to a person
        "ConsentRequest",  # what an app asks, and what became of it
        "Erasure",  # that a person was erased, and on whose word
        "BenefitContract",  # a benefit contract, by hash
        "Plan",  # a payer's plan: its contracts and their ranges
        "Accumulator",  # what a person has used of a plan in a period
        "Decision",  # a recorded decision with its inputs, for replay
    }
)
# FHIR types that only their own service changes, but for a Patient, which the records door keeps up to date.
# The records service may create all of them in a Bundle.
OWNED = {
    "Patient": IDENTITY,
    "Organization": IDENTITY,
    "Consent": CONSENT,
    "Coverage": CLAIMS,
    "ClaimResponse": CLAIMS,
    "CoverageEligibilityRequest": CLAIMS,
    "CoverageEligibilityResponse": CLAIMS,
}
# About nobody in particular: stored by type, readable by every admitted caller with the scope.
DIRECTORY_TYPES = frozenset(
    {
        "Organization",
        "Location",
        "Practitioner",
        "PractitionerRole",
        "HealthcareService",
        "Endpoint",
        "Medication",
    }
)
# Those of our own types that are about no person.
OWN_DIRECTORY = frozenset({"Admission", "BenefitContract", "Plan"})
ANY_FHIR = "*"


@dataclass(frozen=True, slots=True)
class EventType:
    """`producers` may sign it; `writes` are the document types of its revisions (`*`: any FHIR type)."""

    name: str
    producers: frozenset[str]
    writes: frozenset[str]


def _type(name: str, producers: str, writes: str) -> tuple[str, EventType]:
    return name, EventType(name, frozenset(producers.split()), frozenset(writes.split()))


CATALOGUE: dict[str, EventType] = dict(
    (
        _type("organization.admitted", OPERATOR, "Admission Organization"),
        _type("organization.changed", OPERATOR, "Admission Organization"),
        _type("patient.registered", IDENTITY, "Patient Enrolment"),
        _type("patient.enrolled", IDENTITY, "Enrolment"),
        _type("device.bound", IDENTITY, "BoundDevice"),
        _type("device.removed", IDENTITY, "BoundDevice"),
        _type("subject.erased", IDENTITY, "Erasure"),
        _type("consent.requested", CONSENT, "ConsentRequest"),
        _type("consent.refused", CONSENT, "ConsentRequest"),
        _type("consent.granted", CONSENT, "Consent ConsentRequest"),
        _type("consent.recorded", CONSENT, "Consent"),
        _type("consent.revoked", CONSENT, "Consent Provenance"),
        _type("records.stored", RECORDS, "* Enrolment"),
        _type("record.updated", RECORDS, "* Patient"),
        _type("contract.registered", CLAIMS, "BenefitContract Plan"),
        _type("coverage.registered", CLAIMS, "Coverage"),
        _type(
            "eligibility.answered",
            CLAIMS,
            "CoverageEligibilityRequest CoverageEligibilityResponse",
        ),
        _type("claim.adjudicated", CLAIMS, "Claim ClaimResponse Accumulator Decision"),
        _type("access.audited", f"{IDENTITY} {CONSENT} {RECORDS} {CLAIMS}", "AuditEvent"),
    )
)


def types_of(service: str) -> tuple[str, ...]:
    """The event types that `service` may sign, sorted: what its certificates list."""
    return tuple(sorted(name for name, kind in CATALOGUE.items() if service in kind.producers))


def may_write(event_type: str, document_type: str, version: int) -> bool:
    """Whether an event of `event_type` may hold a revision of `document_type` with this version number."""
    kind = CATALOGUE.get(event_type)
    if kind is None:
        return False
    if document_type in kind.writes:
        return True
    if ANY_FHIR not in kind.writes or document_type in OWN_TYPES or document_type == "AuditEvent":
        return False
    return version == 1 or document_type not in OWNED
