"""A FHIR R4 (4.0.1) resource, as parsed JSON, into the facts that consent rules ask about.

Clinical time per type (never meta.lastUpdated, which is when we imported it), labels, authors,
references, codes and the patients concerned. What is there but says nothing definite (a display, an
identifier, a search) is reported as unresolved, not dropped.
"""

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from carevouch.consent.codes import ACT_REASON, CONFIDENTIALITY, RANK, effective, label_token
from carevouch.consent.question import Interval, ResourceFacts, interval_of, period_of
from carevouch.consent.read import is_patient, reference_of, type_of
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid

# When the data are about, first element that is there; `effective` stands for effectiveDateTime and its kin.
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
# The element that says in a code what the resource is about; if it only says so in words, a clause about
# a code cannot be answered.
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
    """The facts of one resource.

    `base` and `zone` as in `read_consent`. `subject`: the patient in whose partition it lies
    (`Patient/id`), added to those it names. `dependents`: references of known resources that refer to
    this one. Raises `Invalid` for what is no resource.
    """
    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or not type_:
        raise Invalid("the resource has no resourceType")
    reference = f"{type_}/{resource.get('id', '')}"
    subjects, subjects_open = _subjects(resource, type_, reference, base, subject)
    authors, authors_open = _authors(resource, base)
    related, related_open = _related(resource, base)
    codes = frozenset(_codes(resource))
    sensitivities = frozenset(_labels(resource))
    return ResourceFacts(
        type=type_,
        reference=reference,
        subjects=subjects,
        confidentiality=effective(_confidentiality(resource), sensitivities),
        sensitivities=sensitivities,
        purposes=frozenset(code for system, code in _security(resource) if system == ACT_REASON),
        date=clinical_time(resource, type_, zone),
        authors=authors,
        related=related,
        dependents=frozenset(dependents),
        codes=codes,
        unresolved=frozenset(
            name
            for name, is_open in (
                ("subjects", subjects_open),
                ("authors", authors_open),
                ("related", related_open),
                ("codes", not _is_coded(resource, type_)),
            )
            if is_open
        ),
    )


def clinical_time(resource: JsonObject, type_: str, zone: tzinfo) -> Interval | None:
    """What time the data are about; None where the resource does not say, or not readably."""
    for name in CLINICAL_TIME.get(type_, ()):
        for choice in _CHOICES:
            value = resource.get(name + choice)
            if value is not None:
                return _interval(value, zone)
    return None


def _interval(value: Any, zone: tzinfo) -> Interval | None:
    try:
        if not isinstance(value, dict):
            return interval_of(value, zone)
        found = period_of(value.get("start"), value.get("end"), zone)
    except ValueError:
        return None
    return None if found.is_empty() or found == (None, None) else found


def _security(resource: JsonObject) -> Iterator[tuple[str | None, str]]:
    meta = resource.get("meta")
    for coding in _many(meta.get("security") if isinstance(meta, dict) else None):
        if isinstance(coding, dict) and isinstance(coding.get("code"), str):
            yield coding.get("system"), coding["code"]


def _confidentiality(resource: JsonObject) -> str | None:
    codes = [code for system, code in _security(resource) if system == CONFIDENTIALITY]
    if not codes or any(code not in RANK for code in codes):
        return None
    return max(codes, key=RANK.__getitem__)


def _labels(resource: JsonObject) -> Iterator[str]:
    for system, code in _security(resource):
        if system != CONFIDENTIALITY:
            yield label_token(system, code)


def _subjects(
    resource: JsonObject, type_: str, reference: str, base: str, subject: str | None
) -> tuple[tuple[str, ...], bool]:
    """The patients concerned, and whether there may be others whom nobody can name."""
    found = [subject] if subject else []
    if type_ == "Patient":
        found.append(reference)
    is_open = False
    for value, is_single in _subject_references(resource, type_):
        named = reference_of(value, base)
        if named is not None and is_patient(named):
            found.append(named)
        elif _may_be_patient(value, named):
            # The partition settles whom `subject` means; it does not settle who else takes part.
            is_open |= not (is_single and subject and named is None)
    return tuple(dict.fromkeys(found)), is_open


def _subject_references(resource: JsonObject, type_: str) -> Iterator[tuple[Any, bool]]:
    """The values that name a subject, and whether each is the only one of its element."""
    for name in (*_SUBJECTS, *_SUBJECTS_OF.get(type_, ())):
        for value in _many(resource.get(name)):
            yield value, not isinstance(resource[name], list)
    outer, inner = _SUBJECTS_BELOW.get(type_, ("", ""))
    for entry in _many(resource.get(outer)):
        if isinstance(entry, dict) and inner in entry:
            yield entry[inner], False


def _may_be_patient(value: Any, named: str | None) -> bool:
    if named is not None:
        return type_of(named) in ("", "Group")
    said = value.get("type") if isinstance(value, dict) else None
    return said in (None, "Patient", "Group")


def _authors(resource: JsonObject, base: str) -> tuple[frozenset[str], bool]:
    found, is_open = set(), False
    for name in AUTHORS & resource.keys():
        for value in _many(resource[name]):
            inner = value.get("actor", value) if isinstance(value, dict) else value
            named = reference_of(inner, base)
            is_open |= named is None
            found |= {named} if named else set()
    return frozenset(found), is_open


def _related(resource: JsonObject, base: str) -> tuple[frozenset[str], bool]:
    """Everything the resource refers to, at any depth, and whether some reference leads nowhere definite."""
    found, is_open = set(), False
    for key, value in _objects(resource):
        named = reference_of(value, base)
        if named is not None:
            found.add(named)
        elif _is_reference(key, value):
            is_open = True
    return frozenset(found), is_open


def _is_reference(key: str, value: dict[str, Any]) -> bool:
    """Whether this is a Reference without a definite target; authors and subjects are watched elsewhere."""
    if isinstance(value.get("reference"), str):
        return not value["reference"].startswith("#")
    if key in AUTHORS or key in _SUBJECTS or key in ("coding", "actor"):
        return False
    bare = value.keys() <= _REFERENCE
    return bare and (key in _ENCOUNTERS or isinstance(value.get("identifier"), dict))


def _codes(resource: JsonObject) -> Iterator[str]:
    for _, value in _objects(resource):
        # A Quantity has system and code of its unit, and a value.
        if (
            isinstance(value.get("code"), str)
            and isinstance(value.get("system"), str)
            and "value" not in value
        ):
            yield f"{value['system']}|{value['code']}"


def _is_coded(resource: JsonObject, type_: str) -> bool:
    return all(next(_codes({"c": resource.get(name)}), None) is not None for name in _CODED.get(type_, ()))


def _objects(resource: JsonObject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object inside the resource with the element it stands in; not labels, not narrative."""
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
