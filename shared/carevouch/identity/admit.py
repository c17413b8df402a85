"""Admissions as the operator makes them: documents, nonces and the signed event, beside the operator's key.

The result is the body of `POST /fhir/Organization`. Ids, nonces and the time are arguments. The events of
the operator are numbered without gaps, so the operator's software must keep count. It also keeps each body
that it posted, because a change names the version and the leaf hash before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from carevouch.events.act import NONCE_BYTES, EventFacts, Revision, assemble, payload_of
from carevouch.events.catalogue import OPERATOR
from carevouch.events.certificate import verify_event
from carevouch.events.envelope import EVENT_TYP, parse_event
from carevouch.events.genesis import Genesis
from carevouch.fhir.meta import with_meta
from carevouch.identity.caller import ACTIVE, Admission, admission_body, parse_admission
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import IntegrityFault, Invalid, Malformed
from carevouch.kernel.ids import Doc, directory, parse_reference, part
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import Signer, sign
from carevouch.kernel.times import later

ADMITTED, CHANGED = "organization.admitted", "organization.changed"


@dataclass(frozen=True, slots=True)
class ActEntropy:
    """The random values of one request: 16 bytes for each id, 32 for each nonce and the tag."""

    organization: bytes
    event: bytes
    nonces: tuple[bytes, bytes]
    tag: bytes


@dataclass(frozen=True, slots=True)
class OrganizationState:
    """An organisation after the operator's last request."""

    organization: Revision
    admission: Revision

    @property
    def resource(self) -> dict[str, Any]:
        """The FHIR resource of the organisation."""
        resource: dict[str, Any] = parse(self.organization.body, "the Organization")
        return resource

    @property
    def terms(self) -> Admission:
        """Its roles, keys and status."""
        return parse_admission(self.admission.body)


def admission_request(
    organization: dict[str, Any],
    roles: tuple[str, ...],
    keys: tuple[dict[str, Any], ...],
    *,
    operator: Signer,
    genesis: Genesis,
    n: int,
    time: str,
    entropy: ActEntropy,
    status: str = ACTIVE,
) -> JsonObject:
    """The body to post for a new organisation, whose id is derived from `entropy`."""
    own = directory(part(entropy.organization))
    bodies = (
        render(with_meta(organization, own, 1, time)),
        admission_body(Admission(own, roles, keys, status)),
    )
    docs = (Doc("Organization", own), Doc("Admission", own))
    revisions = [
        Revision(doc, 1, None, nonce, body)
        for doc, nonce, body in zip(docs, entropy.nonces, bodies, strict=True)
    ]
    facts = _facts(ADMITTED, genesis, n, time, entropy)
    return _signed(revisions, facts, operator)


def change_request(
    before: OrganizationState,
    organization: dict[str, Any],
    terms: Admission,
    *,
    operator: Signer,
    genesis: Genesis,
    n: int,
    time: str,
    entropy: ActEntropy,
) -> JsonObject:
    """The body to post for a change; `organization` and `terms` follow the versions `before`.

    The organisation keeps its id, so `entropy.organization` is not used.
    """
    own, version = before.terms.organization, before.organization.version + 1
    bodies = (
        render(with_meta(organization, own, version, time)),
        admission_body(replace(terms, organization=own)),
    )
    revisions = [
        Revision(last.doc, last.version + 1, last.leaf_hash, nonce, body)
        for last, nonce, body in zip(
            (before.organization, before.admission), entropy.nonces, bodies, strict=True
        )
    ]
    facts = _facts(CHANGED, genesis, n, time, entropy)
    return _signed(revisions, facts, operator)


def read_request(posted: Any, genesis: Genesis) -> OrganizationState:
    """The organisation after an earlier request of this operator.

    Raises `Malformed`, or `Invalid` if the request is another operator's or was altered.
    """
    if not isinstance(posted, dict) or set(posted) != {"event", "documents"}:
        raise Malformed(
            "the earlier request must have exactly event and documents, as `carevouch admit` printed it"
        )
    event = parse_event(str(posted["event"]))
    documents = posted["documents"]
    if not isinstance(documents, list) or len(documents) != 2:
        raise Malformed("the earlier request must have two documents, an Organization and its Admission")
    revisions = [read_document(item) for item in documents]
    act = assemble(revisions)
    try:
        verify_event(event, None, genesis)
    except IntegrityFault as fault:
        raise Invalid(f"the earlier request is not of this operator: {fault.message}") from fault
    own = revisions[0].doc.id
    if [revision.doc for revision in revisions] != [Doc("Organization", own), Doc("Admission", own)]:
        raise Invalid("the earlier request does not hold an Organization and its Admission")
    if (event.root, event.count) != (act.root, len(revisions)):
        raise Invalid("the earlier request was altered: its event does not commit to its documents")
    return OrganizationState(*revisions)


def read_document(item: Any) -> Revision:
    """A document of a request as the revision that it becomes; raises `Malformed`."""
    if not isinstance(item, dict) or set(item) != {"doc", "version", "prev", "nonce", "body"}:
        raise Malformed("a document must have exactly doc, version, prev, nonce and body")
    nonce, body = unb64u(str(item["nonce"]), "nonce"), unb64u(str(item["body"]), "body")
    version = item["version"]
    if type(version) is not int or version < 1 or len(nonce) != NONCE_BYTES:
        raise Malformed(f"version must be a positive number, and nonce must have {NONCE_BYTES} bytes")
    prev = None if item["prev"] is None else unb64u(str(item["prev"]), "prev")
    return Revision(parse_reference(str(item["doc"])), version, prev, nonce, body)


def _facts(type_: str, genesis: Genesis, n: int, time: str, entropy: ActEntropy) -> EventFacts:
    return EventFacts(
        id=part(entropy.event),
        type=type_,
        producer=OPERATOR,
        n=n,
        epoch=genesis.epoch,
        time=time,
        seal_by=later(time, genesis.seal_by_seconds),
        tags=(entropy.tag,),
    )


def _signed(revisions: Sequence[Revision], facts: EventFacts, operator: Signer) -> JsonObject:
    documents = [
        {
            "doc": str(revision.doc),
            "version": revision.version,
            "prev": None if revision.prev is None else b64u(revision.prev),
            "nonce": b64u(revision.nonce),
            "body": b64u(revision.body),
        }
        for revision in revisions
    ]
    event = sign(payload_of(assemble(revisions), facts), EVENT_TYP, operator)
    return {"event": event, "documents": documents}
