"""What the server says of itself, made from the routes it serves: CapabilityStatement and OpenAPI.

The doors of the other services are listed by hand here; a test compares the list with the template.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from carevouch.fhir.capability import ServedType, capability_statement
from carevouch.fhir.compartment import personal
from carevouch.fhir.definitions import resource_types
from carevouch.records.openapi import openapi_document
from carevouch.records.resource import has_identifiers, is_served, why_not_created, why_not_updated
from services.records.neighbours import NEIGHBOURS
from services.records.ports import Ports

# The version of the software; a test compares it with pyproject.toml.
VERSION = "0.1.0"
# When what is served last changed, so that a client may keep and compare the statement.
RELEASED = "2026-11-22"
EVERYTHING = ("everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything")
_FHIR = re.compile(r"/fhir/(?P<type>\{type\}|[A-Z][A-Za-z]+)(?P<rest>(/.*)?)")
_INTERACTIONS = {
    ("GET", ""): "search-type",
    ("GET", "/{id}"): "read",
    ("GET", "/{id}/_history"): "history-instance",
    ("GET", "/{id}/_history/{version}"): "vread",
    ("POST", ""): "create",
    ("PUT", "/{id}"): "update",
}


def capabilities(routes: Iterable[tuple[str, str]], ports: Ports) -> dict[str, Any]:
    """The CapabilityStatement of what is served under /fhir."""
    listed = [*routes, *((method, path) for method, path, _, _ in NEIGHBOURS)]
    served = [_served(type_, listed) for type_ in sorted(filter(is_served, resource_types()))]
    statement = capability_statement(
        served,
        base_url=ports.access.base,
        date=RELEASED,
        version=VERSION,
        system=("transaction", "batch"),
    )
    for resource in statement["rest"][0]["resource"]:
        _add_person(resource)
    return statement


def _add_person(resource: dict[str, Any]) -> None:
    """Every personal type is searched by its person here, also where R4 names no such parameter."""
    type_, named = resource["type"], {one["name"] for one in resource.get("searchParam", ())}
    if personal(type_) and type_ != "Patient" and "patient" not in named:
        resource["searchParam"].append({"name": "patient", "type": "reference"})


def openapi(routes: Iterable[tuple[str, str, str, bool]], ports: Ports) -> dict[str, Any]:
    """The OpenAPI description of every door under the base URL."""
    return openapi_document([*routes, *NEIGHBOURS], base_url=ports.store.base_url, version=VERSION)


def _served(type_: str, routes: Iterable[tuple[str, str]]) -> ServedType:
    interactions, operations = set(), set()
    for method, path in routes:
        match = _FHIR.fullmatch(path)
        if match and match["type"] == _resource_of(type_):
            interaction = _INTERACTIONS.get((method, match["rest"]))
            interactions |= {interaction} if interaction and _is_done(type_, interaction) else set()
            operations |= set(_OPERATIONS.get((method, type_, match["rest"]), ()))
    conditional = has_identifiers(type_) and "create" in interactions
    return ServedType(type_, tuple(sorted(interactions)), tuple(sorted(operations)), conditional)


def _resource_of(type_: str) -> str:
    """The path part under which API Gateway serves a type: its own name, once any route has it."""
    return type_ if type_ in _LITERAL else "{type}"


@cache
def _is_done(type_: str, interaction: str) -> bool:
    if interaction == "update":
        return type_ in _UPDATED_ELSEWHERE or why_not_updated(type_) is None
    return interaction != "create" or type_ in _CREATED_ELSEWHERE or why_not_created(type_) is None


_OPERATIONS = {
    ("GET", "Patient", "/{id}/{operation}"): (EVERYTHING,),
    ("POST", "Claim", "/{id}"): (("submit", "http://hl7.org/fhir/OperationDefinition/Claim-submit"),),
    ("POST", "CoverageEligibilityRequest", "/{id}"): (
        ("submit", "http://hl7.org/fhir/OperationDefinition/CoverageEligibilityRequest-submit"),
    ),
    ("POST", "Consent", "/{id}"): (("revokeConsent", "urn:carevouch:operation:revokeConsent"),),
}
_LITERAL = frozenset(
    {"Patient", "Organization", "Consent", "Claim", "Coverage", "CoverageEligibilityRequest"}
)
# Admissions of organisations are posted in the operator's signed form, which is no FHIR create.
_CREATED_ELSEWHERE = frozenset({"Patient", "Consent", "Coverage"})
_UPDATED_ELSEWHERE = frozenset({"Consent"})
