"""What a batch of events becomes in the log: which entries, in which order, closed by which seal. Pure.

The sealer hands in the head of a strand, what it fetched, and which marks it already holds; a plan comes
back. Every candidate ends in exactly one place: sealed, rejected (answered by a signed `event.rejected`),
waiting (its certificate is not there yet), or dropped because it is sealed already. One bad candidate never
stops the others, and the same candidates in another order give the same entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from shared.events.catalogue import OPERATOR
from shared.events.certificate import Certificate, parse_certificate, verify_certificate, verify_event
from shared.events.envelope import Event, parse_event, strand_of
from shared.events.genesis import Genesis
from shared.kernel.canonical import JsonObject, jcs
from shared.kernel.encoding import b64u, sha256, unb64u
from shared.kernel.errors import IntegrityFault, Malformed
from shared.kernel.jws import Signed, Signer, sign, take_apart, verify
from shared.kernel.times import later, moment
from shared.ledger.block import Block
from shared.ledger.checkpoint import LogName
from shared.ledger.merkle import Edge, leaf_hash

SEAL_TYP = "carevouch-seal+jws"
BLOCK_SEALED, EVENT_REJECTED = "block.sealed", "event.rejected"
# Clocks of producers and sealer differ; an event further ahead of its block than this is not true.
SKEW_SECONDS = 60
_SEAL_MEMBERS = frozenset(["v", "type", "time", "data"])


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log ends: its edge, the number of the next block, the last seal's leaf hash and time."""

    log: LogName
    edge: Edge = field(default_factory=Edge)
    block: int = 0
    prev: bytes | None = None
    time: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event's text as it lies in its row, and the text of its key's certificate, if there is one."""

    text: str
    certificate: str | None

    @property
    def hash(self) -> bytes:
        """SHA-256 of the text: what a rejection names."""
        return sha256(self.text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Mark:
    """What the sealer remembers about an entry: under which key, at which index, with which leaf hash."""

    key: str
    index: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate answered by the entry `seal`; `id` is what it calls itself, if it parses."""

    hash: bytes
    id: str | None
    reason: str
    seal: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch, ready to be staged: entries from `first`, the marks they leave, and the head that follows."""

    first: int
    entries: tuple[bytes, ...]
    marks: tuple[Mark, ...]
    rejections: tuple[Rejection, ...]
    head: Head


@dataclass(frozen=True, slots=True)
class Sorted:
    """The candidates of a batch, each in one place."""

    events: tuple[tuple[Event, Certificate | None], ...] = ()
    rejected: tuple[tuple[Candidate, str | None, str], ...] = ()
    waiting: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Seal:
    """A parsed seal entry, unverified."""

    type: str
    time: str
    data: Any
    signed: Signed


@lru_cache(maxsize=2_048)  # A batch asks several times about each text; parsing costs as much as verifying.
def event_of(text: str) -> Event | None:
    """The event that `text` spells, unverified; None if it spells none."""
    try:
        return parse_event(text)
    except Malformed:
        return None


def event_mark(event_id: str) -> str:
    """The key of the mark that a sealed event leaves."""
    return f"event#{event_id}"


def certificate_mark(kid: str) -> str:
    """The key of the mark that a certificate's entry leaves."""
    return f"cert#{kid}"


def rejection_mark(candidate_hash: bytes) -> str:
    """The key of the mark that a rejection leaves; by hash, so that a forgery cannot take an event's id."""
    return f"rejected#{b64u(candidate_hash)}"


def block_mark(number: int) -> str:
    """The key of the mark that a block's seal leaves."""
    return f"block#{number}"


def mark_keys(candidates: Sequence[Candidate]) -> list[str]:
    """The marks that have to be looked up, consistently, before these candidates are planned."""
    keys: list[str] = []
    for candidate in candidates:
        keys.append(rejection_mark(candidate.hash))
        event = event_of(candidate.text)
        if event is not None:
            keys += [event_mark(event.id), certificate_mark(event.kid)]
    return list(dict.fromkeys(keys))


def plan(
    head: Head,
    candidates: Sequence[Candidate],
    marks: Mapping[str, Mark],
    genesis: Genesis,
    seal: Signer,
    now: str,
) -> tuple[Plan | None, tuple[Candidate, ...]]:
    """The plan for a batch (None if there is nothing to add), and the candidates that have to wait.

    `marks` are those of `mark_keys` that exist; `now` becomes the block's time, unless the last block's is
    later.
    """
    time = max(now, head.time)
    found = sort(candidates, marks, genesis, head.log, time)
    if not found.events and not found.rejected:
        return None, found.waiting
    batch = _Batch(head.edge.size)
    for event, certificate in found.events:
        if certificate is not None and certificate_mark(certificate.kid) not in marks:
            batch.add_once(certificate_mark(certificate.kid), certificate.text)
        batch.add_once(event_mark(event.id), event.text)
    rejections = tuple(_rejection(*item, seal, time) for item in found.rejected)
    for rejection in rejections:
        batch.add_once(rejection_mark(rejection.hash), rejection.seal)
    block = Block(head.block, head.edge.size, len(batch.entries) + 1, head.prev)
    closing = batch.add_once(block_mark(block.number), _seal(BLOCK_SEALED, time, block.data, seal))
    edge = head.edge.extended([mark.leaf for mark in batch.marks.values()])
    after = Head(head.log, edge, head.block + 1, closing.leaf, time)
    entries = tuple(batch.entries)
    return Plan(head.edge.size, entries, tuple(batch.marks.values()), rejections, after), found.waiting


