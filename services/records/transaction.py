"""POST /fhir: a transaction is one act, whole or not at all; a batch is one act per entry.

A whole patient of several hundred entries becomes one event. A Bundle reads nothing: each read decides for
itself what may be seen. http://hl7.org/fhir/R4/http.html#transaction
"""

from http import HTTPStatus
from typing import Any

from carevouch.door.access import as_heard, receipt_headers
from carevouch.door.http import HttpRequest, Reply, refusal
from carevouch.events.envelope import MAX_COUNT
from carevouch.fhir.bundle import Entry, EntryResponse, read_bundle, response
from carevouch.fhir.meta import etag
from carevouch.fhir.references import walk
from carevouch.identity.caller import PROVIDER, Caller
from carevouch.kernel.errors import DomainError, Invalid, TooLarge
from carevouch.records.bundle import EntryOutcome
from carevouch.records.survey import MAX_LOOKUPS, survey
from services.records.act import ActOutcome, ConcernedPeople, store
from services.records.ports import Ports

# Each entry is an act with a signature and writes of its own, one after the other within 29 seconds.
MAX_BATCH = 100


def bundle(request: HttpRequest, ports: Ports) -> Reply:
    """Store what a transaction or batch holds; answers entry by entry, in its order."""
    caller = ports.access.caller(request)
    value = request.object()
    entries = value.get("entry")
    # One place of the act is kept for the link with a new person.
    if isinstance(entries, list) and len(entries) >= MAX_COUNT:
        raise TooLarge(f"a Bundle holds fewer than {MAX_COUNT} entries; split it into several, by year say")
    if value.get("type") == "batch" and isinstance(entries, list) and len(entries) > MAX_BATCH:
        raise TooLarge(f"a batch holds at most {MAX_BATCH} entries, each an act of its own; split it")
    posted = read_bundle(value)
    if not posted.entries:
        caller.require_role(PROVIDER)
    people = ConcernedPeople(request, caller, ports, posted.kind)
    if posted.kind == "batch":
        return Reply(200, response("batch", _batch(posted.entries, request, caller, people, ports)))
    if not posted.entries:
        return Reply(200, response("transaction", []))
    surveyed = survey(posted.entries, posted.links(), ports.access.base)
    with people.audited():
        outcome = store(request, surveyed, caller, people, ports)
    answers = [_answer(entry, outcome, ports) for entry in outcome.entries]
    headers = receipt_headers(outcome.committed) if outcome.committed else {}
    return Reply(200, response("transaction", answers), headers)


def _batch(
    entries: tuple[Entry, ...],
    request: HttpRequest,
    caller: Caller,
    people: ConcernedPeople,
    ports: Ports,
) -> list[EntryResponse]:
    """Each entry as an act of its own; a refused entry says why, and the others are done."""
    # Its entries are looked up one after the other, so a whole batch may refer to as much as one act.
    if sum(len(walk(entry.resource)) for entry in entries if entry.resource) > MAX_LOOKUPS:
        raise TooLarge(f"a batch refers to at most {MAX_LOOKUPS} documents; split it")
    refused: dict[str, str] = {}
    answers = []
    for entry in entries:
        own = people.of_entry()
        try:
            if entry.issues:
                raise Invalid("the entry cannot be done", issues=entry.issues)
            surveyed = survey([entry], {}, ports.access.base)
            outcome = store(request, surveyed, caller, own, ports, f"/{entry.index}")
            answers.append(_answer(outcome.entries[0], outcome, ports))
        except DomainError as error:
            refused |= dict.fromkeys(own.people, error.code)
            reply = refusal(as_heard(error), fhir=True)
            body: Any = reply.body
            answers.append(EntryResponse(_status(reply.status), outcome=body))
    for person, because in refused.items():
        people.visit(person).refuse(because)
    return answers


def _answer(entry: EntryOutcome, outcome: ActOutcome, ports: Ports) -> EntryResponse:
    location = f"{ports.access.base}/{entry.doc}"
    if not entry.version:  # It was there already, and is left as it is.
        return EntryResponse(_status(entry.status), location)
    version = f"{location}/_history/{entry.version}"
    return EntryResponse(_status(entry.status), version, etag(entry.version), outcome.time)


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
