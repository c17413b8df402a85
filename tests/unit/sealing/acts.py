"""A producer of events for tests: certified keys, dense numbers, real revisions, by the product's code."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from carevouch.events.act import EventFacts, Revision, assemble, payload_of
from carevouch.events.catalogue import SERVICES
from carevouch.events.certificate import CERT_TYP, certificate_payload
from carevouch.events.envelope import EVENT_TYP, strand_of
from carevouch.events.genesis import Genesis
from carevouch.events.opening import Opening, make_opening
from carevouch.kernel.encoding import b64u, base32, sha256, unb64u
from carevouch.kernel.ids import Doc
from carevouch.kernel.jws import KeyInMemory, key_from_seed, sign
from carevouch.kernel.times import later
from carevouch.ledger.cosignature import Mldsa44InMemory
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.note import Ed25519InMemory
from carevouch.sealing.plan import Candidate

START = "2026-11-22T10:00:00.000Z"
ORIGIN = "log.example"
PATIENT = "a" * 26
# The order of P-256: r and n - s are another spelling of the signature r and s.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# The event type that a producer of each service signs here.
TYPES = {
    "operator": "organization.admitted",
    "identity": "device.bound",
    "consent": "consent.granted",
    "records": "records.stored",
    "claims": "claim.adjudicated",
}


def key(name: str) -> KeyInMemory:
    """A key that the same name always gives."""
    return KeyInMemory(key_from_seed(sha256(name.encode())[:16], "tests"), deterministic=True)


def respelled(text: str) -> str:
    """The same JWS with the other spelling of its signature."""
    head, _, signature = text.rpartition(".")
    raw = unb64u(signature)
    other = _ORDER - int.from_bytes(raw[32:], "big")
    return f"{head}.{b64u(raw[:32] + other.to_bytes(32, 'big'))}"


def event_id(number: int, strand: int = 0, strands: int = 1) -> str:
    """The `number`-th id of a strand."""
    found = (base32(sha256(b"%d.%d" % (number, salt))[:16]) for salt in range(10_000))
    return next(name for name in found if strand_of(name, strands) == strand)


@dataclass
class House:
    """The keys of a deployment and its genesis."""

    strands: int = 1
    operator: KeyInMemory = field(default_factory=lambda: key("operator"))
    seal: KeyInMemory = field(default_factory=lambda: key("seal"))
    log: Ed25519InMemory = field(default_factory=lambda: Ed25519InMemory(sha256(b"log")))
    mldsa: Mldsa44InMemory | None = None

    @property
    def logs(self) -> LogSigner:
        return LogSigner(self.log, self.mldsa)

    @cached_property
    def genesis(self) -> Genesis:
        return Genesis(
            deployment="test",
            origin=ORIGIN,
            operator=self.operator.jwk,
            roots={service: key(f"root {service}").jwk for service in SERVICES},
            seal=self.seal.jwk,
            log=self.log.public,
            strands=self.strands,
            seal_by_seconds=600,
            time=START,
            mldsa=self.logs.keys.mldsa,
        )


@dataclass
class Producer:
    """One certified key of a service (or the operator's key), numbering densely."""

    house: House
    service: str = "records"
    name: str = "session"
    made: str = START
    n: int = 0
    # Whether its events go to all strands in turn, or all to the first.
    spread: bool = False
    epoch: int = 1

    @property
    def signer(self) -> KeyInMemory:
        return self.house.operator if self.service == "operator" else key(f"{self.service} {self.name}")

    @cached_property
    def certificate(self) -> str:
        payload = certificate_payload(
            self.signer.jwk, self.service, self.epoch, later(self.made, -60), later(self.made, 24 * 3600)
        )
        return sign(payload, CERT_TYP, key(f"root {self.service}"))

    def revision(self, number: int, version: int = 1, body: bytes = b"{}") -> Revision:
        doc = Doc("Observation", f"{PATIENT}.{event_id(number)}")
        return Revision(doc, version, None, sha256(b"nonce %d" % number), body)

    def facts(self, number: int, time: str) -> EventFacts:
        self.n += 1
        return EventFacts(
            id=event_id(number, number % self.house.strands if self.spread else 0, self.house.strands),
            type=TYPES[self.service],
            producer=self.service,
            n=self.n,
            epoch=self.epoch,
            time=time,
            seal_by=later(time, 600),
            tags=(sha256(b"tag %d" % number),),
        )

    def event(
        self, number: int, revisions: Sequence[Revision] | None = None, time: str = "", **untrue: object
    ) -> str:
        """A signed event; `untrue` members are put into the payload whatever the product would say."""
        act = assemble(revisions or [self._default(number)])
        payload = payload_of(act, self.facts(number, time or self.made))
        return sign({**payload, **untrue}, EVENT_TYP, self.signer)

    def candidate(self, number: int, time: str = "", **untrue: object) -> Candidate:
        certificate = None if self.service == "operator" else self.certificate
        return Candidate(self.event(number, None, time, **untrue), certificate)

    def opening(self, number: int, count: int = 3, at: int = 1) -> Opening:
        revisions = [self.revision(100 * number + item, body=b'{"n":%d}' % item) for item in range(count)]
        act = assemble(revisions)
        text = self.event(number, revisions)
        certificate = None if self.service == "operator" else self.certificate
        return make_opening(revisions[at], text, certificate, at, act.paths[at])

    def _default(self, number: int) -> Revision:
        if self.service == "operator":
            doc = Doc("Admission", f"d.{event_id(number)}")
            return Revision(doc, 1, None, sha256(b"nonce"), b"{}")
        return self.revision(number)
