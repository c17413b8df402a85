"""What comes in, in domain words: the resource inside a request, and the name under which a retry finds its
act.

An operation takes its resource alone, in Parameters, or in a Bundle as other payers' guides send it (Da Vinci
PAS). What else such a Bundle carries is validated and not read: coverage and people are those stored here,
never a sender's copy of them.
"""

from collections.abc import Iterator

from carevouch.claims.fhir import reference
from carevouch.door.access import Visit, receipt_headers
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.fhir.meta import etag
from carevouch.fhir.references import parse_target, rewrite
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.identity.links import ENROLMENT, check_enrolment
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import DomainError, IntegrityFault, Invalid, NotFound, Unprocessable
from carevouch.kernel.ids import Doc, about, parse_reference, part
from carevouch.kernel.jsontext import parse
from carevouch.store.documents import ActRequest, CommittedAct, StoredRevision
from services.claims.ports import Ports

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
        target = parse_target(text, base)
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


def require_enrolment(visit: Visit, ports: Ports) -> None:
    """Raise `NotFound` unless the calling provider is linked with the person."""
    patient, organization = visit.patient or "", visit.caller.id
    partition = visit.partition
    derived = ports.store.reader.keys.deployment().derive("enrolment", patient, organization)
    stored = partition.get(Doc(ENROLMENT, about(patient, part(derived))))
    if stored is None:
        raise NotFound(ABSENT)
    check_enrolment(stored.body, patient, organization)


def require_person(visit: Visit) -> None:
    """Raise `NotFound` unless the person is registered here."""
    if visit.partition.get(Doc("Patient", visit.patient or "")) is None:
        raise NotFound(ABSENT)


def require_provider(resource: JsonObject, caller: Caller, ports: Ports) -> None:
    """Raise `Unprocessable` unless `provider` is the caller, or a role that somebody has in it."""
    named = resource.get("provider", {}).get("reference", "")
    if named != caller.reference and _organization_of(named, ports) != caller.reference:
        type_ = resource["resourceType"]
        raise Unprocessable(f"{type_}.provider must be the submitting organisation, {caller.reference}")


def answered(committed: CommittedAct, visit: Visit) -> Reply:
    """The first document of the act's answer, with where it is, its version and the receipt."""
    doc = parse_reference(committed.answer.references[0])
    body = next((draft.body for draft in committed.stored if draft.doc == doc), None)
    if body is None:
        stored = visit.partition.version(doc, 1)
        if stored is None:
            raise IntegrityFault("the document that an act answers with is not there")
        body = stored.body
    headers = {
        "Location": f"{visit.access.base}/{doc}/_history/1",
        "ETag": etag(1),
        **receipt_headers(committed),
    }
    return Reply(committed.answer.status, parse(body, "a stored answer"), headers)


def _organization_of(reference: str, ports: Ports) -> str | None:
    """The organisation of a PractitionerRole of our directory."""
    if not reference.startswith("PractitionerRole/"):
        return None
    try:
        stored: StoredRevision | None = ports.store.reader.find(parse_reference(reference))
    except DomainError:
        return None
    role = parse(stored.body, "a stored PractitionerRole") if stored else {}
    organization = role.get("organization", {}).get("reference")
    return organization if isinstance(organization, str) else None
