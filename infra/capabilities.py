"""The CapabilityStatement of the FHIR doors, from the tables of routes."""

import re
from collections.abc import Iterable
from typing import Any

from carevouch.door.http import Route
from carevouch.fhir.capability import ServedType, capability_statement
from carevouch.fhir.compartment import is_personal
from carevouch.fhir.definitions import resource_types
from carevouch.records.resource import has_identifiers, is_served, why_not_created, why_not_updated

# The day on which the served routes or parameters last changed. Clients compare it with a copy they keep.
RELEASED = "2026-11-22"
_FHIR = re.compile(r"/fhir/(?P<type>\{type\}|[A-Z][A-Za-z]+)(?P<rest>(/.*)?)")
_INTERACTIONS = {
    ("GET", ""): "search-type",
    ("GET", "/{id}"): "read",
    ("GET", "/{id}/_history"): "history-instance",
    ("GET", "/{id}/_history/{version}"): "vread",
    ("POST", ""): "create",
    ("PUT", "/{id}"): "update",
}
_DEFINITIONS = {
    "$everything": "http://hl7.org/fhir/OperationDefinition/Patient-everything",
    "$revokeConsent": "urn:carevouch:operation:revokeConsent",
}
# POST /fhir/Organization takes the operator's signed form, so it is not a FHIR create.
_CREATED_ELSEWHERE = frozenset({"Patient", "Consent", "Coverage"})
_UPDATED_ELSEWHERE = frozenset({"Consent"})


def statement(routes: Iterable[Route], *, base_url: str, version: str) -> dict[str, Any]:
    """The CapabilityStatement of every route under /fhir."""
    listed = [
        (route, match["type"], match["rest"] or "")
        for route in routes
        if (match := _FHIR.fullmatch(route.path)) is not None
    ]
    literal = {type_ for _, type_, _ in listed} - {"{type}"}
    served = []
    for type_ in sorted(filter(is_served, resource_types())):
        # Once a route spells out a type, API Gateway looks for no route under `{type}`.
        place = type_ if type_ in literal else "{type}"
        interactions, operations = set(), set()
        for route, named, rest in listed:
            if named != place:
                continue
            interaction = None if route.operation else _INTERACTIONS.get((route.method, rest))
            if interaction and _is_done(type_, interaction):
                interactions.add(interaction)
            if route.operation:
                name = route.operation.removeprefix("$")
                url = f"http://hl7.org/fhir/OperationDefinition/{type_}-{name}"
                operations.add((name, _DEFINITIONS.get(route.operation, url)))
        is_conditional = has_identifiers(type_) and "create" in interactions
        served.append(
            ServedType(type_, tuple(sorted(interactions)), tuple(sorted(operations)), is_conditional)
        )
    made = capability_statement(
        served,
        base_url=f"{base_url}/fhir",
        date=RELEASED,
        version=version,
        system=("transaction", "batch"),
    )
    for resource in made["rest"][0]["resource"]:
        # Every personal type is searched by its person here, also where R4 names no such parameter.
        named_parameters = {one["name"] for one in resource.get("searchParam", ())}
        is_about_patient = is_personal(resource["type"]) and resource["type"] != "Patient"
        if is_about_patient and "patient" not in named_parameters:
            resource["searchParam"].append({"name": "patient", "type": "reference"})
    return made


def _is_done(type_: str, interaction: str) -> bool:
    if interaction == "update":
        return type_ in _UPDATED_ELSEWHERE or why_not_updated(type_) is None
    return interaction != "create" or type_ in _CREATED_ELSEWHERE or why_not_created(type_) is None