def sort(
    candidates: Sequence[Candidate], marks: Mapping[str, Mark], genesis: Genesis, strand: LogName, time: str
) -> Sorted:
    """Put each candidate in its place, events in the order (producer, kid, n, id)."""
    judged = Judge(genesis, strand, time)
    events: dict[str, tuple[Event, Certificate | None]] = {}
    rejected: list[tuple[Candidate, str | None, str]] = []
    waiting: list[Candidate] = []
    for candidate in sorted(set(candidates), key=lambda item: (item.text, item.certificate or "")):
        if rejection_mark(candidate.hash) in marks:
            continue
        event = event_of(candidate.text)
        if event is None:
            rejected.append((candidate, None, "not an event of version 1"))
            continue
        known = marks.get(event_mark(event.id))
        if known is not None and known.leaf == leaf_hash(candidate.text.encode("ascii")):
            continue
        try:
            certificate = judged.check(event, candidate.certificate)
        except _Waiting:
            waiting.append(candidate)
        except (IntegrityFault, Malformed) as fault:
            rejected.append((candidate, event.id, fault.message))
        else:
            if known is not None or event.id in events:
                rejected.append((candidate, event.id, "another event has this id"))
            else:
                events[event.id] = (event, certificate)
    ordered = sorted(events.values(), key=lambda pair: (pair[0].producer, pair[0].kid, pair[0].n, pair[0].id))
    return Sorted(tuple(ordered), tuple(rejected), tuple(waiting))


class Judge:
    """Says whether events are true at a block's time; verifies each certificate once."""

    def __init__(self, genesis: Genesis, strand: LogName, time: str) -> None:
        """`time` is the block's."""
        self._genesis = genesis
        self._strand = strand
        self._time = time
        self._certificates: dict[str, Certificate] = {}

    def check(self, event: Event, certificate: str | None) -> Certificate | None:
        """The event's certificate, None for the operator's; raises what is wrong with the event."""
        if event.producer == OPERATOR:
            known = None
        elif certificate is None:
            if self._time <= event.seal_by:
                raise _Waiting
            raise IntegrityFault("the certificate of the key that signed did not arrive in time")
        else:
            known = self._certificate(certificate)
        verify_event(event, known, self._genesis)
        check_place(event, self._genesis, self._strand, self._time)
        return known

    def _certificate(self, text: str) -> Certificate:
        if text not in self._certificates:
            parsed = parse_certificate(text)
            verify_certificate(parsed, self._genesis)
            self._certificates[text] = parsed
        return self._certificates[text]


def check_place(event: Event, genesis: Genesis, strand: LogName, block_time: str) -> None:
    """Raise `IntegrityFault` if a true event does not belong into this strand and block."""
    if event.epoch != genesis.epoch:
        raise IntegrityFault("the event is of an epoch that is not open")
    if strand_of(event.id, genesis.strands) != strand:
        raise IntegrityFault("the event belongs into another strand")
    if event.seal_by != later(event.time, genesis.seal_by_seconds):
        raise IntegrityFault("the event's seal_by is not its time plus the constant of genesis")
    if event.time > later(block_time, SKEW_SECONDS):
        raise IntegrityFault(f"the event's time is more than {SKEW_SECONDS} s ahead of its block")


def parse_seal(text: str) -> Seal:
    """The seal that `text` spells, unverified; raises `Malformed`."""
    signed = take_apart(text)
    payload = signed.payload
    if signed.typ != SEAL_TYP or set(payload) != _SEAL_MEMBERS or jcs(payload["v"]) != b"1":
        raise Malformed("not a seal with exactly the members of version 1")
    if payload["type"] not in (BLOCK_SEALED, EVENT_REJECTED):
        raise Malformed("the seal is of no known type")
    moment(payload["time"], "the seal's time")
    if payload["type"] == EVENT_REJECTED:
        _check_rejection(payload["data"])
    return Seal(payload["type"], payload["time"], payload["data"], signed)


def verify_seal(seal: Seal, genesis: Genesis) -> None:
    """Raise `IntegrityFault` unless the sealer's key of genesis signed it."""
    try:
        verify(seal.signed, genesis.seal, SEAL_TYP)
    except IntegrityFault as fault:
        raise IntegrityFault(f"the seal is not by the sealer's key: {fault.message}") from fault


def _check_rejection(data: Any) -> None:
    if not isinstance(data, dict) or set(data) - {"id"} != {"hash", "reason"}:
        raise Malformed("event.rejected does not have exactly hash, reason and perhaps id")
    if not all(isinstance(value, str) for value in data.values()):
        raise Malformed("the members of event.rejected are text")
    if len(unb64u(data["hash"], "the rejection's hash")) != 32:
        raise Malformed("the rejection's hash is not 32 bytes")


class _Waiting(Exception):
    """The certificate may still arrive."""


class _Batch:
    """Entries in order, each under its mark."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.entries: list[bytes] = []
        self.marks: dict[str, Mark] = {}

    def add_once(self, key: str, text: str) -> Mark:
        if key not in self.marks:
            entry = text.encode("ascii")
            self.marks[key] = Mark(key, self._first + len(self.entries), leaf_hash(entry))
            self.entries.append(entry)
        return self.marks[key]


def _rejection(candidate: Candidate, event_id: str | None, reason: str, seal: Signer, time: str) -> Rejection:
    data: JsonObject = {"hash": b64u(candidate.hash), "reason": reason}
    if event_id is not None:
        data["id"] = event_id
    return Rejection(candidate.hash, event_id, reason, _seal(EVENT_REJECTED, time, data, seal))


def _seal(type_: str, time: str, data: JsonObject, signer: Signer) -> str:
    return sign({"v": 1, "type": type_, "time": time, "data": data}, SEAL_TYP, signer)
