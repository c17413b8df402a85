"""The events of a schedule: true ones, false ones, and the forgeries of a hostile writer of rows.

The product's code makes them, under keys that the same names always give. Each is made once per process,
because a schedule would spend most of its time on signing.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from carevouch.kernel.encoding import b64u, base32, sha256, unb64u
from carevouch.kernel.ids import Key
from carevouch.kernel.times import later, moment
from tests.unit.sealing.acts import House, Producer, respelled

LIFE_SECONDS = 24 * 3600


class Kind(StrEnum):
    """The fault of an event, if it has one."""

    TRUE = "true"
    AHEAD = "ahead of its time"
    EPOCH = "of an epoch that is not open"
    SEAL_BY = "with a seal_by of its own"
    FORGED = "not by its key"
    NONSENSE = "no event at all"
    TWIN = "under the id of another"


FALSE = frozenset({Kind.EPOCH, Kind.SEAL_BY, Kind.FORGED, Kind.NONSENSE})


@dataclass(frozen=True, slots=True)
class Session:
    """A key of a service, and the time it was made. The operator's key has no certificate."""

    service: str
    name: str
    made: str

    @property
    def expired(self) -> str:
        """The instant after which the key signs no event."""
        return later(self.made, LIFE_SECONDS)

    @property
    def certificate(self) -> str:
        """The text of the key's certificate."""
        return _producer(self).certificate

    @property
    def kid(self) -> str:
        """The thumbprint of the key."""
        return _producer(self).signer.kid

    @property
    def made_n(self) -> int:
        """The number under which the index lists the certificate."""
        return int(moment(self.made).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Deed:
    """An event as it was stored in a row, and its possible fates.

    Somebody with access to the table put `hostile` rows there. Their index attributes lie. `session` and `n`
    are then those of the text, if it has any.
    """

    key: Key
    text: str
    session: Session
    n: int
    kind: Kind
    id: str | None
    hostile: bool = False

    @property
    def hash(self) -> bytes:
        """The hash by which a rejection names it."""
        return sha256(self.text.encode())

    @property
    def spellings(self) -> tuple[str, ...]:
        """The text, and the same text with the other spelling of its signature."""
        return (self.text,) if self.id is None else (self.text, _respelled(self.text))


@cache
def house(strands: int) -> House:
    """The keys of a deployment with so many strands."""
    return House(strands)


@cache
def event(session: Session, n: int, time: str, kind: Kind, event_id: str) -> str:
    """The text of an event. The same arguments give the same text."""
    producer = _producer(session)
    producer.n = n - 1
    match kind:
        case Kind.EPOCH:
            return producer.event(n, None, time, id=event_id, epoch=2)
        case Kind.SEAL_BY:
            return producer.event(n, None, time, id=event_id, seal_by=later(time, 601))
        case Kind.FORGED:
            return forged(producer.event(n, None, time, id=event_id))
        case Kind.NONSENSE:
            return f"nonsense {event_id}"
        case Kind.AHEAD:
            return producer.event(n, None, later(time, 120), id=event_id, seal_by=later(time, 720))
        case _:
            return producer.event(n, None, time, id=event_id)


@cache
def forged(text: str) -> str:
    """The same event with a false signature."""
    head, _, signature = text.rpartition(".")
    return f"{head}.{b64u(sha256(unb64u(signature)) * 2)}"


def id_of(session: Session, n: int) -> str:
    """An event's id, as good as random."""
    return base32(sha256(f"{session.service} {session.name} {n}".encode())[:16])


@cache
def _producer(session: Session) -> Producer:
    # One strand or several: the keys are the same.
    return Producer(house(1), session.service, session.name, session.made)


_respelled = cache(respelled)
