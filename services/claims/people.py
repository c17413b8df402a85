"""Whom a request is about, and whether the caller may act for them.

Absent, erased and not linked look alike: the same 404, the same audit. `Visit.run` stores a refusal's audit
before it is answered; what succeeds is its own (SECURITY.md).
"""

from carevouch.door.access import Visit
from carevouch.door.http import ABSENT, Reply
from carevouch.door.receipts import receipt_headers
from carevouch.fhir.meta import etag
from carevouch.identity.caller import Caller
from carevouch.identity.enrolment import ENROLMENT, check_enrolment
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import DomainError, IntegrityFault, NotFound, Unprocessable
from carevouch.kernel.ids import Doc, about, parse_reference, part
from carevouch.kernel.jsontext import parse
from carevouch.store.documents import CommittedAct, StoredRevision
from services.claims.ports import Ports


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
