"""The plan of a batch: the entries that events become in the log, their order, and the seal after them.

The sealer hands in the head of a strand, the candidates that it read, and the marks that exist. It gets a
plan. Every candidate has exactly one end: it is sealed, rejected by a signed `event.rejected`, waiting for
its certificate, or dropped because it is sealed already. One bad candidate never stops the others. The same
candidates in another order give the same entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from carevouch.events.certificate import Certificate
from carevouch.events.envelope import Event, event_of
from carevouch.events.epoch import Order
from carevouch.events.genesis import Genesis
from carevouch.events.seal import BLOCK_SEALED, EPOCH, EVENT_REJECTED, sign_seal, text_hash
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.kernel.jws import Signer, other_spelling
from carevouch.kernel.record import record
from carevouch.ledger.block import Block
from carevouch.ledger.checkpoint import LogName
from carevouch.ledger.merkle import Growth, leaf_hashes
from carevouch.sealing.judge import Fault, Judge, Waiting
from carevouch.sealing.marks import (
    Head,
    Mark,
    block_mark,
    certificate_mark,
    epoch_mark,
    event_mark,
    is_entry,
    marks_of,
    rejection_mark,
)
from carevouch.sealing.order import place_in_block


@record
class Candidate:
    """An event's text from its row, and the text of its key's certificate, if there is one.

    `event` is the parsed text, or None if the text is not an event. It is parsed here if it is not given.
    """

    text: str
    certificate: str | None
    event: Event | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.event is None or self.event.text != self.text:
            object.__setattr__(self, "event", event_of(self.text))

    @property
    def hash(self) -> bytes:
        """The hash by which a rejection names the candidate."""
        return text_hash(self.text)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate that the entry `seal` rejects. `id` is the event's id, if the candidate parses."""

    hash: bytes
    id: str | None
    reason: str
    seal: str


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch that can be staged: its entries, each with the key of its mark, and the head after it.

    `events` are the sealed events in their order. `growth` has the new nodes of the tree.
    """

    entries: tuple[bytes, ...]
    keys: tuple[str, ...]
    events: tuple[Event, ...]
    rejections: tuple[Rejection, ...]
    growth: Growth
    head: Head

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks that the entries leave."""
        return marks_of(self.keys, self.growth, self.head)


@dataclass(frozen=True, slots=True)
class BatchVerdicts:
    """The candidates of a batch, sorted by their end."""

    events: tuple[tuple[Event, Certificate | None], ...] = ()
    rejected: tuple[tuple[Candidate, str | None, str], ...] = ()
    waiting: tuple[Candidate, ...] = ()


def mark_keys(candidates: Sequence[Candidate], head: Head) -> list[str]:
    """The keys of the marks that `plan` needs, to be read consistently.

    Marks of rejections are read only if the log has any. Most logs have none, which saves a read an event.
    """
    events = [candidate.event for candidate in candidates if candidate.event is not None]
    rejected = {rejection_mark(candidate.hash): None for candidate in candidates} if head.rejections else ()
    keys = {event_mark(event.id): None for event in events}
    return [*rejected, *keys, *map(certificate_mark, {event.kid: None for event in events})]


def plan(
    head: Head,
    candidates: Sequence[Candidate],
    marks: Mapping[str, Mark],
    genesis: Genesis,
    seal: Signer,
    now: str,
) -> tuple[BatchPlan | None, tuple[Candidate, ...]]:
    """The plan of a batch (None if there is no entry to add), and the candidates that have to wait.

    `marks` are those of `mark_keys` that exist. The block's time is `now`, or the last block's time if that
    is later.
    """
    time = max(now, head.time)
    found = sort(candidates, marks, genesis, head.log, time)
    if not found.events and not found.rejected:
        return None, found.waiting
    texts = _texts(found.events, marks)
    rejections = tuple(_rejection(*item, seal, time) for item in found.rejected)
    texts |= {rejection_mark(rejection.hash): rejection.seal for rejection in rejections}
    block = Block(head.block, head.edge.size, len(texts) + 1, head.prev)
    texts[block_mark(block.number)] = sign_seal(BLOCK_SEALED, time, block.data, seal)
    events = tuple([event for event, _ in found.events])
    return _closed(head, texts, time, events, rejections), found.waiting


def plan_epoch(head: Head, order: Order, seal: Signer, now: str) -> BatchPlan:
    """The batch of strand 0 that opens an epoch. The caller has checked the order (`epoch.check_order`)."""
    time = max(now, head.time)
    block = Block(head.block, head.edge.size, 2, head.prev)
    texts = {
        epoch_mark(order.epoch.number): sign_seal(EPOCH, time, order.data, seal),
        block_mark(block.number): sign_seal(BLOCK_SEALED, time, block.data, seal),
    }
    return _closed(head, texts, time)


