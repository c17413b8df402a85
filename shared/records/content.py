"""What a stored body holds as a FHIR resource: itself, except for a Consent's, which carries a signature."""

from shared.consent.signature import parse_body
from shared.fhir.meta import with_meta
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


def stamped(resource: JsonObject, id_: str, version: int, time: str, author: str) -> JsonObject:
    """The resource as it is stored: with the server's id, version and time, and its author in `meta.source`.

    What a client claims in `meta.source` is dropped: being the author gives a right to read.
    """
    whole = with_meta(resource, id_, version, time)
    return {**whole, "meta": {**whole["meta"], "source": author}}
