"""What a stored body holds as a FHIR resource: itself, except for a Consent's, which carries a signature."""

from shared.consent.signature import parse_body
from shared.kernel.canonical import JsonObject
from shared.kernel.jsontext import parse


def resource_of(type_: str, body: bytes) -> JsonObject:
    """The FHIR resource in a revision's body."""
    resource: JsonObject = parse(fhir_bytes(type_, body), "a stored body")
    return resource


def fhir_bytes(type_: str, body: bytes) -> bytes:
    """The exact bytes of the FHIR resource in a revision's body."""
    return parse_body(body)[0] if type_ == "Consent" else body


def author_of(resource: JsonObject) -> str | None:
    """The reference of whoever wrote this revision: the server puts it into `meta.source`."""
    source = resource.get("meta", {}).get("source")
    return source if isinstance(source, str) else None
