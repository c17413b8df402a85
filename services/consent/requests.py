"""Consent requests as they are shown: the person's device sees the payload to sign, the asker sees grants.

The asker cannot distinguish a refusal from silence, as an app on a phone cannot distinguish "denied" from "no
data".
"""

from carevouch.door.access import VisibleRevision
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Erased, Invalid, NotFound
from carevouch.kernel.ids import parse_doc
from carevouch.records.access import ReadAllowed
from carevouch.store.documents import StoredRevision
from services.consent.consent_request import (
    CONSENT_REQUEST,
    ConsentRequest,
    for_asker,
    for_person,
    parse_request,
)
from services.consent.inputs import patient_of, require_own, subject_of
from services.consent.ports import Ports

# The content has up to 64 KB, and the same again in base64. Most contents are small, so that a list of 20
# stays below the 4 MB of an answer. No person reads more at once. The oldest come first.
MAX_LISTED = 20
_ONE_PARAMETER = "send patient once, and no other parameter"


def listed(request: HttpRequest, ports: Ports) -> Reply:
    """GET /consent/requests: a device's open requests; with ?patient=… an organisation's own."""
    caller = ports.access.caller(request)
    patients = request.query.get("patient", [])
    if len(patients) > 1:
        raise Invalid(_ONE_PARAMETER)
    if not patients and caller.patient is None:
        raise Invalid("name the person whose requests you want: ?patient=")
    patient = patient_of(patients[0], "patient", ports) if patients else caller.patient
    with ports.access.visit(request, caller, patient, "search-type") as visit:
        caller.require_scope("Consent", "r")
        if not request.query.keys() <= {"patient"}:
            raise Invalid(_ONE_PARAMETER)
        if caller.patient is not None:
            require_own(caller, patient, ABSENT)
        try:
            stored = visit.partition.latest(CONSENT_REQUEST)
        except (NotFound, Erased):
            stored = []  # The list is empty for an absent person, so that an organisation learns nothing.
        now = ports.store.clock()
        found = [(one, parse_request(one.body)) for one in stored]
        if caller.patient is None:
            found = [pair for pair in found if pair[1].asker == caller.reference]
        else:
            found = [pair for pair in found if pair[1].is_open(now)]
        found.sort(key=lambda pair: (pair[0].time, pair[0].doc.id))
        page = found[:MAX_LISTED]
        visit.show(_visible(one, caller) for one, _ in page)
        view = [_view(one, consent_request, caller, now) for one, consent_request in page]
        return Reply(200, {"requests": view, "total": len(found)})


def read(request: HttpRequest, ports: Ports) -> Reply:
    """GET /consent/requests/{id}, by the asker or the person's own device."""
    caller, id_ = ports.access.caller(request), request.path["id"]
    with ports.access.visit(request, caller, subject_of(id_), "read") as visit:
        caller.require_scope("Consent", "r")
        stored = visit.partition.get(parse_doc(CONSENT_REQUEST, id_))
        if stored is None:
            raise NotFound(ABSENT)
        consent_request = parse_request(stored.body)
        if consent_request.asker != caller.reference and caller.patient != stored.doc.subject:
            raise NotFound(ABSENT)
        visit.show([_visible(stored, caller)])
        return Reply(200, _view(stored, consent_request, caller, ports.store.clock()))


def _view(stored: StoredRevision, consent_request: ConsentRequest, caller: Caller, now: str) -> JsonObject:
    if caller.patient is None:
        return for_asker(consent_request, stored.doc.id)
    return for_person(consent_request, stored.doc.id, now)


def _visible(stored: StoredRevision, caller: Caller) -> VisibleRevision:
    return VisibleRevision(stored, {}, ReadAllowed("author" if caller.patient is None else "self"))
