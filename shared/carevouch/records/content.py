"""What a stored body holds as a FHIR resource: itself, except for a Consent's, which carries a signature.

Being the author of a document gives a right to read it, so the server alone says who that is: whoever wrote
version 1, in every version. Who wrote a later version stands beside it and gives no right.
"""

from carevouch.consent.signature import parse_body
from carevouch.fhir.meta import with_meta
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.jsontext import parse

WRITTEN_BY = "https://carevouch.org/fhir/StructureDefinition/written-by"


def resource_of(type_: str, body: bytes) -> JsonObject:
    """The FHIR resource in a revision's body."""
    resource: JsonObject = parse(fhir_bytes(type_, body), "a stored body")
    return resource


def fhir_bytes(type_: str, body: bytes) -> bytes:
    """The exact bytes of the FHIR resource in a revision's body."""
    return parse_body(body)[0] if type_ == "Consent" else body


def author_of(resource: JsonObject) -> str | None:
    """The reference of the document's author: the server puts it into `meta.source`."""
    source = resource.get("meta", {}).get("source")
    return source if isinstance(source, str) else None


def stamped(
    resource: JsonObject, id_: str, version: int, time: str, author: str | None, writer: str | None = None
) -> JsonObject:
    """The resource as it is stored: with the server's id, version and time, and its author in `meta.source`.

    `writer`: who wrote this version, if it updates one; it goes into an extension. What a client claims of
    either is dropped: being the author gives a right to read.
    """
    whole = with_meta(resource, id_, version, time)
    meta = {name: value for name, value in whole["meta"].items() if name not in ("source", "_source")}
    extensions = [one for one in meta.pop("extension", ()) if one.get("url") != WRITTEN_BY]
    if writer is not None:
        extensions.append({"url": WRITTEN_BY, "valueReference": {"reference": writer}})
    if author is not None:
        meta["source"] = author
    return {**whole, "meta": {**meta, **({"extension": extensions} if extensions else {})}}
