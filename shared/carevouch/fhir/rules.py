"""The R4 invariants that compare values or look across a resource (the rest: `invariants.py`).

The schema has accepted the resource before, so shapes are known. The sentence of an issue ends with HL7's
key. Warnings of the standard (such as con-3) are not applied.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from carevouch.fhir import narrative
from carevouch.fhir.dates import precedes
from carevouch.fhir.survey import ResourceSurvey, finding
from carevouch.kernel.errors import Issue

Resource = dict[str, Any]

_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_SCOPES = {"patient-privacy": "ppc-2", "research": "ppc-3", "adr": "ppc-4", "treatment": "ppc-5"}
_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_ERROR = "entered-in-error"


def rule_issues(resource: Resource, survey: ResourceSurvey, root: str) -> Iterator[Issue]:
    """An issue for every rule that `resource` breaks; `root` is its place."""
    for path in survey.blanks:
        message = "null must stand for a value or an extension in the array beside it"
        yield finding(path, root, message, "structure")
    for path, period in survey.periods:
        start, end = period.get("start"), period.get("end")
        if isinstance(start, str) and isinstance(end, str) and not precedes(start, end):
            yield finding(path, root, "a period must not end before it starts (per-1)")
    for path, range_ in survey.ranges:
        quantities = [_object(range_.get(name)) for name in ("low", "high")]
        amounts = [quantity.get("value") for quantity in quantities]
        numbers = [Decimal(amount) for amount in amounts if isinstance(amount, Decimal | int | float)]
        units = [(quantity.get("system"), quantity.get("code")) for quantity in quantities]
        if len(numbers) == 2 and units[0] == units[1] and numbers[0] > numbers[1]:
            yield finding(path, root, "low must not be greater than high (rng-2)")
    for path, div in survey.narratives:
        fault = narrative.fault(div)
        if fault:
            yield finding(path, root, fault)
    yield from _contained(resource, survey, root)
    yield from type_rule_issues(resource, root)


def type_rule_issues(resource: Resource, root: str) -> Iterator[Issue]:
    """The issues of the type's own rules, which hold for a contained resource too."""
    rule = _BY_TYPE.get(resource["resourceType"])
    if rule:
        yield from rule(resource, root)


def _contained(resource: Resource, survey: ResourceSurvey, root: str) -> Iterator[Issue]:
    contained = resource.get("contained", [])
    # The contained resource's own schema reports an id that is no text.
    ids = Counter(inner["id"] for inner in contained if isinstance(inner.get("id"), str))
    # "#" alone is the container. References from within `contained` count too.
    named = {fragment for _, fragment in survey.fragments}
    for path, fragment in survey.fragments:
        if fragment and fragment not in ids:
            yield finding(path, root, "the reference names a contained resource that is not there (ref-1)")
    for index, inner in enumerate(contained):
        where = ("contained", index)
        if "contained" in inner:
            yield finding(where, root, "a contained resource must not contain others (dom-2)")
        own = inner.get("id")
        if not isinstance(own, str) or not own or ids[own] > 1:
            yield finding(where, root, "a contained resource needs its own id")
        elif own not in named and not _refers_to(inner, ""):
            yield finding(where, root, "nothing refers to this contained resource (dom-3)")
        meta = _object(inner.get("meta"))
        if "versionId" in meta or "lastUpdated" in meta:
            yield finding(where, root, "a contained resource has no version or time of update (dom-4)")
        if "security" in meta:
            yield finding(where, root, "a contained resource has no security labels of its own (dom-5)")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _refers_to(value: Any, fragment: str) -> bool:
    if isinstance(value, dict):
        return value.get("reference") == f"#{fragment}" or any(
            _refers_to(v, fragment) for v in value.values()
        )
    return isinstance(value, list) and any(_refers_to(item, fragment) for item in value)


def _consent(resource: Resource, root: str) -> Iterator[Issue]:
    # R4's expressions compare with the system 'something'; here the rule follows the text of the standard.
    codes = {
        coding.get("code") for coding in resource["scope"].get("coding", []) if coding.get("system") == _SCOPE
    }
    key = next((_SCOPES[code] for code in _SCOPES if code in codes), None)
    if key and "patient" not in resource:
        yield finding(("patient",), root, f"a consent of this scope needs its patient ({key})")


