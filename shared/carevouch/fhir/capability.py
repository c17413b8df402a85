"""CapabilityStatement (http://hl7.org/fhir/R4/capabilitystatement.html): what this server does, no more.

It is built from what the routes and the search table really serve, so it cannot promise what is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carevouch.fhir.search import search_parameters

_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"


@dataclass(frozen=True, slots=True)
class ServedType:
    """One resource type: its interactions (`read`, `search-type`) and operations (name, definition)."""

    type: str
    interactions: tuple[str, ...]
    operations: tuple[tuple[str, str], ...] = ()
    conditional_create: bool = False


def capability_statement(
    served: Sequence[ServedType],
    *,
    base_url: str,
    date: str,
    version: str,
    system: Sequence[str] = ("transaction",),
) -> dict[str, Any]:
    """The statement of the server at `base_url`: published at `date`, for the software's `version`."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Carevouch", "version": version},
        "implementation": {"description": "Carevouch FHIR R4 endpoint", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "cors": True,
                    "service": [{"coding": [{"system": _SECURITY, "code": "SMART-on-FHIR"}]}],
                },
                "resource": [_resource(one) for one in served],
                "interaction": [{"code": code} for code in system],
            }
        ],
    }


def _resource(one: ServedType) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": one.type,
        "interaction": [{"code": code} for code in one.interactions],
        "versioning": "versioned-update" if "update" in one.interactions else "versioned",
        "readHistory": "vread" in one.interactions,
        "conditionalCreate": one.conditional_create,
    }
    if "search-type" in one.interactions:
        made["searchParam"] = [
            {"name": name, "type": kind} for name, kind in sorted(search_parameters(one.type).items())
        ]
    if one.operations:
        made["operation"] = [{"name": name, "definition": url} for name, url in one.operations]
    return made
