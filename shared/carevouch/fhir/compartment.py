"""The R4 Patient compartment (http://hl7.org/fhir/R4/compartmentdefinition-patient.html): the people that a
resource is about.

`subjects` names the one person, seldom several, whose document it is. `concerned` adds all other people of
the compartment, such as an author. Both return references as written. Only resolving a reference shows
whether it is a Patient. So elements that may point elsewhere (Provenance.target) are included whole.
"""

from collections.abc import Mapping
from typing import Any, Final

from carevouch.fhir.paths import values
from carevouch.kernel.errors import Invalid

# type -> (elements that name the subject, further elements of the compartment)
_ABOUT: Final[dict[str, tuple[str, str]]] = {
    "Account": ("subject", ""),
    "AdverseEvent": ("subject", ""),
    "AllergyIntolerance": ("patient", "recorder asserter"),
    "Appointment": ("participant.actor", ""),
    "AppointmentResponse": ("actor", ""),
    "AuditEvent": ("entity.what", "agent.who"),
    "Basic": ("subject", "author"),
    "BodyStructure": ("patient", ""),
    "CarePlan": ("subject", "activity.detail.performer"),
    "CareTeam": ("subject", "participant.member"),
    "ChargeItem": ("subject", ""),
    "Claim": ("patient", "payee.party"),
    "ClaimResponse": ("patient", ""),
    "ClinicalImpression": ("subject", ""),
    "Communication": ("subject", "sender recipient"),
    "CommunicationRequest": ("subject", "sender recipient requester"),
    "Composition": ("subject", "author attester.party"),
    "Condition": ("subject", "asserter"),
    "Consent": ("patient", ""),
    "Coverage": ("beneficiary", "policyHolder subscriber payor"),
    "CoverageEligibilityRequest": ("patient", ""),
    "CoverageEligibilityResponse": ("patient", ""),
    "DetectedIssue": ("patient", ""),
    "Device": ("patient", ""),
    "DeviceRequest": ("subject", "performer"),
    "DeviceUseStatement": ("subject", ""),
    "DiagnosticReport": ("subject", ""),
    "DocumentManifest": ("subject", "author recipient"),
    "DocumentReference": ("subject", "author"),
    "Encounter": ("subject", ""),
    "EnrollmentRequest": ("candidate", ""),
    "EpisodeOfCare": ("patient", ""),
    "ExplanationOfBenefit": ("patient", "payee.party"),
    "FamilyMemberHistory": ("patient", ""),
    "Flag": ("subject", ""),
    "Goal": ("subject", ""),
    "Group": ("member.entity", ""),
    "GuidanceResponse": ("subject", ""),
    "ImagingStudy": ("subject", ""),
    "Immunization": ("patient", ""),
    "ImmunizationEvaluation": ("patient", ""),
    "ImmunizationRecommendation": ("patient", ""),
    "Invoice": ("subject", "recipient"),
    "List": ("subject", "source"),
    "MeasureReport": ("subject", ""),
    "Media": ("subject", ""),
    "MedicationAdministration": ("subject", "performer.actor"),
    "MedicationDispense": ("subject", "receiver"),
    "MedicationRequest": ("subject", ""),
    "MedicationStatement": ("subject", ""),
    "MolecularSequence": ("patient", ""),
    "NutritionOrder": ("patient", ""),
    "Observation": ("subject", "performer"),
    "Person": ("link.target", ""),
    "Procedure": ("subject", "performer.actor"),
    "Provenance": ("target", ""),
    "QuestionnaireResponse": ("subject", "author"),
    "RelatedPerson": ("patient", ""),
    "RequestGroup": ("subject", "action.participant"),
    "ResearchSubject": ("individual", ""),
    "RiskAssessment": ("subject", ""),
    "Schedule": ("actor", ""),
    "ServiceRequest": ("subject", "performer"),
    "Specimen": ("subject", ""),
    "SupplyDelivery": ("patient", ""),
    "SupplyRequest": ("deliverTo", "requester"),
    # R4's compartment leaves Task out, but a Task is about a person too.
    "Task": ("for", ""),
    "VisionPrescription": ("patient", ""),
}  # fmt: skip


def is_personal(type_: str) -> bool:
    """Whether resources of this type are about a person. All others stand in the directory."""
    return type_ == "Patient" or type_ in _ABOUT


def subjects(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """The references to the subjects, in order, each once. A directory type has none."""
    return _references(resource, _ABOUT.get(resource["resourceType"], ("", ""))[0])


def concerned(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """The references to the subjects and to all other people of the compartment."""
    return _references(resource, " ".join(_ABOUT.get(resource["resourceType"], ("", ""))))


def subject(resource: Mapping[str, Any]) -> str:
    """The one reference to the subject. Raises `Invalid` for none or several."""
    references = subjects(resource)
    if len(references) != 1:
        type_ = resource["resourceType"]
        element = _ABOUT.get(type_, ("subject", ""))[0]
        problem = "must name one person only" if references else "is needed: it says whose document this is"
        raise Invalid(f"{type_}.{element} {problem}")
    return references[0]


def _references(resource: Mapping[str, Any], elements: str) -> tuple[str, ...]:
    references: dict[str, None] = {}
    for path in elements.split():
        for value in values(resource, path):
            if isinstance(value, dict) and isinstance(value.get("reference"), str):
                references[value["reference"]] = None
    return tuple(references)
