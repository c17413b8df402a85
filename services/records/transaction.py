"""POST /fhir: a transaction is one act, whole or not at all; a batch is one act per entry.

A whole patient of several hundred entries becomes one event. A Bundle reads nothing: what may be seen is
decided where it is read. http://hl7.org/fhir/R4/http.html#transaction
"""

from http import HTTPStatus
from typing import Any

from carevouch.door.access import receipt_headers
from carevouch.door.http import HttpRequest, Reply, refusal
from carevouch.events.envelope import MAX_COUNT
from carevouch.fhir.bundle import Entry, EntryResponse, read_bundle, response
from carevouch.fhir.meta import etag
from carevouch.fhir.references import walk
from carevouch.identity.caller import PROVIDER, Caller
from carevouch.kernel.errors import DomainError, Invalid, TooLarge
from carevouch.records.bundle import EntryOutcome
from carevouch.records.survey import MAX_LOOKUPS, survey
from carevouch.store.documents import ActRequest
from services.records.deed import ActOutcome, Deed
from services.records.ports import Ports
from services.records.visits import Visits, told

# Each entry is an act with a signature and writes of its own, one after the other within 29 seconds.
MAX_BATCH = 100


def bundle(incoming: HttpRequest, ports: Ports) -> Reply:
    """Store what a transaction or batch holds; answers entry by entry, in its order."""
    caller = ports.access.caller(incoming)
    value = incoming.object()
    entries = value.get("entry")
    # One place of the act is kept for the link with a new person.
    if isinstance(entries, list) and len(entries) >= MAX_COUNT:
        raise TooLarge(f"a Bundle holds fewer than {MAX_COUNT} entries; split it into several, by year say")
    if value.get("type") == "batch" and isinstance(entries, list) and len(entries) > MAX_BATCH:
        raise TooLarge(f"a batch holds at most {MAX_BATCH} entries, each an act of its own; split it")
    asked = read_bundle(value)
    if not asked.entries:
        caller.require_role(PROVIDER)
    visits = Visits(incoming, caller, ports, asked.kind)
    if asked.kind == "batch":
        _require_few(asked.entries)
        return Reply(200, response("batch", _batch(asked.entries, caller, incoming, visits, ports)))
    if not asked.entries:
        return Reply(200, response("transaction", []))
    deed = Deed(ports, caller, visits, survey(asked.entries, asked.links(), ports.access.base))
    outcome = visits.attempt(
        lambda: deed.do(ActRequest(caller.id, incoming.idempotency_key, incoming.content()))
    )
    answers = [_answer(done, outcome, ports) for done in outcome.done]
    headers = receipt_headers(outcome.committed) if outcome.committed else {}
    return Reply(200, response("transaction", answers), headers)


def _require_few(entries: tuple[Entry, ...]) -> None:
    """What one act may refer to, a whole batch may: its entries are looked up one after the other."""
    if sum(len(walk(entry.resource)) for entry in entries if entry.resource) > MAX_LOOKUPS:
        raise TooLarge(f"a batch refers to at most {MAX_LOOKUPS} documents; split it")


def _batch(
    entries: tuple[Entry, ...], caller: Caller, incoming: HttpRequest, visits: Visits, ports: Ports
) -> list[EntryResponse]:
    """Each entry as an act of its own; what is refused says why, and the others are done."""
    refused: dict[str, str] = {}
    answers = []
    for entry in entries:
        own = visits.apart()
        try:
            answers.append(_alone(entry, caller, incoming, own, ports))
        except DomainError as error:
            refused |= dict.fromkeys(own.people, error.code)
            answers.append(_refused(told(error)))
    for person, because in refused.items():
        visits.of(person).refuse(because)
    return answers


def _alone(
    entry: Entry, caller: Caller, incoming: HttpRequest, visits: Visits, ports: Ports
) -> EntryResponse:
    if entry.issues:
        raise Invalid("the entry cannot be done", issues=entry.issues)
    deed = Deed(ports, caller, visits, survey([entry], {}, ports.access.base))
    key = incoming.idempotency_key
    request = ActRequest(caller.id, f"{key}/{entry.index}" if key else None, incoming.content())
    outcome = deed.do(request)
    return _answer(outcome.done[0], outcome, ports)


def _answer(done: EntryOutcome, outcome: ActOutcome, ports: Ports) -> EntryResponse:
    location = f"{ports.access.base}/{done.doc}"
    status = f"{done.status} {HTTPStatus(done.status).phrase}"
    if not done.version:  # there already, and left as it is
        return EntryResponse(status, location)
    return EntryResponse(status, f"{location}/_history/{done.version}", etag(done.version), outcome.time)


def _refused(error: DomainError) -> EntryResponse:
    reply = refusal(error, fhir=True)
    outcome: Any = reply.body
    return EntryResponse(f"{reply.status} {HTTPStatus(reply.status).phrase}", outcome=outcome)
