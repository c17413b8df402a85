"""The AuditEvent of a read, refusal or decision, one per request and patient (after IHE BALP).

It says who asked, why, for which documents, with which outcome and by which rule. It holds references only,
no name and no value. Of a search it keeps only the names of parameters. Their values may be about a person
who has no record here, and so no key to encrypt with. A stored write needs no AuditEvent, because its own
event is its audit.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from carevouch.fhir.definitions import resource_types
from carevouch.fhir.search import search_parameters
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import render

DCM = "http://dicom.nema.org/resources/ontology/DCM"
_REST = {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"}
_AUTHZ = {"system": DCM, "code": "110113"}
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_OBJECT = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
# http://hl7.org/fhir/R4/valueset-audit-event-action.html; every other interaction is a read.
_ACTIONS = {
    "decision": "E",
    "create": "C",
    "update": "U",
    "delete": "D",
    "transaction": "E",
    "batch": "E",
}
# An AuditEvent names at most this many documents of a page and counts the rest.
MAX_ENTITIES = 50
SUCCESS, REFUSED = "0", "4"
# The modifiers of FHIR (R4 search, 3.1.1.5.5). Any other text after a name may be personal data.
_MODIFIERS = frozenset(
    ["missing", "exact", "contains", "text", "not", "above", "below", "in", "not-in", "of-type", "identifier"]
)
# The forms of values that this server made: its ids, its page links, and sort orders.
_ID = re.compile(r"(Patient/)?[a-z2-7]{26}|([a-z2-7]{26}|d|none)\.([0-9]{6}-)?[a-z2-7]{26}", re.ASCII)
_KEPT_VALUES = {
    "patient": _ID,
    "subject": _ID,
    "_id": _ID,
    "_count": re.compile(r"[0-9]{1,9}", re.ASCII),
    "_cursor": re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII),
    "_sort": re.compile(r"-?[a-z_-]{1,40}(,-?[a-z_-]{1,40}){0,9}", re.ASCII),
}
# These are not search parameters. Their names are kept, and not their values, which may be dates of a
# person's life.
_OTHER_NAMES = ("_type", "_since", "_total", "_format", "from", "to", "at", "position", "limit", "data")
WITHHELD = "…"


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """The facts of one access. `interaction` is FHIR's word (read, search-type…) or an operation's name.

    `documents` are the references in the answer, `document_count` is their number. `consents` are the
    consents that allowed the access.
    """

    caller: Caller
    purpose: str
    interaction: str
    patient: str | None
    outcome: str
    because: str
    documents: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()
    query: str = ""
    request_id: str = ""
    document_count: int = field(default=0)


def audit_event(doc: Doc, access: AccessRecord, time: str, deployment: str) -> bytes:
    """The exact bytes of the AuditEvent `doc`."""
    client: JsonObject = {
        "type": {"coding": [{"system": DCM, "code": "110152"}]},
        "who": {"reference": access.caller.reference},
        "requestor": True,
        "policy": [f"urn:ietf:params:oauth:jti:{access.caller.token}"],
    }
    server: JsonObject = {
        "type": {"coding": [{"system": DCM, "code": "110153"}]},
        "who": {"display": deployment},
        "requestor": False,
    }
    resource: JsonObject = {
        "resourceType": "AuditEvent",
        "id": doc.id,
        "meta": {"versionId": "1", "lastUpdated": time},
        "type": _AUTHZ if access.interaction == "decision" else _REST,
        "subtype": [{"system": _INTERACTION, "code": access.interaction}],
        "action": _ACTIONS.get(access.interaction, "R"),
        "recorded": time,
        "outcome": access.outcome,
        "outcomeDesc": access.because,
        "purposeOfEvent": [{"coding": [{"system": _REASON, "code": access.purpose}]}],
        "agent": [client, server],
        "source": {"observer": {"display": deployment}},
        "entity": _entities(access),
    }
    return render(resource)


def audited_query(query: Mapping[str, Sequence[str]]) -> str:
    """The query as an audit keeps it: the names of parameters, and values made by this server."""
    parts = []
    for name in sorted(query):
        base, colon, modifier = name.partition(":")
        known_base = base if base in _parameter_names() else WITHHELD
        known_modifier = modifier if not colon or modifier in _MODIFIERS else WITHHELD
        form = _KEPT_VALUES.get(name)
        for value in query[name]:
            kept_value = value if form is not None and form.fullmatch(value) else WITHHELD
            parts.append(f"{known_base}{colon}{known_modifier}={kept_value}")
    return "&".join(parts)


@cache
def _parameter_names() -> frozenset[str]:
    """Every name of a parameter that this server knows."""
    search_names = (name for type_ in resource_types() for name in search_parameters(type_))
    return frozenset((*search_names, *_KEPT_VALUES, *_OTHER_NAMES))


def _entities(access: AccessRecord) -> list[JsonObject]:
    """The person, documents, consents, query and request of an access, in this order."""
    # Reference, audit-entity-type (1 person, 2 system object), object-role (1 patient, 4 domain resource,
    # 13 security resource).
    references = [(f"Patient/{access.patient}", "1", "1")] if access.patient is not None else []
    references += [(reference, "2", "4") for reference in access.documents[:MAX_ENTITIES]]
    references += [(reference, "2", "13") for reference in access.consents]
    entities: list[JsonObject] = [
        {
            "what": {"reference": reference},
            "type": {"system": _OBJECT, "code": type_},
            "role": {"system": _ROLE, "code": role},
        }
        for reference, type_, role in references
    ]
    if access.query:
        role = {"system": _ROLE, "code": "24"}
        entities.append({"role": role, "query": base64.b64encode(access.query.encode()).decode()})
    if access.request_id:
        entities.append({"what": {"identifier": {"value": access.request_id}}})
    if access.document_count:
        count = {"type": "shown", "valueString": str(access.document_count)}
        entities.append({"type": {"system": _OBJECT, "code": "4"}, "detail": [count]})
    return entities
