"""Openings: the proof that a revision of a document is in an event, which anyone can check without a key.

The file is canonical JSON with exactly the members of FORMATS.md, 7, so every byte of it counts. A verified
opening says which bytes are which version of which document, who signed the event, and when. The event's
place in the log is proved by its tlog-proof. A consent's opening also has the device's binding and the key of
the provider that enrolled it. The caller hands in the check whether these prove a signature of the patient's
device, because the identity room knows how devices are bound.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carevouch.events.act import NONCE_BYTES, Revision, commit, leaf
from carevouch.events.catalogue import OPERATOR, may_write
from carevouch.events.certificate import parse_certificate, verify_certificate, verify_event
from carevouch.events.envelope import Event, parse_event
from carevouch.events.genesis import Genesis, parse_genesis
from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.ids import Doc
from carevouch.kernel.jws import Jwk, public_key
from carevouch.ledger.merkle import HASH_LENGTH, MAX_PATH, InclusionFault, leaf_hash, root_from_inclusion
from carevouch.ledger.note import Verifier, open_note

MEMBERS = frozenset(["event", "certificate", "index", "path", "leaf", "nonce", "body"])
_CONSENT_MEMBERS = frozenset(["device", "provider"])
LEAF_MEMBERS = frozenset(["v", "doc", "version", "prev", "commit"])
# A revision's row has at most 400 KB. Its opening has it in base64, and may have the device's opening too.
MAX_OPENING = 4_000_000


@dataclass(frozen=True, slots=True)
class Opening:
    """A parsed opening, not verified. `certificate` is None for an event of the operator."""

    event: str
    certificate: str | None
    index: int
    path: tuple[bytes, ...]
    leaf: bytes
    nonce: bytes
    body: bytes
    device: "Opening | None" = None
    provider: Jwk | None = None


@dataclass(frozen=True, slots=True)
class ProvedRevision:
    """The proved statement of an opening: these bytes are this version of this document, in this event."""

    doc: Doc
    version: int
    prev: bytes | None
    body: bytes
    leaf_hash: bytes
    event: Event
    device: "ProvedRevision | None" = None

    @property
    def service(self) -> str:
        """The service that signed the event, or the operator."""
        return self.event.producer


# Takes a consent, its device's opening and the provider's key. Raises `IntegrityFault` unless a device signed
# the consent that is bound to the consent's person.
BindingCheck = Callable[[ProvedRevision, ProvedRevision, Jwk], None]


def open_genesis(data: bytes, verifier: Verifier) -> Genesis:
    """Genesis from its signed note; raises `IntegrityFault` (`NoteFault`) or `Malformed`."""
    genesis = parse_genesis(open_note(data, [verifier]).text)
    if genesis.origin != verifier.name or genesis.log != verifier.public:
        raise IntegrityFault("genesis names another origin or log key than that of its signature")
    return genesis


def make_opening(
    revision: Revision, event: str, certificate: str | None, index: int, path: Sequence[bytes]
) -> Opening:
    """The opening of a stored revision, with its event, its certificate, and its path in the act."""
    commitment = commit(revision.nonce, revision.body)
    data = leaf(revision.doc, revision.version, revision.prev, commitment)
    return Opening(event, certificate, index, tuple(path), data, revision.nonce, revision.body)


def render_opening(opening: Opening) -> bytes:
    """The bytes of the file."""
    return jcs(opening_json(opening))


def opening_json(opening: Opening) -> JsonObject:
    """The opening as a JSON object."""
    members: JsonObject = {
        "event": opening.event,
        "certificate": opening.certificate,
        "index": opening.index,
        "path": [b64u(hash_) for hash_ in opening.path],
        "leaf": b64u(opening.leaf),
        "nonce": b64u(opening.nonce),
        "body": b64u(opening.body),
    }
    if opening.device is not None:
        members["device"] = opening_json(opening.device)
    if opening.provider is not None:
        members["provider"] = opening.provider
    return members


def parse_opening(data: bytes) -> Opening:
    """The opening in a file; raises `Malformed` for any other bytes."""
    if len(data) > MAX_OPENING:
        raise Malformed(f"an opening has at most {MAX_OPENING} bytes")
    return _opening(parse_jcs(data, "the opening"), nested=False)


def verify_opening(opening: Opening, genesis: Genesis, binding: BindingCheck | None = None) -> ProvedRevision:
    """The statement that the opening proves; raises `IntegrityFault` or `Malformed` with the mismatch.

    `binding` is called for a consent that comes with its device. Without it, the device's opening is verified
    by itself.
    """
    event = verified_event(opening.event, opening.certificate, genesis)
    proved = _revision(opening, event)
    if opening.device is None:
        return proved
    device = verify_opening(opening.device, genesis)
    if proved.doc.type != "Consent" or device.doc.type != "BoundDevice":
        raise IntegrityFault(
            "only a consent's opening may carry a second opening, that of its device's binding"
        )
    if binding is not None:
        binding(proved, device, opening.provider or {})
    return ProvedRevision(
        proved.doc, proved.version, proved.prev, proved.body, proved.leaf_hash, proved.event, device
    )


def verified_event(text: str, certificate_text: str | None, genesis: Genesis) -> Event:
    """The event in `text`, verified with its certificate; raises `IntegrityFault` or `Malformed`."""
    event, certificate = parse_event(text), None
    if (event.producer == OPERATOR) != (certificate_text is None):
        raise IntegrityFault("an event needs its key's certificate, and an operator's event has none")
    if certificate_text is not None:
        certificate = parse_certificate(certificate_text)
        verify_certificate(certificate, genesis)
    verify_event(event, certificate, genesis)
    return event


def _revision(opening: Opening, event: Event) -> ProvedRevision:
    doc, version, prev, commitment = _leaf(opening.leaf)
    if commit(opening.nonce, opening.body) != commitment:
        raise IntegrityFault("the body and nonce do not match the commitment in the leaf")
    hash_ = leaf_hash(opening.leaf)
    try:
        root = root_from_inclusion(opening.index, event.count, hash_, opening.path)
    except InclusionFault as fault:
        raise IntegrityFault(f"the leaf's place in the event is wrong: {fault.message}") from fault
    if root != event.root:
        raise IntegrityFault("the leaf and its path do not lead to the root in the event")
    if not may_write(event.type, doc.type, version):
        raise IntegrityFault(f"an event {event.type} may not hold this version of a {doc.type}")
    return ProvedRevision(doc, version, prev, opening.body, hash_, event)


def _leaf(data: bytes) -> tuple[Doc, int, bytes | None, bytes]:
    members = parse_jcs(data, "the leaf")
    if set(members) != LEAF_MEMBERS or jcs(members["v"]) != b"1" or type(members["version"]) is not int:
        raise Malformed("the leaf does not have exactly the members of version 1")
    type_, slash, id_ = str(members["doc"]).partition("/")
    if not slash or members["version"] < 1:
        raise Malformed("the leaf's doc is not Type/id, or its version not a number from 1")
    prev = members["prev"]
    return (
        Doc(type_, id_),
        members["version"],
        None if prev is None else _bytes(prev, "the leaf's prev", HASH_LENGTH),
        _bytes(members["commit"], "the leaf's commit", HASH_LENGTH),
    )


def _opening(members: Mapping[str, Any], *, nested: bool) -> Opening:
    extra = frozenset() if nested else _CONSENT_MEMBERS
    if not MEMBERS <= set(members) <= MEMBERS | extra:
        raise Malformed("the opening does not have exactly its members")
    event, certificate, index, path = (members[name] for name in ("event", "certificate", "index", "path"))
    if not isinstance(event, str) or not isinstance(certificate, str | None):
        raise Malformed("the opening's event and certificate must be signed texts")
    if type(index) is not int or not isinstance(path, list) or len(path) > MAX_PATH:
        raise Malformed(
            f"the opening's index must be a number, and its path a list of at most {MAX_PATH} hashes"
        )
    device, provider = members.get("device"), members.get("provider")
    if (device is None) != (provider is None) or not isinstance(device, dict | None):
        raise Malformed(
            "a consent's opening needs both its device's opening and the provider's key, or neither"
        )
    if provider is not None:
        public_key(provider)
        # Any other member would be bytes of the file that no check covers.
        if set(provider) != {"kty", "crv", "x", "y"}:
            raise Malformed("the provider's key must have exactly kty, crv, x and y")
    return Opening(
        event,
        certificate,
        index,
        tuple(_bytes(item, "the opening's path", HASH_LENGTH) for item in path),
        _bytes(members["leaf"], "the opening's leaf"),
        _bytes(members["nonce"], "the opening's nonce", NONCE_BYTES),
        _bytes(members["body"], "the opening's body"),
        None if device is None else _opening(device, nested=True),
        provider,
    )


def _bytes(text: Any, what: str, length: int | None = None) -> bytes:
    if not isinstance(text, str):
        raise Malformed(f"{what} is not base64url text")
    data = unb64u(text, what)
    if length is not None and len(data) != length:
        raise Malformed(f"{what} is not {length} bytes")
    return data
