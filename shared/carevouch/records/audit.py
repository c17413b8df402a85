"""The AuditEvent that every read, refusal and decision leaves, one per request and patient (after IHE BALP).

It says who asked, for which purpose, what for, with which outcome and by which rule. References only: no
name, no value. Of a search it keeps which parameters were used, for their values are what somebody typed
about somebody: names, birth dates, numbers, perhaps of a person who is not here and has no key to be stored
under. A successful write needs none: its own event is its audit.
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
# http://hl7.org/fhir/R4/valueset-audit-event-action.html; everything else is a read.
_ACTIONS = {
    "decision": "E",
    "create": "C",
    "update": "U",
    "delete": "D",
    "transaction": "E",
    "batch": "E",
}
# A page shows at most this many documents by name; the rest is counted.
MAX_ENTITIES = 50
SUCCESS, REFUSED = "0", "4"
# Modifiers that FHIR knows (R4 search, 3.1.1.5.5); whatever else stands behind a name was typed by somebody.
_MODIFIERS = frozenset(
    ["missing", "exact", "contains", "text", "not", "above", "below", "in", "not-in", "of-type", "identifier"]
)
# Values that are this server's own words: ids it made, a page of its own, and how to order.
_ID = re.compile(r"(Patient/)?[a-z2-7]{26}|([a-z2-7]{26}|d|none)\.([0-9]{6}-)?[a-z2-7]{26}", re.ASCII)
_TOLD = {
    "patient": _ID,
    "subject": _ID,
    "_id": _ID,
    "_count": re.compile(r"[0-9]{1,9}", re.ASCII),
    "_cursor": re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII),
    "_sort": re.compile(r"-?[a-z_-]{1,40}(,-?[a-z_-]{1,40}){0,9}", re.ASCII),
}
# Parameters that are no search parameters: their names are kept, their values may hold a date of somebody's.
_OTHERS = ("_type", "_since", "_total", "_format", "from", "to", "at", "position", "limit", "data")
WITHHELD = "…"


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """What is to be recorded. `interaction` is of FHIR's (read, search-type…), or an operation's name."""

    caller: Caller
    purpose: str
    interaction: str
    patient: str | None
    outcome: str
    because: str
    shown: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()
    query: str = ""
    request_id: str = ""
    shown_count: int = field(default=0)


def audit_event(doc: Doc, access: AccessRecord, time: str, deployment: str) -> bytes:
    """The exact bytes of the AuditEvent `doc`."""
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
        "agent": _agents(access, deployment),
        "source": {"observer": {"display": deployment}},
        "entity": list(_entities(access)),
    }
    return render(resource)


def told_query(query: Mapping[str, Sequence[str]]) -> str:
    """What an audit keeps of a query: the names of its parameters, and of the values those that are ours."""
    return "&".join(f"{_named(name)}={_told(name, value)}" for name in sorted(query) for value in query[name])


def _named(name: str) -> str:
    base, colon, modifier = name.partition(":")
    said = base if base in _known_names() else WITHHELD
    return said + colon + (modifier if not colon or modifier in _MODIFIERS else WITHHELD)


@cache
def _known_names() -> frozenset[str]:
    served = (name for type_ in resource_types() for name in search_parameters(type_))
    return frozenset((*served, *_TOLD, *_OTHERS))


def _told(name: str, value: str) -> str:
    form = _TOLD.get(name)
    return value if form is not None and form.fullmatch(value) else WITHHELD


def _agents(access: AccessRecord, deployment: str) -> list[JsonObject]:
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
    return [client, server]


def _entities(access: AccessRecord) -> list[JsonObject]:
    found: list[JsonObject] = []
    if access.patient is not None:
        found.append(_entity(f"Patient/{access.patient}", "1", "1"))
    found.extend(_entity(reference, "2", "4") for reference in access.shown[:MAX_ENTITIES])
    found.extend(_entity(reference, "2", "13") for reference in access.consents)
    if access.query:
        role = {"system": _ROLE, "code": "24"}
        found.append({"role": role, "query": base64.b64encode(access.query.encode()).decode()})
    if access.request_id:
        found.append({"what": {"identifier": {"value": access.request_id}}})
    if access.shown_count:
        count = {"type": "shown", "valueString": str(access.shown_count)}
        found.append({"type": {"system": _OBJECT, "code": "4"}, "detail": [count]})
    return found


def _entity(reference: str, type_: str, role: str) -> JsonObject:
    return {
        "what": {"reference": reference},
        "type": {"system": _OBJECT, "code": type_},
        "role": {"system": _ROLE, "code": role},
    }
