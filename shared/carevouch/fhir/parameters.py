"""The search parameters of this server, as one table: type -> name -> kind and elements.

Names, kinds and elements are those of R4 (http://hl7.org/fhir/R4/searchparameter-registry.html). A kind
`code` is a token whose element is a bare code. `patient` matches only references to a Patient.
"""

from dataclasses import dataclass
from typing import Final, Literal

ParameterKind = Literal["token", "code", "reference", "date", "string"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter.

    It compares the elements at `paths`; a reference may be limited to one `target` type.
    """

    kind: ParameterKind
    paths: tuple[str, ...]
    target: str | None = None


def _token(*paths: str) -> Parameter:
    return Parameter("token", paths)


def _code(*paths: str) -> Parameter:
    return Parameter("code", paths)


def _date(*paths: str) -> Parameter:
    return Parameter("date", paths)


def _to(*paths: str) -> Parameter:
    return Parameter("reference", paths)


def _patient(path: str) -> Parameter:
    return Parameter("reference", (path,), "Patient")


def _text(*paths: str) -> Parameter:
    return Parameter("string", paths)


def _about(path: str, **others: Parameter) -> dict[str, Parameter]:
    """The parameters of a type about a person: `identifier`, `patient`, and `subject` if R4 names it so."""
    common = {"identifier": _token("identifier"), "patient": _patient(path)}
    return common | ({"subject": _to(path)} if path == "subject" else {}) | others


_NAMES: Final = ("name.family", "name.given", "name.text", "name.prefix", "name.suffix")

COMMON: Final[dict[str, Parameter]] = {
    "_id": _code("id"),
    "_lastUpdated": _date("meta.lastUpdated"),
    "_tag": _token("meta.tag"),
    "_profile": Parameter("code", ("meta.profile",)),
}

PARAMETERS: Final[dict[str, dict[str, Parameter]]] = {
    # people and directory
    "Patient": {
        "identifier": _token("identifier"),
        "birthdate": _date("birthDate"),
        "gender": _code("gender"),
        "active": _token("active"),
        "name": _text(*_NAMES),
        "family": _text("name.family"),
        "given": _text("name.given"),
        "deceased": _token("deceasedBoolean"),
    },
    "Practitioner": {
        "identifier": _token("identifier"),
        "active": _token("active"),
        "name": _text(*_NAMES),
        "family": _text("name.family"),
        "given": _text("name.given"),
    },
    "PractitionerRole": {
        "identifier": _token("identifier"),
        "active": _token("active"),
        "practitioner": _to("practitioner"),
        "organization": _to("organization"),
        "role": _token("code"),
        "specialty": _token("specialty"),
        "date": _date("period"),
    },
    "Organization": {
        "identifier": _token("identifier"),
        "active": _token("active"),
        "type": _token("type"),
        "name": _text("name", "alias"),
        "partof": _to("partOf"),
    },
    "Location": {
        "identifier": _token("identifier"),
        "status": _code("status"),
        "type": _token("type"),
        "name": _text("name", "alias"),
        "organization": _to("managingOrganization"),
        "partof": _to("partOf"),
    },
    "RelatedPerson": _about("patient", active=_token("active"), relationship=_token("relationship")),
    # the record
    "AllergyIntolerance": _about(
        "patient",
        code=_token("code", "reaction.substance"),
        category=_code("category"),
        type=_code("type"),
        date=_date("recordedDate"),
        **{"clinical-status": _token("clinicalStatus")},
    ),
    "CarePlan": _about(
        "subject",
        category=_token("category"),
        date=_date("period"),
        status=_code("status"),
        encounter=_to("encounter"),
    ),
    "CareTeam": _about(
        "subject",
        category=_token("category"),
        date=_date("period"),
        status=_code("status"),
        encounter=_to("encounter"),
    ),
    "Condition": _about(
        "subject",
        code=_token("code"),
        category=_token("category"),
        encounter=_to("encounter"),
        **{
            "clinical-status": _token("clinicalStatus"),
            "recorded-date": _date("recordedDate"),
            "verification-status": _token("verificationStatus"),
            "onset-date": _date("onsetDateTime", "onsetPeriod"),
        },
    ),
    "Device": {
        "identifier": _token("identifier"),
        "patient": _patient("patient"),
        "type": _token("type"),
        "status": _code("status"),
    },
    "DiagnosticReport": _about(
        "subject",
        code=_token("code"),
        category=_token("category"),
        date=_date("effectiveDateTime", "effectivePeriod"),
        status=_code("status"),
        encounter=_to("encounter"),
        issued=_date("issued"),
        result=_to("result"),
    ),
    "DocumentReference": _about(
        "subject",
        type=_token("type"),
        category=_token("category"),
        date=_date("date"),
        status=_code("status"),
        encounter=_to("context.encounter"),
        period=_date("context.period"),
    ),
    "Encounter": _about(
        "subject",
        status=_code("status"),
        type=_token("type"),
        date=_date("period"),
        **{"class": _token("class"), "service-provider": _to("serviceProvider")},
    ),
    "Goal": _about(
        "subject",
        category=_token("category"),
        **{"start-date": _date("startDate"), "lifecycle-status": _code("lifecycleStatus")},
    ),
    "ImagingStudy": _about(
        "subject",
        status=_code("status"),
        started=_date("started"),
        encounter=_to("encounter"),
        modality=_token("modality"),
    ),
    "Immunization": _about(
        "patient",
        status=_code("status"),
        date=_date("occurrenceDateTime"),
        **{"vaccine-code": _token("vaccineCode")},
    ),
    "MedicationAdministration": _about(
        "subject",
        status=_code("status"),
        code=_token("medicationCodeableConcept"),
        **{"effective-time": _date("effectiveDateTime", "effectivePeriod")},
    ),
    "MedicationRequest": _about(
        "subject",
        status=_code("status"),
        code=_token("medicationCodeableConcept"),
        category=_token("category"),
        intent=_code("intent"),
        encounter=_to("encounter"),
        authoredon=_date("authoredOn"),
        date=_date("dosageInstruction.timing"),
    ),
    "Observation": _about(
        "subject",
        code=_token("code"),
        category=_token("category"),
        status=_code("status"),
        date=_date("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming"),
        encounter=_to("encounter"),
        **{"combo-code": _token("code", "component.code"), "value-concept": _token("valueCodeableConcept")},
    ),
    "Procedure": _about(
        "subject",
        code=_token("code"),
        category=_token("category"),
        status=_code("status"),
        date=_date("performedDateTime", "performedPeriod"),
        encounter=_to("encounter"),
    ),
    "Provenance": {
        "patient": _patient("target"),
        "target": _to("target"),
        "recorded": _date("recorded"),
        "agent": _to("agent.who"),
    },
    "QuestionnaireResponse": _about(
        "subject", status=_code("status"), authored=_date("authored"), encounter=_to("encounter")
    ),
    "ServiceRequest": _about(
        "subject",
        code=_token("code"),
        category=_token("category"),
        status=_code("status"),
        encounter=_to("encounter"),
        authored=_date("authoredOn"),
        intent=_code("intent"),
    ),
    "Specimen": _about(
        "subject",
        type=_token("type"),
        status=_code("status"),
        collected=_date("collection.collectedDateTime", "collection.collectedPeriod"),
    ),
    # consent, claims, audit, trials
    "AuditEvent": {
        "patient": Parameter("reference", ("agent.who", "entity.what"), "Patient"),
        "date": _date("recorded"),
        "type": _token("type"),
        "subtype": _token("subtype"),
        "action": _code("action"),
        "outcome": _code("outcome"),
        "agent": _to("agent.who"),
        "entity": _to("entity.what"),
    },
    "Claim": _about(
        "patient",
        status=_code("status"),
        created=_date("created"),
        use=_code("use"),
        encounter=_to("item.encounter"),
        provider=_to("provider"),
        insurer=_to("insurer"),
    ),
    "ClaimResponse": _about(
        "patient",
        status=_code("status"),
        created=_date("created"),
        use=_code("use"),
        outcome=_code("outcome"),
        request=_to("request"),
        insurer=_to("insurer"),
    ),
    "Consent": _about(
        "patient",
        status=_code("status"),
        category=_token("category"),
        scope=_token("scope"),
        date=_date("dateTime"),
        period=_date("provision.period"),
        actor=_to("provision.actor.reference"),
    ),
    "Coverage": _about(
        "beneficiary",
        status=_code("status"),
        type=_token("type"),
        beneficiary=_to("beneficiary"),
        payor=_to("payor"),
    ),
    "CoverageEligibilityRequest": _about("patient", status=_code("status"), created=_date("created")),
    "CoverageEligibilityResponse": _about(
        "patient", status=_code("status"), created=_date("created"), request=_to("request")
    ),
    "ExplanationOfBenefit": _about(
        "patient",
        status=_code("status"),
        created=_date("created"),
        claim=_to("claim"),
        encounter=_to("item.encounter"),
    ),
    "ResearchStudy": {
        "identifier": _token("identifier"),
        "status": _code("status"),
        "sponsor": _to("sponsor"),
    },
    "ResearchSubject": _about("individual", status=_code("status"), study=_to("study"), date=_date("period")),
}