def _condition(resource: Resource, root: str) -> Iterator[Issue]:
    clinical, verification = (_codes(resource.get(name)) for name in ("clinicalStatus", "verificationStatus"))
    abated = any(name.lstrip("_").startswith("abatement") for name in resource)
    ended = {(_CONDITION, code) for code in ("resolved", "remission", "inactive")}
    if abated and "clinicalStatus" in resource and not clinical & ended:
        yield finding(
            ("clinicalStatus",), root, "an abated condition is inactive, resolved or in remission (con-4)"
        )
    if "clinicalStatus" in resource and any(code == _ERROR for _, code in verification):
        yield finding(("clinicalStatus",), root, "a record entered in error has no clinicalStatus (con-5)")


def _allergy(resource: Resource, root: str) -> Iterator[Issue]:
    mistaken = any(code == _ERROR for _, code in _codes(resource.get("verificationStatus")))
    if mistaken and "clinicalStatus" in resource:
        yield finding(("clinicalStatus",), root, "a record entered in error has no clinicalStatus (ait-2)")
    if not mistaken and "clinicalStatus" not in resource:
        yield finding(("clinicalStatus",), root, "a clinicalStatus is needed unless entered in error (ait-1)")


def _observation(resource: Resource, root: str) -> Iterator[Issue]:
    codes = _codes(resource["code"])
    parts = [_codes(component.get("code")) for component in resource.get("component", [])]
    if any(name.startswith("value") for name in resource) and any(codes & part for part in parts):
        yield finding((), root, "a component with the observation's own code excludes a value (obs-7)")


def _organization(resource: Resource, root: str) -> Iterator[Issue]:
    for name, key in (("address", "org-2"), ("telecom", "org-3")):
        for index, item in enumerate(resource.get(name, [])):
            if item.get("use") == "home":
                yield finding((name, index, "use"), root, f"an organization has no home {name} ({key})")


def _codes(concept: Any) -> set[tuple[Any, Any]]:
    codings = concept.get("coding", []) if isinstance(concept, dict) else []
    return {(coding.get("system"), coding.get("code")) for coding in codings if "code" in coding}


def _bundle(resource: Resource, root: str) -> Iterator[Issue]:
    kind, entries = resource.get("type"), resource.get("entry", [])
    if "total" in resource and kind not in ("searchset", "history"):
        yield finding(("total",), root, "only a searchset or history has a total (bdl-1)")
    asks = kind in ("batch", "transaction", "history")
    answers = kind in ("batch-response", "transaction-response", "history")
    for index, entry in enumerate(entries):
        place = ("entry", index)
        if "search" in entry and kind != "searchset":
            yield finding((*place, "search"), root, "only entries of a searchset have this (bdl-2)")
        if ("request" in entry) != asks:
            yield finding((*place, "request"), root, f"needed in each entry of a {kind} (bdl-3)" if asks
                          else f"not allowed in a {kind} (bdl-3)")  # fmt: skip
        if ("response" in entry) != answers:
            yield finding((*place, "response"), root, f"needed in each entry of a {kind} (bdl-4)" if answers
                          else f"not allowed in a {kind} (bdl-4)")  # fmt: skip
        if "/_history/" in entry.get("fullUrl", ""):
            yield finding((*place, "fullUrl"), root, "the fullUrl names no version (bdl-8)")
    if kind != "history":
        versions: set[tuple[str, Any]] = set()
        for index, entry in enumerate(entries):
            if "fullUrl" in entry:
                version = (entry["fullUrl"], _object(entry.get("resource", {}).get("meta")).get("versionId"))
                if version in versions:
                    yield finding(("entry", index, "fullUrl"), root, "the same fullUrl twice (bdl-7)")
                versions.add(version)
    if kind in ("document", "message"):
        yield from _document(resource, kind, entries, root)


def _document(resource: Resource, kind: str, entries: list[Any], root: str) -> Iterator[Issue]:
    """The rules of a document or a message: its first entry, identifier and time."""
    needed = {"document": ("Composition", "bdl-11"), "message": ("MessageHeader", "bdl-12")}[kind]
    if not entries or entries[0].get("resource", {}).get("resourceType") != needed[0]:
        yield finding(("entry",), root, f"the first resource must be a {needed[0]} ({needed[1]})")
    if kind == "document" and not {"system", "value"} <= resource.get("identifier", {}).keys():
        yield finding(("identifier",), root, "a document needs an identifier with system and value (bdl-9)")
    if kind == "document" and "timestamp" not in resource:
        yield finding(("timestamp",), root, "a document needs its timestamp (bdl-10)")


_BY_TYPE = {
    "Consent": _consent,
    "Condition": _condition,
    "AllergyIntolerance": _allergy,
    "Observation": _observation,
    "Organization": _organization,
    "Bundle": _bundle,
}
