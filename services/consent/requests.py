"""Consent requests as they are seen: the person's device sees what to sign, the asker what was granted.

An asker cannot tell a refusal from silence, as on a phone an app cannot tell "denied" from "no data".
"""

from collections.abc import Callable

from carevouch.door.access import VisibleRevision, Visit
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Erased, Invalid, NotFound
from carevouch.kernel.ids import parse_doc
from carevouch.records.access import ReadAllowed
from carevouch.store.documents import StoredRevision
from services.consent.asking import CONSENT_REQUEST, ConsentRequest, for_asker, for_person, parse_asking
from services.consent.inputs import patient_of, require_own, subject_of
from services.consent.ports import Ports

# With contents of at most 64 KB, and those in base64 beside them, a list stays below 4 MB only if most are
# small, as they are; more than this no person reads at once. The oldest come first.
MAX_LISTED = 20
_PARAMETERS = frozenset(("patient",))
_ONE_PARAMETER = "the only parameter is patient, once"


def listed(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /consent/requests: a device's open ones; ?patient=… for an organisation's own."""
    caller = ports.access.caller(incoming)
    patient = _whose(incoming, ports, caller)

    def work(visit: Visit) -> Reply:
        caller.require_scope("Consent", "r")
        if not incoming.query.keys() <= _PARAMETERS:
            raise Invalid(_ONE_PARAMETER)
        if caller.patient is not None:
            require_own(caller, patient, ABSENT)
        own = [(stored, parse_asking(stored.body)) for stored in _requests(visit)]
        chosen = [pair for pair in own if _is_shown(pair[1], caller, ports.store.clock())]
        chosen.sort(key=lambda pair: (pair[0].time, pair[0].doc.id))
        page = chosen[:MAX_LISTED]
        visit.show([_seen(stored, caller) for stored, _ in page])
        shown = [_view(caller, ports)(stored, asking) for stored, asking in page]
        return Reply(200, {"requests": shown, "total": len(chosen)})

    return ports.access.visit(incoming, caller, patient, "search-type").run(work)


def read(incoming: HttpRequest, ports: Ports) -> Reply:
    """GET /consent/requests/{id}."""
    caller = ports.access.caller(incoming)
    id_ = incoming.path["id"]

    def work(visit: Visit) -> Reply:
        caller.require_scope("Consent", "r")
        stored = visit.partition.get(parse_doc(CONSENT_REQUEST, id_))
        if stored is None:
            raise NotFound(ABSENT)
        asking = parse_asking(stored.body)
        if asking.asker != caller.reference and caller.patient != stored.doc.subject:
            raise NotFound(ABSENT)
        visit.show([_seen(stored, caller)])
        return Reply(200, _view(caller, ports)(stored, asking))

    return ports.access.visit(incoming, caller, subject_of(id_), "read").run(work)


def _whose(incoming: HttpRequest, ports: Ports, caller: Caller) -> str:
    values = incoming.query.get("patient", [])
    if len(values) > 1:
        raise Invalid(_ONE_PARAMETER)
    if values:
        return patient_of(values[0], "patient", ports)
    if caller.patient is None:
        raise Invalid("say whose requests: ?patient=")
    return caller.patient


def _requests(visit: Visit) -> list[StoredRevision]:
    """The person's requests; none for whoever is not here, so that an organisation cannot tell."""
    try:
        return visit.partition.latest(CONSENT_REQUEST)
    except (NotFound, Erased):
        return []


def _is_shown(asking: ConsentRequest, caller: Caller, now: str) -> bool:
    if caller.patient is None:
        return asking.asker == caller.reference
    return asking.is_open(now)


def _view(caller: Caller, ports: Ports) -> Callable[[StoredRevision, ConsentRequest], JsonObject]:
    if caller.patient is None:
        return lambda stored, asking: for_asker(asking, stored.doc.id)
    return lambda stored, asking: for_person(asking, stored.doc.id, ports.store.clock())


def _seen(stored: StoredRevision, caller: Caller) -> VisibleRevision:
    return VisibleRevision(stored, {}, ReadAllowed("author" if caller.patient is None else "self"))