def _closed(
    head: Head,
    texts: Mapping[str, str],
    time: str,
    events: tuple[Event, ...] = (),
    rejections: tuple[Rejection, ...] = (),
) -> BatchPlan:
    """The plan of these entries, of which the last is the block's seal, with the head after it."""
    entries = tuple([text.encode("ascii") for text in texts.values()])
    growth = head.edge.grown(leaf_hashes(entries))
    rejected = head.rejections + len({rejection.hash for rejection in rejections})
    after = Head(head.log, growth.edge, head.block + 1, growth.levels[0][-1], time, rejected)
    return BatchPlan(entries, tuple(texts), events, rejections, growth, after)


def _texts(events: Sequence[tuple[Event, Certificate | None]], marks: Mapping[str, Mark]) -> dict[str, str]:
    """The entries of these events by the keys of their marks, each certificate before its first use."""
    texts: dict[str, str] = {}
    met: set[str] = set()
    for event, certificate in events:
        if certificate is not None and certificate.kid not in met:
            met.add(certificate.kid)
            key = certificate_mark(certificate.kid)
            if key not in marks:
                texts[key] = certificate.text
        texts[event_mark(event.id)] = event.text
    return texts


def sort(
    candidates: Sequence[Candidate], marks: Mapping[str, Mark], genesis: Genesis, strand: LogName, time: str
) -> BatchVerdicts:
    """Decide the end of each candidate. Events are in the order (producer, kid, n, id)."""
    true: dict[str, tuple[Event, Certificate | None]] = {}
    rejected: list[tuple[Candidate, str | None, str]] = []
    waiting: list[Candidate] = []
    certificates: dict[str, Certificate] = {}
    for candidate, certificate, fault in _judged(candidates, marks, Judge(genesis, strand, time)):
        event = candidate.event
        if isinstance(fault, Waiting):
            waiting.append(candidate)
        elif event is None:
            rejected.append((candidate, None, "not an event of version 1"))
        elif fault is not None:
            rejected.append((candidate, event.id, fault.message))
        elif event.id in true and _is_same(event.text, true[event.id][0].text):
            continue  # The same event with the other form of its signature; it has one entry.
        elif event.id in true or event_mark(event.id) in marks:
            rejected.append((candidate, event.id, "another event has this id"))
        elif certificate is not None and not _is_first(certificate, certificates, marks):
            rejected.append((candidate, event.id, "another certificate of this key is in the log"))
        else:
            true[event.id] = (event, certificate)
    ordered = sorted(true.values(), key=lambda pair: place_in_block(pair[0]))
    return BatchVerdicts(tuple(ordered), tuple(rejected), tuple(waiting))


def _judged(
    candidates: Sequence[Candidate], marks: Mapping[str, Mark], judge: Judge
) -> list[tuple[Candidate, Certificate | None, Fault | None]]:
    """The candidates that the log does not answer yet, each once, with certificate and fault.

    They are judged in the order in which they came, because they lie in memory in that order. The result
    has an order of its own.
    """
    if any(key.startswith(("event#", "rejected#")) for key in marks):
        candidates = [
            one
            for one in candidates
            if rejection_mark(one.hash) not in marks
            and (one.event is None or not _is_sealed(one.text, event_mark(one.event.id), marks))
        ]
    open_ones = {(one.text, one.certificate is not None, one.certificate or ""): one for one in candidates}
    events = {at: (one.event, one.certificate) for at, one in open_ones.items() if one.event is not None}
    verdicts = dict(zip(events, judge.verdicts(list(events.values())), strict=True))
    return [(open_ones[at], *verdicts.get(at, (None, None))) for at in sorted(open_ones)]


def _is_sealed(text: str, key: str, marks: Mapping[str, Mark]) -> bool:
    known = marks.get(key)
    return known is not None and is_entry(known, text)


def _is_same(one: str, other: str) -> bool:
    """Whether two texts are one JWS, with either form of its signature."""
    return one == other or other_spelling(one) == other


def _is_first(certificate: Certificate, met: dict[str, Certificate], marks: Mapping[str, Mark]) -> bool:
    """Whether the certificate is its key's first: the one in the log, or the first of this batch.

    A reader of the log checks a key's events against the key's first certificate. So no event may be sealed
    under a later one. `met` has the batch's certificates by key, and gets this one.
    """
    kid = certificate.kid
    if kid not in met:
        key = certificate_mark(kid)
        if key in marks and not _is_sealed(certificate.text, key, marks):
            return False
        met[kid] = certificate
    return met[kid] is certificate or _is_same(certificate.text, met[kid].text)


def _rejection(candidate: Candidate, event_id: str | None, reason: str, seal: Signer, time: str) -> Rejection:
    data: JsonObject = {"hash": b64u(candidate.hash), "reason": reason}
    if event_id is not None:
        data["id"] = event_id
    return Rejection(candidate.hash, event_id, reason, sign_seal(EVENT_REJECTED, time, data, seal))
