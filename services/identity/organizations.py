"""Admitting organisations: an act that the operator signs, and that this service only checks and stores.

The operator's software makes the documents (an Organization and its Admission), their nonces and the event.
It signs the event with the key that genesis names. No token is needed: the signature is the authority, and no
service can forge it.
"""

from carevouch.door.access import receipt_headers
from carevouch.door.http import HttpRequest, Reply
from carevouch.events.act import Act, assemble
from carevouch.events.catalogue import OPERATOR, may_write
from carevouch.events.certificate import verify_event
from carevouch.events.envelope import Event, parse_event
from carevouch.fhir.validate import require_valid
from carevouch.identity.admit import ADMITTED, CHANGED, read_document
from carevouch.identity.caller import parse_admission
from carevouch.kernel.errors import Conflict, Forbidden, IntegrityFault, Invalid
from carevouch.kernel.ids import DIRECTORY, Doc
from carevouch.kernel.jsontext import parse
from carevouch.kernel.times import later
from services.identity.ports import Ports

# An admission that is posted long after its signing may be outdated.
MAX_AGE_SECONDS = 600


def admit(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Organization: {event, documents: [{doc, version, prev, nonce, body}]}."""
    posted = incoming.object()
    if set(posted) != {"event", "documents"} or not isinstance(posted["documents"], list):
        raise Invalid("post exactly event and documents, as `carevouch admit` makes them")
    event = _verified(str(posted["event"]), ports)
    act = assemble([read_document(item) for item in posted["documents"][:3]])
    _check(event, act, ports)
    organization = parse(act.revisions[0].body, "the Organization")
    doc = act.revisions[0].doc
    blinds = ports.index.blinds(organization) if event.type == ADMITTED else []
    committed = ports.store.writer.append_signed(event, act, tuple((blind, doc) for blind in blinds))
    headers = {"Location": f"{ports.access.base}/{doc}/_history/{act.revisions[0].version}"}
    return Reply(201, organization, {**headers, **receipt_headers(committed)})


def _verified(text: str, ports: Ports) -> Event:
    """The operator's event, signed a short time ago for this genesis; raises `Forbidden` or `Invalid`."""
    event = parse_event(text)
    genesis = ports.store.reader.genesis()
    try:
        verify_event(event, None, genesis)
    except IntegrityFault as fault:
        raise Forbidden(f"only the operator admits organisations: {fault.message}") from fault
    now = ports.store.clock()
    if event.producer != OPERATOR or event.type not in (ADMITTED, CHANGED):
        raise Forbidden(f"the event must be of type {ADMITTED} or {CHANGED}, and by the operator")
    if not later(now, -MAX_AGE_SECONDS) <= event.time <= later(now, MAX_AGE_SECONDS):
        raise Invalid("the event was signed too long ago, or in the future; sign it anew")
    if event.seal_by != later(event.time, genesis.seal_by_seconds) or not genesis.epoch_of(event.epoch):
        raise Invalid(
            "the event's seal_by or epoch does not agree with genesis; take both from /ledger/genesis"
        )
    return event


def _check(event: Event, act: Act, ports: Ports) -> None:
    """Raise `Invalid` or `Conflict` unless the event may store these documents as the next versions."""
    if event.root != act.root or event.count != len(act.revisions):
        raise Invalid("the event does not commit to these documents; post them exactly as they were signed")
    docs = [revision.doc for revision in act.revisions]
    own = docs[0].id
    if docs != [Doc("Organization", own), Doc("Admission", own)] or not own.startswith(f"{DIRECTORY}."):
        raise Invalid("the documents must be an Organization and then its Admission, under one directory id")
    if not all(may_write(event.type, doc.type, 1) for doc in docs):
        raise Invalid("an event of this type may not write these documents")
    organization = require_valid(parse(act.revisions[0].body, "the Organization"), "Organization")
    admission = parse_admission(act.revisions[1].body)
    if organization.get("id") != own or admission.organization != own:
        raise Invalid("Organization.id and the admission's organization must be the directory id")
    for revision in act.revisions:
        latest = ports.store.reader.find(revision.doc)
        version, prev = (latest.version, latest.revision.leaf_hash) if latest else (0, None)
        if revision.version != version + 1 or revision.prev != prev:
            raise Conflict(f"the current version is {version}; sign the one that follows it")
