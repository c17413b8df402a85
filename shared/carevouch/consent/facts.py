"""The facts about a FHIR R4 (4.0.1) resource that the consent rules ask for, from its parsed JSON.

They are the clinical time, labels, authors, references, codes and the patients concerned. The clinical time
comes from an element of each type, never from meta.lastUpdated, the time of import. An indefinite value (a
display, an identifier, a search) is reported as unresolved; it is never dropped.
"""

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from carevouch.consent.codes import ACT_REASON, CONFIDENTIALITY, RANK, effective, label_token
from carevouch.consent.question import Interval, ResourceFacts, interval_of, period_of
from carevouch.consent.read import reference_of, type_of
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid

# The elements with the clinical time; the first one present counts. `effective` stands for effective[x].
CLINICAL_TIME = {
    "Observation": ("effective",),
    "Encounter": ("period",),
    "Condition": ("onset", "recordedDate"),
    "Procedure": ("performed",),
    "DiagnosticReport": ("effective",),
    "MedicationRequest": ("authoredOn",),
    "Immunization": ("occurrence",),
    "DocumentReference": ("date",),
    "Claim": ("billablePeriod",),
    "ExplanationOfBenefit": ("billablePeriod",),
    "MedicationAdministration": ("effective",),
    "MedicationStatement": ("effective",),
    "AllergyIntolerance": ("onset", "recordedDate"),
    "ServiceRequest": ("occurrence", "authoredOn"),
    "ImagingStudy": ("started",),
    "CarePlan": ("period",),
    "CareTeam": ("period",),
}
_CHOICES = ("", "DateTime", "Period", "Instant", "Date")
AUTHORS = frozenset(
    ("author", "recorder", "asserter", "performer", "requester", "provider", "enterer", "sender", "source")
)
# The element whose code is the topic of the resource. If it has only words, the match of a code is unknown.
_CODED = {
    "Observation": ("code",),
    "Condition": ("code",),
    "Procedure": ("code",),
    "DiagnosticReport": ("code",),
    "AllergyIntolerance": ("code",),
    "ServiceRequest": ("code",),
    "Immunization": ("vaccineCode",),
    "DocumentReference": ("type",),
    "MedicationRequest": ("medicationCodeableConcept",),
    "MedicationAdministration": ("medicationCodeableConcept",),
    "MedicationStatement": ("medicationCodeableConcept",),
}
# Elements that name the patients a resource is about: at the top of any type, of some, or one level down.
_SUBJECTS = ("subject", "patient", "beneficiary")
_SUBJECTS_OF = {"ResearchSubject": ("individual",), "Task": ("for",), "Provenance": ("target",)}
_SUBJECTS_BELOW = {
    "Appointment": ("participant", "actor"),
    "Group": ("member", "entity"),
    "List": ("entry", "item"),
    "Person": ("link", "target"),
}
_ENCOUNTERS = ("encounter", "context")
_REFERENCE = frozenset(("id", "extension", "reference", "type", "identifier", "display"))
_NOT_CONTENT = frozenset(("meta", "text"))


def facts_of(
    resource: JsonObject,
    *,
    base: str,
    zone: tzinfo,
    subject: str | None = None,
    dependents: Iterable[str] = (),
) -> ResourceFacts:
    """The facts about one resource; raises `Invalid` if it has no resourceType.

    `base` and `zone` are as in `read_consent`. `subject` (`Patient/id`) is the patient in whose
    partition it lies; it is added to the subjects that the resource names. `dependents` are known resources
    that refer to this one.
    """
    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or not type_:
        raise Invalid("the resource has no resourceType")
    reference = f"{type_}/{resource.get('id', '')}"
    subjects, are_subjects_open = _subjects(resource, type_, reference, base, subject)
    authors, are_authors_open = _authors(resource, base)
    related, are_related_open = _related(resource, base)
    has_codes = all(any(_codes({"code": resource.get(name)})) for name in _CODED.get(type_, ()))
    confidentiality, sensitivities, purposes = _labels(resource)
    return ResourceFacts(
        type=type_,
        reference=reference,
        subjects=subjects,
        confidentiality=confidentiality,
        sensitivities=sensitivities,
        purposes=purposes,
        date=clinical_time(resource, type_, zone),
        authors=authors,
        related=related,
        dependents=frozenset(dependents),
        codes=frozenset(_codes(resource)),
        unresolved=frozenset(
            name
            for name, is_open in (
                ("subjects", are_subjects_open),
                ("authors", are_authors_open),
                ("related", are_related_open),
                ("codes", not has_codes),
            )
            if is_open
        ),
    )


