"""A stored consent request: its asker, the exact content, and whether it was granted or refused.

It is the body of a `ConsentRequest` document. It holds the very bytes of the Consent that a grant would
store, with its id, version and predecessor. So the device signs the stored bytes. For its asker a refused
request looks like a request without an answer.
"""

from dataclasses import dataclass

from carevouch.consent.signature import GRANT_TYP, grant_payload
from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import DomainError, IntegrityFault
from carevouch.kernel.ids import Doc, parse_reference
from carevouch.kernel.jsontext import parse

CONSENT_REQUEST = "ConsentRequest"
ASKED, GRANTED, REFUSED = "asked", "granted", "refused"
_STATUSES = (ASKED, GRANTED, REFUSED)
_MEMBERS = frozenset(("v", "asker", "status", "content", "doc", "version", "prev", "expires"))


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A request. A grant stores `content` as `version` of the Consent `doc`, after the leaf hash `prev`."""

    asker: str
    status: str
    content: bytes
    doc: Doc
    version: int
    prev: bytes | None
    expires: str

    def is_open(self, now: str) -> bool:
        """Whether it can still be granted."""
        return self.status == ASKED and now <= self.expires

    def resource(self) -> JsonObject:
        """The requested Consent."""
        resource: JsonObject = parse(self.content, "a requested Consent")
        return resource


def body_of_request(consent_request: ConsentRequest) -> bytes:
    """The bytes of a ConsentRequest document's body."""
    return jcs(
        {
            "v": 1,
            "asker": consent_request.asker,
            "status": consent_request.status,
            "content": b64u(consent_request.content),
            "doc": str(consent_request.doc),
            "version": consent_request.version,
            "prev": b64u(consent_request.prev) if consent_request.prev is not None else None,
            "expires": consent_request.expires,
        }
    )


def parse_request(body: bytes) -> ConsentRequest:
    """The request in a stored body; raises `IntegrityFault`, because only this service writes such bodies."""
    try:
        value = parse_jcs(body, "the consent request")
        if set(value) != _MEMBERS or value["v"] != 1 or value["status"] not in _STATUSES:
            raise IntegrityFault("a stored consent request does not have exactly the members of version 1")
        prev = value["prev"]
        return ConsentRequest(
            value["asker"],
            value["status"],
            unb64u(value["content"], "content"),
            parse_reference(value["doc"]),
            value["version"],
            None if prev is None else unb64u(prev, "prev"),
            value["expires"],
        )
    except (DomainError, TypeError, AttributeError) as error:
        raise IntegrityFault("a stored consent request cannot be read") from error


def for_person(consent_request: ConsentRequest, request_id: str, now: str) -> JsonObject:
    """The request for the person's device, with the payload that grants it (`to_sign`).

    `to_sign` holds the hash of the bytes in `content`. With them the device can check that it signs exactly
    the consent that it shows.
    """
    view: JsonObject = {
        "id": request_id,
        "status": consent_request.status,
        "open": consent_request.is_open(now),
        "asker": consent_request.asker,
        "expires": consent_request.expires,
        "document": str(consent_request.doc),
        "consent": consent_request.resource(),
        "content": b64u(consent_request.content),
    }
    if not consent_request.is_open(now):
        return view
    signed = grant_payload(
        consent_request.content,
        str(consent_request.doc),
        consent_request.version,
        consent_request.prev,
        request_id,
    )
    return {**view, "typ": GRANT_TYP, "to_sign": signed}


def for_asker(consent_request: ConsentRequest, request_id: str) -> JsonObject:
    """The request for its asker: granted, or still asked. A refusal looks like no answer."""
    return {
        "id": request_id,
        "status": GRANTED if consent_request.status == GRANTED else ASKED,
        "asker": consent_request.asker,
        "expires": consent_request.expires,
        "document": str(consent_request.doc),
        "consent": consent_request.resource(),
    }
