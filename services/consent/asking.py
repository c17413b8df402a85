"""A consent request as it is stored: who asks, for exactly which content, and what became of it.

The body of a `ConsentRequest` document. It holds the very bytes that a grant makes a Consent of, with the
id, version and predecessor they are meant for, so that what the device signs is what is stored. A refused
request looks to its asker like one that nobody has answered yet.
"""

from dataclasses import dataclass
from typing import Any

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
    """`content` becomes `version` of the Consent `doc`, following the leaf hash `prev`, if it is granted."""

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
        """The Consent that is asked for."""
        resource: JsonObject = parse(self.content, "a requested Consent")
        return resource


def asking_body(asking: ConsentRequest) -> bytes:
    """The bytes of the document's body."""
    return jcs(
        {
            "v": 1,
            "asker": asking.asker,
            "status": asking.status,
            "content": b64u(asking.content),
            "doc": str(asking.doc),
            "version": asking.version,
            "prev": b64u(asking.prev) if asking.prev is not None else None,
            "expires": asking.expires,
        }
    )


def parse_asking(body: bytes) -> ConsentRequest:
    """The request in a stored body; raises `IntegrityFault`, for nobody but this service writes one."""
    try:
        value = parse_jcs(body, "the consent request")
        if set(value) != _MEMBERS or value["v"] != 1 or value["status"] not in _STATUSES:
            raise IntegrityFault("a stored consent request does not have exactly the members of version 1")
        return _asking(value)
    except (DomainError, TypeError, AttributeError) as error:
        raise IntegrityFault("a stored consent request cannot be read") from error


def _asking(value: dict[str, Any]) -> ConsentRequest:
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


def for_person(asking: ConsentRequest, request: str, now: str) -> JsonObject:
    """What the person's device is shown: who asks for what, and exactly what to sign to grant it.

    `content` are the bytes whose hash stands in `to_sign`, so that a device can check that it shows its
    owner what it signs.
    """
    shown: JsonObject = {
        "id": request,
        "status": asking.status,
        "open": asking.is_open(now),
        "asker": asking.asker,
        "expires": asking.expires,
        "document": str(asking.doc),
        "consent": asking.resource(),
        "content": b64u(asking.content),
    }
    if not asking.is_open(now):
        return shown
    signed = grant_payload(asking.content, str(asking.doc), asking.version, asking.prev, request)
    return {**shown, "typ": GRANT_TYP, "to_sign": signed}


def for_asker(asking: ConsentRequest, request: str) -> JsonObject:
    """What the asker is shown: granted, or nothing yet. Refused is not told apart from unanswered."""
    return {
        "id": request,
        "status": GRANTED if asking.status == GRANTED else ASKED,
        "asker": asking.asker,
        "expires": asking.expires,
        "document": str(asking.doc),
        "consent": asking.resource(),
    }
