"""The event: a small ES256 JWS that is public and names no person (FORMATS.md, 4).

Parsing is strict: an event has exactly the members of version 1, each in its form. A parsed event may still
be false; `certificate.verify_event` decides that.

A payload has exactly one canonical spelling. So one regular expression proves that it is canonical and takes
its members out, and true events are read this way. A text that does not match goes to the general parser,
which names the fault. The expression accepts no text that the general parser refuses; tests compare the two.
"""

import hmac
import re

from carevouch.events.catalogue import CATALOGUE
from carevouch.kernel.canonical import JsonObject, is_whole
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.errors import Malformed
from carevouch.kernel.ids import PART
from carevouch.kernel.jws import split, take_apart
from carevouch.kernel.record import record
from carevouch.kernel.times import FORM, moment, seconds_between

EVENT_TYP = "carevouch-event+jws"
TAG_BYTES = 32
# The largest act: a whole patient has about 1,400 revisions at most.
MAX_COUNT = 5_000
# An act concerns one person, rarely a few. The limit keeps an entry far below the log's 65,535 bytes.
MAX_TAGS = 16
MEMBERS = frozenset(["v", "id", "type", "producer", "n", "epoch", "time", "seal_by", "count", "root", "tags"])
_HASH = re.compile(r"[0-9a-f]{64}")
# Base64url of 32 bytes: 43 characters. The last has two unused bits, which are zero.
_B64U_32 = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
_NUMBER = "[1-9][0-9]{0,14}"
# The canonical payload: sorted members, no white space, and no character that needs escaping.
_FORM = re.compile(
    r'\{(?:"contract":"([0-9a-f]{64})",)?'
    rf'"count":([1-9][0-9]{{0,3}}),"epoch":({_NUMBER}),"id":"({PART.pattern})","n":({_NUMBER}),'
    rf'"producer":"([a-z]+)","root":"({_B64U_32})","seal_by":"({FORM})",'
    rf'"tags":\["({_B64U_32}(?:","{_B64U_32}){{0,{MAX_TAGS - 1}}})"\],'
    rf'"time":"({FORM})","type":"([a-z.]+)","v":1\}}'
)


@record
class Event:
    """A parsed event: its members, and the JWS that has them.

    `text` is the whole entry. `kid` is the thumbprint of the key that signed `signing_input`. `window` is the
    time from `time` to `seal_by` in seconds.
    """

    id: str
    type: str
    producer: str
    n: int
    epoch: int
    time: str
    seal_by: str
    window: float
    count: int
    root_text: str
    tag_texts: tuple[str, ...]
    contract: str | None
    kid: str
    text: str
    signing_input: bytes
    signature: bytes

    @property
    def root(self) -> bytes:
        """The tree hash over the leaves of the act's revisions."""
        return unb64u(self.root_text)

    @property
    def tags(self) -> tuple[bytes, ...]:
        """The marks by which the persons concerned find the event in the log."""
        return tuple(unb64u(text) for text in self.tag_texts)


def event_payload(
    *,
    id: str,  # noqa: A002 - the member's name in the format
    type: str,  # noqa: A002
    producer: str,
    n: int,
    epoch: int,
    time: str,
    seal_by: str,
    count: int,
    root: bytes,
    tags: tuple[bytes, ...],
    contract: str | None = None,
) -> JsonObject:
    """The payload of an event, to be signed with typ `EVENT_TYP`."""
    payload: JsonObject = {
        "v": 1,
        "id": id,
        "type": type,
        "producer": producer,
        "n": n,
        "epoch": epoch,
        "time": time,
        "seal_by": seal_by,
        "count": count,
        "root": b64u(root),
        "tags": [b64u(tag) for tag in tags],
    }
    return payload if contract is None else {**payload, "contract": contract}


def tag(subject_secret: bytes, event_id: str) -> bytes:
    """The tag by which only the holder of this secret finds the event in the public log."""
    return hmac.digest(subject_secret, event_id.encode("ascii"), "sha256")


def parse_event(text: str) -> Event:
    """The event in `text`, not verified; raises `Malformed` with the member that is wrong."""
    return parse_usual(text) or parse_general(text)


def parse_usual(text: str) -> Event | None:
    """The event in `text`, by the regular expression; None for a text that does not match it."""
    try:
        typ, kid, data, message, signature = split(text)
        found = _FORM.fullmatch(data.decode("ascii"))
        if found is None or typ != EVENT_TYP:
            return None
        contract, count, epoch, id_, n, producer, root, seal_by, tags, time, type_ = found.groups()
        window = seconds_between(time, seal_by)
    except (Malformed, ValueError):
        return None
    number = int(count)
    if type_ not in CATALOGUE or number > MAX_COUNT:
        return None
    return Event(
        id_,
        type_,
        producer,
        int(n),
        int(epoch),
        time,
        seal_by,
        window,
        number,
        root,
        tuple(tags.split('","')),
        contract,
        kid,
        text,
        message,
        signature,
    )


def parse_general(text: str) -> Event:
    """The event in `text`, member by member; raises `Malformed` with the member that is wrong."""
    signed = take_apart(text)
    if signed.typ != EVENT_TYP:
        raise Malformed("not an event: typ is another one")
    payload = signed.payload
    if set(payload) - {"contract"} != MEMBERS or not is_whole(payload["v"], 1, 1):
        raise Malformed("the event does not have exactly the members of version 1")
    _check(payload)
    return Event(
        payload["id"],
        payload["type"],
        payload["producer"],
        payload["n"],
        payload["epoch"],
        payload["time"],
        payload["seal_by"],
        seconds_between(payload["time"], payload["seal_by"]),
        payload["count"],
        payload["root"],
        tuple(payload["tags"]),
        payload.get("contract"),
        signed.kid,
        signed.text,
        signed.signing_input,
        signed.signature,
    )


def strand_of(event_id: str, strands: int) -> int:
    """The strand of an event in a log of `strands` strands."""
    return int.from_bytes(sha256(event_id.encode("ascii"))[:8], "big") % strands if strands > 1 else 0


def _check(payload: JsonObject) -> None:
    """Raise `Malformed` unless each member has its form."""
    checks = (
        ("id", isinstance(payload["id"], str) and PART.fullmatch(payload["id"]) is not None),
        ("type", isinstance(payload["type"], str) and payload["type"] in CATALOGUE),
        ("producer", isinstance(payload["producer"], str)),
        ("n", is_whole(payload["n"], 1, 2**53)),
        ("epoch", is_whole(payload["epoch"], 1, 2**53)),
        ("count", is_whole(payload["count"], 1, MAX_COUNT)),
        ("tags", isinstance(payload["tags"], list) and 1 <= len(payload["tags"]) <= MAX_TAGS),
        (
            "contract",
            "contract" not in payload
            or (isinstance(payload["contract"], str) and _HASH.fullmatch(payload["contract"]) is not None),
        ),
    )
    for member, good in checks:
        if not good:
            raise Malformed(f"the event's {member} is not of its form")
    for name in ("time", "seal_by"):
        moment(payload[name], f"the event's {name}")
    for member, texts in (("root", [payload["root"]]), ("tags", payload["tags"])):
        for text in texts:
            data = unb64u(text, f"the event's {member}") if isinstance(text, str) else b""
            if len(data) != TAG_BYTES:
                raise Malformed(f"the event's {member} is not 32 bytes in base64url")


def event_of(text: str) -> Event | None:
    """The event in `text`, not verified; None if the text is not an event."""
    try:
        return parse_event(text)
    except Malformed:
        return None
