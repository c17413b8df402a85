"""What comes in, in domain words: the resource inside a request, and the name under which a retry finds its
act.

An operation takes its resource alone, in Parameters, or in a Bundle as other payers' guides send it (Da Vinci
PAS). What else such a Bundle carries is validated and not read: coverage and people are those stored here,
never a sender's copy of them.
"""

from collections.abc import Iterator

from carevouch.claims.elements import reference
from carevouch.door.http import HttpRequest
from carevouch.fhir.references import parse, rewrite
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid
from carevouch.store.documents import ActRequest

_WRAPPERS = ("Bundle", "Parameters")


def submitted(incoming: HttpRequest, type_: str, base: str) -> JsonObject:
    """The one valid resource of `type_` in the body, its references to this server written `Type/id`.

    Raises `Invalid` with the place of each fault, `Malformed`, `TooLarge`.
    """
    posted = incoming.object()
    if posted.get("resourceType") not in _WRAPPERS:
        return localised(require_valid(posted, type_), base)
    found = [one for one in _inside(require_valid(posted)) if one.get("resourceType") == type_]
    if len(found) != 1:
        raise Invalid(f"the {posted['resourceType']} must hold exactly one {type_}; send each by itself")
    return localised(found[0], base)


def localised(resource: JsonObject, base: str) -> JsonObject:
    """The resource with absolute references to this server made relative; others stay as they are."""

    def relative(text: str) -> str:
        target = parse(text, base)
        if target.form != "local":
            return text
        return f"{target.type}/{target.id}" + (f"/_history/{target.version}" if target.version else "")

    return rewrite(resource, relative)


def patient_of(resource: JsonObject, element: str) -> str:
    """The patient id that `element` refers to; an id that is none of ours finds nobody. Raises `Invalid`."""
    where = f"{resource['resourceType']}.{element}"
    type_, _, id_ = reference(resource.get(element), where).partition("/")
    if type_ != "Patient" or not id_:
        raise Invalid(f"{where} must refer to a person of this server, as Patient/id")
    return id_


def retriable(incoming: HttpRequest, caller: Caller, target: str) -> ActRequest:
    """The request as a retry of it must find it again.

    The Idempotency-Key counts per `target` (kind of document and person): a retry looks for its own rows
    there and nowhere else, so the same key for another kind must not name the same event.
    """
    key = incoming.idempotency_key
    return ActRequest(caller.id, None if key is None else f"{target} {key}", incoming.content())


def _inside(wrapper: JsonObject) -> Iterator[JsonObject]:
    for holder in (*wrapper.get("entry", []), *wrapper.get("parameter", [])):
        resource = holder.get("resource")
        if resource is not None:
            yield resource
            if resource.get("resourceType") in _WRAPPERS:
                yield from _inside(resource)
