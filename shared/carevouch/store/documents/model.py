"""The words of the store: requests, plans and stored acts, and how an act lies in its rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Protocol

from carevouch.events.act import Revision
from carevouch.events.envelope import Event
from carevouch.kernel.ids import Doc, Key, about, audit, directory, parse_key, part
from carevouch.kernel.jws import take_apart
from carevouch.store.rows import Row, Value


@dataclass(frozen=True, slots=True)
class ActRequest:
    """A caller's request, with the parts that matter for a retry.

    `key` is the Idempotency-Key. If it is None, a retry is a new act. `content` must be the same for the
    same key: method, path and body.
    """

    caller: str
    key: str | None
    content: bytes


@dataclass(frozen=True, slots=True)
class ActNames:
    """The names of one attempt at an act: its time and a source of ids.

    With an Idempotency-Key the same (index, what) always gives the same id, so that a retry meets its own
    rows.
    """

    attempt: int
    time: str
    draw: Callable[[int, str], bytes]

    def part(self, index: int, what: str = "doc") -> str:
        """The random part of the id of document `index` of the act."""
        return part(self.draw(index, what))

    def doc(self, index: int, type_: str, subject: str | None) -> Doc:
        """The document `index` of the act, a new one about `subject`; None is the directory or nobody."""
        own = self.part(index)
        if type_ == "AuditEvent":
            return Doc(type_, audit(subject, own, self.time))
        if type_ == "Patient":
            return Doc(type_, own)
        return Doc(type_, directory(own) if subject is None else about(subject, own))

    @property
    def event_id(self) -> str:
        """The id of the act's event."""
        return self.part(0, "event")


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document that an act will create: its type, its person, and its index in the act."""

    type: str
    subject: str | None
    index: int = 0

    def doc(self, names: ActNames) -> Doc:
        """The document under these names."""
        return names.doc(self.index, self.type, self.subject)


class FirstDocument(Protocol):
    """The document of index 0 of an act that has no names yet."""

    def doc(self, names: ActNames) -> Doc:
        """The document under these names."""


def first_document(first: Doc | FirstDocument, names: ActNames) -> Doc:
    """The document of index 0 under these names."""
    return first if isinstance(first, Doc) else first.doc(names)


def random_names(attempt: int, time: str, entropy: Callable[[int], bytes]) -> ActNames:
    """Random names. The same index always gets the same name."""
    drawn: dict[tuple[int, str], bytes] = {}

    def draw(index: int, what: str) -> bytes:
        if (index, what) not in drawn:
            drawn[index, what] = entropy(16)
        return drawn[index, what]

    return ActNames(attempt, time, draw)


def derived_names(
    attempt: int, time: str, derive: Callable[..., bytes], first: Doc | FirstDocument
) -> ActNames:
    """Names that the same Idempotency-Key always gives.

    The names depend on the partition too. One key that is used for two people must give two acts different
    names, because the log takes each name once.
    """
    plain = ActNames(attempt, time, partial(derive, attempt))
    event = f"event {first_document(first, plain).pk()}"

    def draw(index: int, what: str) -> bytes:
        return derive(attempt, index, event if what == "event" else what)

    return ActNames(attempt, time, draw)


@dataclass(frozen=True, slots=True)
class Draft:
    """A revision to append. `after` is the revision before it; None makes version 1."""

    doc: Doc
    body: bytes
    after: "StoredRevision | None" = None

    @property
    def version(self) -> int:
        """The version it will have."""
        return 1 if self.after is None else self.after.version + 1


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that a retry with the same key gets again: a status and references, never content."""

    status: int
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActPlan:
    """The plan of an act: the revisions to append, and the conditions of the append.

    `subjects` are the patients concerned. Each gets a tag and must not be erased. `identifiers` are the
    blind keys of identifier rows, with their documents. If one is taken, the attempt is lost. `staged` is
    for an act that only creates and may be larger than a transaction.
    """

    event_type: str
    drafts: tuple[Draft, ...]
    answer: StoredAnswer
    subjects: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, Doc], ...] = ()
    contract: str | None = None
    staged: bool = False


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A revision that a reader returns: visible, decrypted, and proved to be under its event's root."""

    revision: Revision
    key: Key
    event: Event
    index: int
    path: tuple[bytes, ...]
    certificate: str | None

    @property
    def doc(self) -> Doc:
        """The document of the revision."""
        return self.revision.doc

    @property
    def version(self) -> int:
        """The number of the version."""
        return self.revision.version

    @property
    def body(self) -> bytes:
        """The stored bytes."""
        return self.revision.body

    @property
    def time(self) -> str:
        """The producer's time of the act."""
        return self.event.time


