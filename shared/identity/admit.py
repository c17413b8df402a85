"""The operator's side of an admission: documents, nonces and the signed event, made where the operator's key
is.

What comes out is the body of `POST /fhir/Organization`. Ids, nonces and the time are handed in. Operator
events are numbered densely like all others, so the operator's software must keep count.
"""

from dataclasses import dataclass
from typing import Any

from shared.events.act import EventFacts, Revision, assemble, payload_of
from shared.events.catalogue import OPERATOR
from shared.events.envelope import EVENT_TYP
from shared.events.genesis import Genesis
from shared.fhir.meta import with_meta
from shared.identity.admission import ACTIVE, Admission, admission_body
from shared.kernel.canonical import JsonObject
from shared.kernel.encoding import b64u
from shared.kernel.ids import Doc, directory, part
from shared.kernel.jsontext import render
from shared.kernel.jws import Signer, sign
from shared.kernel.times import later


@dataclass(frozen=True, slots=True)
class Drawn:
    """The random values of one admission: 16 bytes for ids, 32 for nonces and the tag."""

    organization: bytes
    event: bytes
    nonces: tuple[bytes, bytes]
    tag: bytes


def admission_request(
    organization: dict[str, Any],
    roles: tuple[str, ...],
    keys: tuple[dict[str, Any], ...],
    *,
    operator: Signer,
    genesis: Genesis,
    n: int,
    time: str,
    drawn: Drawn,
) -> JsonObject:
    """The body to post; the new organisation's id is that of its first document."""
    own = directory(part(drawn.organization))
    terms = Admission(own, roles, keys, ACTIVE)
    bodies = (
        (Doc("Organization", own), render(with_meta(organization, own, 1, time))),
        (Doc("Admission", own), admission_body(terms)),
    )
    revisions = [
        Revision(doc, 1, None, nonce, body) for (doc, body), nonce in zip(bodies, drawn.nonces, strict=True)
    ]
    act = assemble(revisions)
    facts = EventFacts(
        id=part(drawn.event),
        type="organization.admitted",
        producer=OPERATOR,
        n=n,
        epoch=genesis.epoch,
        time=time,
        seal_by=later(time, genesis.seal_by_seconds),
        tags=(drawn.tag,),
    )
    event = sign(payload_of(act, facts), EVENT_TYP, operator)
    return {"event": event, "documents": [_document(revision) for revision in act.revisions]}


def _document(revision: Revision) -> JsonObject:
    return {
        "doc": str(revision.doc),
        "version": revision.version,
        "prev": None if revision.prev is None else b64u(revision.prev),
        "nonce": b64u(revision.nonce),
        "body": b64u(revision.body),
    }
