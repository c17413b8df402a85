"""Stored FHIR resources: their bodies, their authors, and the types that this door writes.

A document is about one person or belongs to the directory. Other types are not stored. Scope, role and
enrolment link are checked by the use cases. A refusal names types and doors, and never the content of a
resource.
"""

from carevouch.consent.signature import parse_body
from carevouch.events.catalogue import DIRECTORY_TYPES, OWN_TYPES, OWNED, may_write
from carevouch.fhir.compartment import is_personal
from carevouch.fhir.definitions import resource_types
from carevouch.fhir.meta import with_meta
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import NotFound
from carevouch.kernel.jsontext import parse

WRITTEN_BY = "https://carevouch.org/fhir/StructureDefinition/written-by"
STORED, UPDATED = "records.stored", "record.updated"
# The types that another service writes, each with its door.
DOORS = {
    "Patient": "POST /fhir/Patient registers a person",
    "Organization": "the operator admits organisations with POST /fhir/Organization",
    "Consent": "POST /fhir/Consent and /consent/requests take consents",
    "Coverage": "POST /fhir/Coverage takes coverages",
    "ClaimResponse": "POST /fhir/Claim/$submit answers with one",
    "CoverageEligibilityRequest": "POST /fhir/CoverageEligibilityRequest/$submit takes it",
    "CoverageEligibilityResponse": "POST /fhir/CoverageEligibilityRequest/$submit answers with one",
}


def resource_of(type_: str, body: bytes) -> JsonObject:
    """The FHIR resource in a revision's body."""
    content = parse_body(body)[0] if type_ == "Consent" else body
    resource: JsonObject = parse(content, "a stored body")
    return resource


def author_of(resource: JsonObject) -> str | None:
    """The reference of the document's author, which the server puts into `meta.source`."""
    source = resource.get("meta", {}).get("source")
    return source if isinstance(source, str) else None


def stamped(
    resource: JsonObject, id_: str, version: int, time: str, author: str | None, writer: str | None = None
) -> JsonObject:
    """The resource as stored, with the server's id, version and time, and with its author in `meta.source`.

    `writer` is the organisation that wrote an update; it goes into an extension. A client's values for both
    are dropped, because an author may read the document.
    """
    whole = with_meta(resource, id_, version, time)
    meta = {name: value for name, value in whole["meta"].items() if name not in ("source", "_source")}
    extensions = [one for one in meta.pop("extension", ()) if one.get("url") != WRITTEN_BY]
    if writer is not None:
        extensions.append({"url": WRITTEN_BY, "valueReference": {"reference": writer}})
    if author is not None:
        meta["source"] = author
    return {**whole, "meta": {**meta, **({"extension": extensions} if extensions else {})}}


def is_served(type_: str) -> bool:
    """Whether documents of this type have a FHIR door: R4's own types about a person or of the directory."""
    is_fhir = type_ in resource_types() and type_ not in OWN_TYPES
    return is_fhir and (is_personal(type_) or is_directory(type_))


def require_served(type_: str) -> str:
    """The type, if it has a FHIR door; raises `NotFound`."""
    if not is_served(type_):
        raise NotFound("this server serves no such type; GET /fhir/metadata lists the types that it serves")
    return type_


def is_directory(type_: str) -> bool:
    """Whether documents of this type stand in the directory and are about nobody."""
    return type_ in DIRECTORY_TYPES


def has_identifiers(type_: str) -> bool:
    """Whether documents of this type are found by identifier, so that no two share one."""
    return type_ == "Patient" or is_directory(type_)


def why_not_stored(type_: str) -> str | None:
    """Why a Bundle may not create documents of this type, or None."""
    if type_ == "AuditEvent":
        return "this server alone writes audit events"
    if not is_served(type_):
        return f"this server stores no {type_}; GET /fhir/metadata lists what it stores"
    return None


def why_not_created(type_: str) -> str | None:
    """Why a single request may not create a document of this type, or None."""
    if type_ in OWNED:
        return f"a {type_} is not created here: {DOORS[type_]}"
    return why_not_stored(type_)


def why_not_updated(type_: str) -> str | None:
    """Why a document of this type may not be changed here, or None."""
    if not why_not_stored(type_) and not may_write(UPDATED, type_, 2):
        return f"a {type_} is changed by its own service: {DOORS[type_]}"
    return why_not_stored(type_)