@dataclass(frozen=True, slots=True)
class CommittedAct:
    """A stored act: its event and certificate, which are the caller's receipt, and its answer."""

    event: str
    certificate: str | None
    answer: StoredAnswer
    replayed: bool = False
    stored: tuple[Draft, ...] = field(default=())

    @property
    def event_id(self) -> str:
        """The id of the act's event."""
        return str(take_apart(self.event).payload["id"])


COMMITTED, ABORTED = "committed", "aborted"
REJECTED_SUFFIX = "#rejected"
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedAct:
    """The event of an act with what its index needs."""

    text: str
    kid: str
    n: int


def commit_key(pk: str, event_id: str) -> Key:
    """The key of the commit row of a staged act."""
    return Key(pk, f"act#{event_id}")


def stage_key(pk: str, event_id: str) -> Key:
    """The key of the row that lets only one try stage the act's rows."""
    return Key(pk, f"act#{event_id}#stage")


def revision_row(
    ct: bytes, act: str, index: int, path: Sequence[bytes], prev: bytes | None
) -> dict[str, Value]:
    """The attributes every revision row has."""
    row: dict[str, Value] = {"ct": ct, "act": act, "index": index}
    if path:
        row["path"] = b"".join(path)
    if prev is not None:
        row["prev"] = prev
    return row


def event_attributes(signed: SignedAct, home: Key, keys: Sequence[Key]) -> dict[str, Value]:
    """The attributes of the one row of an act that carries its event; `keys` are the act's revision rows."""
    return {"event": signed.text, "kid": signed.kid, "n": signed.n, "rows": pack_keys(home, keys)}


def home_of(row: Row) -> Key:
    """The key of the row with the act's event."""
    home = row.texts("home")
    return Key(home[0], home[1]) if len(home) == 2 else row.key


def path_of(row: Row) -> tuple[bytes, ...]:
    """The inclusion path of the row's leaf."""
    joined = row.binary("path") or b""
    return tuple(joined[at : at + _HASH_BYTES] for at in range(0, len(joined), _HASH_BYTES))


def pack_keys(home: Key, keys: Sequence[Key]) -> list[str]:
    """The keys of an act's revision rows in a short form, because every reader of one of them reads this
    list.

    Rows in the home's own partition with ids of that person are listed by type and version, as random parts.
    Other rows are listed in full, as `pk sk`.
    """
    packed = []
    for (type_, version), group in groupby(keys, key=lambda key: _shared_part(home, key)):
        if version:
            parts = (parse_key(key)[0].id.split(".", 1)[1] for key in group)
            packed.append(f"{type_}#{version} " + " ".join(parts))
        else:
            packed.extend(f"{key.pk} {key.sk}" for key in group)
    return packed


def unpack_keys(row: Row, pk: str | None = None, prefix: str = "") -> list[Key]:
    """The inverse of `pack_keys`, from the row that carries the event.

    With `pk`, only keys of that partition whose sk starts with `prefix`.
    """
    person, keys = row.key.pk.removeprefix("P#"), []
    for item in row.texts("rows"):
        head, *tail = item.split(" ")
        type_, _, digits = head.partition("#")
        if len(type_) > 1 and digits.isdigit():  # the prefixes of partitions have one letter
            sks = (f"{type_}#{person}.{own}#v#{int(digits):010d}" for own in tail)
            keys.extend(_matching(row.key.pk, sks, pk, prefix))
        else:
            keys.extend(_matching(head, tail, pk, prefix))
    return keys


def _matching(of: str, sks: Iterable[str], pk: str | None, prefix: str) -> list[Key]:
    return [Key(of, sk) for sk in sks if sk.startswith(prefix)] if pk in (None, of) else []


def _shared_part(home: Key, key: Key) -> tuple[str, int]:
    doc, version = parse_key(key)
    person = home.pk.removeprefix("P#")
    return (doc.type, version) if key.pk == home.pk and doc.id.startswith(f"{person}.") else ("", 0)
