"""The words of the store: what a handler hands in, and what it gets back."""

from collections.abc import Callable
from dataclasses import dataclass, field

from carevouch.events.act import Revision
from carevouch.events.envelope import Event
from carevouch.kernel.ids import Doc, Key, part


@dataclass(frozen=True, slots=True)
class ActRequest:
    """One caller's request, as far as retrying it matters.

    `key` is the Idempotency-Key, or None: then a retry is a new act. `content` is what must be the same for
    the same key: method, path and body.
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

    @property
    def event_id(self) -> str:
        """The act's name."""
        return self.part(0, "event")


@dataclass(frozen=True, slots=True)
class Draft:
    """A revision to be appended. `after` is the revision it follows; None makes version 1."""

    doc: Doc
    body: bytes
    after: "StoredRevision | None" = None

    @property
    def version(self) -> int:
        """The version it will have."""
        return 1 if self.after is None else self.after.version + 1


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a retry with the same key must be told again: a status and references, never content."""

    status: int
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActPlan:
    """An act, decided: what to append, and what must hold when it is appended.

    `subjects` are the patients concerned: each gets a tag and must be alive. `identifiers` are keys of
    identifier rows (blind) with the document they lead to; taken ones make the attempt lost. `staged` is
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
    """A revision as a reader returns it: visible, decrypted, and proved to stand under its event's root."""

    revision: Revision
    key: Key
    event: Event
    index: int
    path: tuple[bytes, ...]
    certificate: str | None

    @property
    def doc(self) -> Doc:
        """Which document."""
        return self.revision.doc

    @property
    def version(self) -> int:
        """Which version of it."""
        return self.revision.version

    @property
    def body(self) -> bytes:
        """The exact bytes."""
        return self.revision.body

    @property
    def time(self) -> str:
        """The producer's time of the act."""
        return self.event.time


@dataclass(frozen=True, slots=True)
class CommittedAct:
    """An act that is stored: its event and certificate (the caller's receipt), and the answer to give."""

    event: str
    certificate: str | None
    answer: StoredAnswer
    replayed: bool = False
    stored: tuple[Draft, ...] = field(default=())
