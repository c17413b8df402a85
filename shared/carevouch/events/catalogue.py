"""The write matrix: the event types, the producers of each, and the document types that each may write.

Three parties hold the same matrix on purpose. The store checks it before it writes. The certificate of the
signing key lists the types of its service. The sealer and every reader check it afterwards. So a faulty
service cannot write documents of another one, and nobody has to trust the store for that.
"""

from dataclasses import dataclass

OPERATOR = "operator"
IDENTITY = "identity"
CONSENT = "consent"
RECORDS = "records"
CLAIMS = "claims"
SERVICES = (IDENTITY, CONSENT, RECORDS, CLAIMS)

# Document types of our own, under names that FHIR does not use. They are stored, hashed and proved like FHIR
# documents, and no FHIR route serves them.
OWN_TYPES = frozenset(
    {
        "Admission",  # an organisation's roles and keys, as the operator admitted it
        "Enrolment",  # the link of an organisation with a person it treats
        "BoundDevice",  # a key bound to a person
        "ConsentRequest",  # a request for consent, and its answer
        "Erasure",  # the erasure of a person, and the caller who ordered it
        "BenefitContract",  # a benefit contract, by hash
        "Plan",  # a payer's plan: its contracts and their ranges
        "Accumulator",  # how much of a plan's limits a person has used in a period
        "Decision",  # a recorded decision with its inputs, for replay
    }
)
# FHIR types that only their own service changes. A Patient is the exception: the records door updates it too.
# The records service may create all of these types in a Bundle.
OWNED = {
    "Patient": IDENTITY,
    "Organization": IDENTITY,
    "Consent": CONSENT,
    "Coverage": CLAIMS,
    "ClaimResponse": CLAIMS,
    "CoverageEligibilityRequest": CLAIMS,
    "CoverageEligibilityResponse": CLAIMS,
}
# Types that are about no person. They are stored by type. Every admitted caller with the scope reads them.
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
# Our own types that are about no person.
OWN_DIRECTORY = frozenset({"Admission", "BenefitContract", "Plan"})
ANY_FHIR = "*"


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event. `producers` may sign it. `writes` are its document types; `*` is any FHIR type."""

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
    """The event types that `service` may sign, sorted, as its certificates list them."""
    return tuple(sorted(name for name, kind in CATALOGUE.items() if service in kind.producers))


def may_write(event_type: str, document_type: str, version: int) -> bool:
    """Whether an event of this type may hold a revision of `document_type` with this version number."""
    kind = CATALOGUE.get(event_type)
    if kind is None:
        return False
    if document_type in kind.writes:
        return True
    if ANY_FHIR not in kind.writes or document_type in OWN_TYPES or document_type == "AuditEvent":
        return False
    return version == 1 or document_type not in OWNED