def clinical_time(resource: JsonObject, type_: str, zone: tzinfo) -> Interval | None:
    """The time that the data are about, or None where it is absent or unreadable."""
    elements = (name + choice for name in CLINICAL_TIME.get(type_, ()) for choice in _CHOICES)
    value = next((resource[name] for name in elements if resource.get(name) is not None), None)
    try:
        if not isinstance(value, dict):
            return interval_of(value, zone)
        period = period_of(value.get("start"), value.get("end"), zone)
    except ValueError:
        return None
    return None if period.is_empty() or period == (None, None) else period


def _labels(resource: JsonObject) -> tuple[str | None, frozenset[str], frozenset[str]]:
    """Confidentiality, sensitivities and purpose-of-use tags in meta.security.

    The confidentiality is the highest one there. It is None if there is none, or one that is unknown.
    """
    meta = resource.get("meta")
    codings = _many(meta.get("security") if isinstance(meta, dict) else None)
    pairs = [
        (coding.get("system"), coding["code"])
        for coding in codings
        if isinstance(coding, dict) and isinstance(coding.get("code"), str)
    ]
    levels = [code for system, code in pairs if system == CONFIDENTIALITY]
    is_known = bool(levels) and all(code in RANK for code in levels)
    highest = max(levels, key=RANK.__getitem__) if is_known else None
    sensitivities = frozenset(label_token(*pair) for pair in pairs if pair[0] != CONFIDENTIALITY)
    purposes = frozenset(code for system, code in pairs if system == ACT_REASON)
    return effective(highest, sensitivities), sensitivities, purposes


def _subjects(
    resource: JsonObject, type_: str, reference: str, base: str, subject: str | None
) -> tuple[tuple[str, ...], bool]:
    """The patients that the resource is about, and whether it may be about others whom it does not name."""
    found = [subject] if subject else []
    if type_ == "Patient":
        found.append(reference)
    is_open = False
    # Each value that names a subject, and whether it is the only one of its element.
    values = [
        (value, not isinstance(resource[name], list))
        for name in (*_SUBJECTS, *_SUBJECTS_OF.get(type_, ()))
        for value in _many(resource.get(name))
    ]
    outer, inner = _SUBJECTS_BELOW.get(type_, ("", ""))
    entries = (entry for entry in _many(resource.get(outer)) if isinstance(entry, dict))
    values += [(entry[inner], False) for entry in entries if inner in entry]
    for value, is_single in values:
        target = reference_of(value, base)
        if target is not None:
            target_type = type_of(target)
            if target_type == "Patient":
                found.append(target)
            is_open |= target_type in ("", "Group")
        elif not isinstance(value, dict) or value.get("type") in (None, "Patient", "Group"):
            # The partition settles whom `subject` means; it does not settle who else takes part.
            is_open |= not (is_single and subject)
    return tuple(dict.fromkeys(found)), is_open


def _authors(resource: JsonObject, base: str) -> tuple[frozenset[str], bool]:
    """The authors, and whether an author is present without a definite reference."""
    found, is_open = set(), False
    for name in AUTHORS & resource.keys():
        for value in _many(resource[name]):
            inner = value.get("actor", value) if isinstance(value, dict) else value
            target = reference_of(inner, base)
            is_open |= target is None
            found |= {target} if target else set()
    return frozenset(found), is_open


def _related(resource: JsonObject, base: str) -> tuple[frozenset[str], bool]:
    """The references in the resource, at any depth, and whether some Reference has no definite target."""
    found, is_open = set(), False
    for key, value in _objects(resource):
        target = reference_of(value, base)
        if target is not None:
            found.add(target)
        elif isinstance(value.get("reference"), str):
            is_open |= not value["reference"].startswith("#")
        elif key not in AUTHORS and key not in _SUBJECTS and key not in ("coding", "actor"):
            # Authors and subjects are reported separately. Another object counts if it can only be a
            # Reference.
            is_reference = key in _ENCOUNTERS or isinstance(value.get("identifier"), dict)
            is_open |= is_reference and value.keys() <= _REFERENCE
    return frozenset(found), is_open


def _codes(resource: JsonObject) -> Iterator[str]:
    for _, value in _objects(resource):
        # A Quantity has a value, with system and code of its unit, which is no topic.
        if (
            isinstance(value.get("code"), str)
            and isinstance(value.get("system"), str)
            and "value" not in value
        ):
            yield f"{value['system']}|{value['code']}"


def _objects(resource: JsonObject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object inside the resource with its element's name, without labels and narrative."""
    stack = [(key, value) for key, value in resource.items() if key not in _NOT_CONTENT]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            yield key, value
            stack.extend(value.items())
        elif isinstance(value, list):
            stack.extend((key, item) for item in value)


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
