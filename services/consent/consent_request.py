"""A stored consent request: its asker, the exact content, and whether it was granted or refused.

It is the body of a `ConsentRequest` document. It holds the very bytes that a grant makes a Consent of, with
the id, version and predecessor of that Consent. So the device signs the stored bytes. For its asker a refused
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


def body_of_request(asked: ConsentRequest) -> bytes:
    """The bytes of the document's body."""
    return jcs(
        {
            "v": 1,
            "asker": asked.asker,
            "status": asked.status,
            "content": b64u(asked.content),
            "doc": str(asked.doc),
            "version": asked.version,
            "prev": b64u(asked.prev) if asked.prev is not None else None,
            "expires": asked.expires,
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


def for_person(asked: ConsentRequest, request: str, now: str) -> JsonObject:
    """The request for the person's device, with the payload that grants it (`to_sign`).

    `to_sign` holds the hash of the bytes in `content`. With them the device can check that it signs exactly
    the consent that it shows.
    """
    shown: JsonObject = {
        "id": request,
        "status": asked.status,
        "open": asked.is_open(now),
        "asker": asked.asker,
        "expires": asked.expires,
        "document": str(asked.doc),
        "consent": asked.resource(),
        "content": b64u(asked.content),
    }
    if not asked.is_open(now):
        return shown
    signed = grant_payload(asked.content, str(asked.doc), asked.version, asked.prev, request)
    return {**shown, "typ": GRANT_TYP, "to_sign": signed}


def for_asker(asked: ConsentRequest, request: str) -> JsonObject:
    """The request for its asker: granted, or still asked. A refusal looks like no answer."""
    return {
        "id": request,
        "status": GRANTED if asked.status == GRANTED else ASKED,
        "asker": asked.asker,
        "expires": asked.expires,
        "document": str(asked.doc),
        "consent": asked.resource(),
    }
