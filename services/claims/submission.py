"""Submissions of providers and payers: the resource in a request, its patient, its provider, and the reply.

An operation takes its resource alone, in Parameters, or in a Bundle, as the Da Vinci PAS guide sends it. The
other resources of such a Bundle are validated and not read. Coverage and people are those that are
stored here, never a sender's copy.
"""

from collections.abc import Iterator

from carevouch.claims.fhir import reference
from carevouch.door.access import Visit
from carevouch.door.http import HttpRequest, Reply
from carevouch.fhir.meta import etag
from carevouch.fhir.references import parse_target, rewrite
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import DomainError, IntegrityFault, Invalid, Unprocessable
from carevouch.kernel.ids import parse_reference
from carevouch.kernel.jsontext import parse
from carevouch.store.documents import CommittedAct
from services.claims.ports import Ports

_WRAPPERS = ("Bundle", "Parameters")


def submitted(request: HttpRequest, type_: str, base: str) -> JsonObject:
    """The one valid resource of `type_` in the body, with its references to this server as `Type/id`.

    Raises `Invalid` with the place of each fault, `Malformed`, `TooLarge`.
    """
    resource = request.object()
    if resource.get("resourceType") in _WRAPPERS:
        inside = [one for one in _inside(require_valid(resource)) if one.get("resourceType") == type_]
        if len(inside) != 1:
            raise Invalid(
                f"the {resource['resourceType']} must hold exactly one {type_}; send each in its own request"
            )
        resource = inside[0]
    else:
        require_valid(resource, type_)

    def relative(text: str) -> str:
        target = parse_target(text, base)
        if target.form != "local":
            return text
        return f"{target.type}/{target.id}" + (f"/_history/{target.version}" if target.version else "")

    return rewrite(resource, relative)


def _inside(wrapper: JsonObject) -> Iterator[JsonObject]:
    for holder in (*wrapper.get("entry", []), *wrapper.get("parameter", [])):
        resource = holder.get("resource")
        if resource is not None:
            yield resource
            if resource.get("resourceType") in _WRAPPERS:
                yield from _inside(resource)


def patient_of(resource: JsonObject, element: str) -> str:
    """The id of the patient that `element` refers to; raises `Invalid`. The patient may be unknown."""
    where = f"{resource['resourceType']}.{element}"
    type_, _, id_ = reference(resource.get(element), where).partition("/")
    if type_ != "Patient" or not id_:
        raise Invalid(f"{where} must refer to a person of this server, as Patient/id")
    return id_


def require_provider(resource: JsonObject, caller: Caller, ports: Ports) -> None:
    """Raise `Unprocessable` unless `provider` is the caller, or a PractitionerRole of the caller."""
    named = resource.get("provider", {}).get("reference", "")
    organization = named
    if named.startswith("PractitionerRole/"):
        try:
            stored = ports.store.reader.find(parse_reference(named))
        except DomainError:
            stored = None
        role = parse(stored.body, "a stored PractitionerRole") if stored else {}
        organization = role.get("organization", {}).get("reference")
    if organization != caller.reference:
        type_ = resource["resourceType"]
        raise Unprocessable(f"{type_}.provider must be the submitting organisation, {caller.reference}")


def answer_of(committed: CommittedAct, visit: Visit) -> Reply:
    """The first document of the act's answer, with its address, its version and the receipt."""
    doc = parse_reference(committed.answer.references[0])
    body = next((draft.body for draft in committed.stored if draft.doc == doc), None)
    if body is None:
        stored = visit.partition.version(doc, 1)
        if stored is None:
            raise IntegrityFault("the document that an act answers with is missing from the store")
        body = stored.body
    location = f"{visit.access.base}/{doc}/_history/1"
    headers = {"Location": location, "ETag": etag(1), **visit.receipt(committed)}
    return Reply(committed.answer.status, parse(body, "a stored answer"), headers)
