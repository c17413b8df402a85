"""The R4 invariants about the presence of elements, as tables of (key, sentence, JSON Schema).

They are part of their type's schema, so they hold wherever it occurs and cost no walk. `rules.py` has the
invariants that compare values or look across a resource. Keys are HL7's
(http://hl7.org/fhir/R4/conformance-rules.html#constraints); the sentences are ours.
"""

from typing import Any, Final

Schema = dict[str, Any]


def has(name: str) -> Schema:
    """The element is there, as a value or as the extension of a primitive."""
    return {"anyOf": [{"required": [name]}, {"required": [f"_{name}"]}]}


def any_of(*names: str) -> Schema:
    """At least one of the elements is there."""
    return {"anyOf": [{"required": [form]} for name in names for form in (name, f"_{name}")]}


def needs(name: str, *others: str) -> Schema:
    """If `name` is there, so is one of `others`."""
    return {"anyOf": [{"not": {"required": [name]}}, any_of(*others)]}


def not_both(one: Schema, other: Schema) -> Schema:
    """At most one of the two schemas holds."""
    return {"not": {"allOf": [one, other]}}


UCUM: Final = "http://unitsofmeasure.org"


def _measured(key: str) -> tuple[str, str, Schema]:
    """Age, Count, Distance and Duration are quantities with a UCUM code."""
    ucum = {"properties": {"system": {"const": UCUM}}}
    return key, "a value needs a code, and the system is UCUM", {"allOf": [needs("value", "code"), ucum]}


_OBSERVED: Final = (
    "valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean", "valueInteger", "valueRange",
    "valueRatio", "valueSampledData", "valueTime", "valueDateTime", "valuePeriod",
)  # fmt: skip

INVARIANTS: Final[dict[str, tuple[tuple[str, str, Schema], ...]]] = {
    # data types
    "Quantity": (("qty-3", "a unit code needs its system", needs("code", "system")),),
    "Age": (_measured("age-1"),),
    "Count": (_measured("cnt-3"),),
    "Distance": (_measured("dis-1"),),
    "Duration": (_measured("drt-1"),),
    "Attachment": (("att-1", "data needs its contentType", needs("data", "contentType")),),
    "ContactPoint": (("cpt-2", "a value needs its system", needs("value", "system")),),
    "Expression": (("exp-1", "expression or reference is needed", any_of("expression", "reference")),),
    "Ratio": (
        (
            "rat-1",
            "numerator and denominator go together; without both, an extension is needed",
            {
                "oneOf": [
                    {"required": ["numerator", "denominator"]},
                    {"allOf": [{"required": ["extension"]}, {"not": any_of("numerator", "denominator")}]},
                ]
            },
        ),
    ),
    "TimingRepeat": (
        ("tim-1", "duration needs durationUnit", needs("duration", "durationUnit")),
        ("tim-2", "period needs periodUnit", needs("period", "periodUnit")),
        ("tim-6", "periodMax needs period", needs("periodMax", "period")),
        ("tim-7", "durationMax needs duration", needs("durationMax", "duration")),
        ("tim-8", "countMax needs count", needs("countMax", "count")),
        ("tim-9", "offset needs when", needs("offset", "when")),
        ("tim-10", "timeOfDay and when exclude each other", not_both(has("timeOfDay"), has("when"))),
    ),
    # parts of resources
    "PatientContact": (
        ("pat-1", "a contact needs a name, telecom, address or organization",
         any_of("name", "telecom", "address", "organization")),
    ),
    "ObservationReferenceRange": (("obs-3", "low, high or text is needed", any_of("low", "high", "text")),),
    "ImmunizationEducation": (
        ("imm-1", "documentType or reference is needed", any_of("documentType", "reference")),
    ),
    "AuditEventEntity": (
        ("sev-1", "name and query exclude each other", not_both(has("name"), has("query"))),
    ),
    "MedicationAdministrationDosage": (
        ("mad-1", "dose or rate is needed", any_of("dose", "rateRatio", "rateQuantity")),
    ),
    "CarePlanActivity": (
        ("cpl-3", "detail and reference exclude each other", not_both(has("detail"), has("reference"))),
    ),
    "GoalTarget": (
        ("gol-1", "a detail needs its measure", {"anyOf": [
            {"not": any_of("detailQuantity", "detailRange", "detailCodeableConcept", "detailString",
                           "detailBoolean", "detailInteger", "detailRatio")}, has("measure")]}),
    ),
    "BundleEntry": (
        ("bdl-5", "an entry holds a resource unless it is a request or a response",
         any_of("resource", "request", "response")),
    ),
    "ParametersParameter": (
        ("inv-1", "a parameter has one of value, resource and part", {"oneOf": [
            {"required": ["resource"]}, {"required": ["part"]},
            {"not": any_of("resource", "part")}]}),
    ),
    # resources
    "Observation": (
        ("obs-6", "dataAbsentReason and a value exclude each other",
         not_both(has("dataAbsentReason"), any_of(*_OBSERVED))),
    ),
    "Consent": (("ppc-1", "policy or policyRule is needed", any_of("policy", "policyRule")),),
    "Organization": (("org-1", "identifier or name is needed", any_of("identifier", "name")),),
    "ServiceRequest": (("prr-1", "orderDetail needs a code", needs("orderDetail", "code")),),
    "FamilyMemberHistory": (
        ("fhs-1", "age and born exclude each other", not_both(
            any_of("ageAge", "ageRange", "ageString"), any_of("bornPeriod", "bornDate", "bornString"))),
        ("fhs-2", "estimatedAge needs an age", needs("estimatedAge", "ageAge", "ageRange", "ageString")),
    ),
    "List": (
        ("lst-1", "a list has entries or an emptyReason, not both",
         not_both(has("emptyReason"), has("entry"))),
    ),
    "QuestionnaireResponseItem": (
        ("qrs-1", "items nest under the item or under its answer, not both",
         {"anyOf": [{"not": {"required": ["item"]}}, {"not": {"required": ["answer"]}}]}),
    ),
    "Appointment": (
        ("app-2", "start and end go together", {"oneOf": [
            {"required": ["start", "end"]}, {"not": any_of("start", "end")}]}),
        ("app-3", "only a proposed, cancelled or waitlisted appointment has no start and end", {"anyOf": [
            {"required": ["start", "end"]},
            {"properties": {"status": {"enum": ["proposed", "cancelled", "waitlist"]}}}]}),
    ),
    "AppointmentParticipant": (("app-1", "type or actor is needed", any_of("type", "actor")),),
}  # fmt: skip
