"""Files as a patient holds them, by the product's own code: proofs, openings, a super-log, witnesses.

It is one deployment with two strands, whose logs sign with Ed25519 and ML-DSA-44, as real ones do. `PLAIN`
has only the first key, and genesis of version 1. Its strand 0 holds an observation, a consent that a device
signed, an act of the operator, a certificate and a seal. Its super-log holds strands' checkpoints, which
witnesses cosign. All but the ML-DSA-44 signatures is deterministic, so that a flipped byte can be found
again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from carevouch.consent.signature import body_of, grant_payload, sign_grant
from carevouch.events.act import Revision, assemble
from carevouch.events.epoch import EPOCH_TYP, order_payload, parse_order
from carevouch.events.genesis import Epoch, genesis_text
from carevouch.events.opening import Opening, make_opening, render_opening
from carevouch.events.seal import BLOCK_SEALED, EPOCH, SEAL_TYP
from carevouch.identity.links import answer_offer, device_body, make_offer, one_time_key
from carevouch.kernel.encoding import b64, sha256
from carevouch.kernel.ids import Doc
from carevouch.kernel.jws import KeyInMemory, sign
from carevouch.kernel.times import later
from carevouch.ledger import proof as proofs
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.cosignature import Mldsa44InMemory
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.merkle import inclusion_path, leaf_hash, root
from carevouch.ledger.note import Ed25519InMemory, SignatureLine, Verifier, parse_note, sign_note
from carevouch.ledger.proof import TlogProof
from carevouch.ledger.superlog import super_entry
from tests.unit.sealing.acts import ORIGIN, PATIENT, START, House, Producer, event_id, key

Kind = Literal["genesis", "proof", "opening", "entry", "certificate", "super", "policy", "epochs"]
STRANDS = 2
HOUSE = House(strands=STRANDS, mldsa=Mldsa44InMemory(sha256(b"log, against quantum computers")))
PLAIN = House(strands=STRANDS)
VKEY = Verifier(ORIGIN, HOUSE.log.public).vkey
PROVIDER, DEVICE = key("provider"), key("device")
SEED = sha256(b"seed")[:16]
SAW = 1_795_341_600  # 22 November 2026, 10:00:00 UTC
COSIGNATURE = 0x04
# The strands of epoch 2, and one that epoch 1 has not.
GROWN, NEW_STRAND = 4, 3
CONSENT = b'{"resourceType":"Consent","id":"c","meta":{"versionId":"1"},"status":"active"}'
RESULT = b'{"resourceType":"Observation","valueQuantity":{"value":1.50,"unit":"mmol/L"},"note":[]}'


@dataclass(frozen=True, slots=True)
class File:
    """A file, by the command's name for its kind. The page gets only its name and bytes."""

    name: str
    kind: Kind
    data: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """The files that somebody drops, and the key they trust."""

    files: tuple[File, ...]
    key: str = VKEY

    def __getitem__(self, name: str) -> File:
        return next(file for file in self.files if file.name == name)

    def changed(self, name: str, data: bytes) -> "Case":
        """The case with other bytes in the file of that name."""
        return replace(
            self, files=tuple(replace(one, data=data) if one.name == name else one for one in self.files)
        )

    def without(self, *names: str) -> "Case":
        """The case without these files."""
        return replace(self, files=tuple(one for one in self.files if one.name not in names))

    def plus(self, *files: File) -> "Case":
        """The case with these files too."""
        return replace(self, files=(*self.files, *files))


@dataclass
class Strand:
    """A log of few entries, all in memory."""

    name: str
    entries: Sequence[bytes]
    signer: LogSigner = field(default_factory=lambda: HOUSE.logs)

    @cached_property
    def leaves(self) -> list[bytes]:
        return [leaf_hash(entry) for entry in self.entries]

    @cached_property
    def head(self) -> bytes:
        """The signed checkpoint."""
        return self.signer.sign(Checkpoint(self.name, len(self.leaves), root(self.leaves)))

    @property
    def plain_head(self) -> bytes:
        """The checkpoint as the super-log holds it: with its Ed25519 line alone."""
        return super_entry(self.head, self.signer.keys.verifier(self.name))

    def proof(self, entry: bytes, head: bytes | None = None) -> bytes:
        """The proof file of an entry, under `head` if that carries more lines than the log's."""
        index = self.entries.index(entry)
        path = tuple(inclusion_path(self.leaves, index))
        return proofs.render(TlogProof(index, path, self.head if head is None else head))


@dataclass(frozen=True, slots=True)
class Witness:
    """Another organisation that cosigns checkpoints (C2SP tlog-cosignature, 0x04)."""

    name: str

    @property
    def signer(self) -> Ed25519InMemory:
        return Ed25519InMemory(sha256(self.name.encode()))

    @property
    def _key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([COSIGNATURE]) + self.signer.public)[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self._key_id.hex()}+{b64(bytes([COSIGNATURE]) + self.signer.public)}"

    def cosigned(self, note: bytes, seconds: int = SAW) -> bytes:
        """The note with this witness's line."""
        message = f"cosignature/v1\ntime {seconds}\n{parse_note(note).text}".encode()
        blob = seconds.to_bytes(8, "big") + self.signer.sign(message)
        return note + SignatureLine(self.name, self._key_id, blob).text.encode()


def with_line(note: bytes, name: str, blob: bytes) -> bytes:
    """The note with a line that nobody here can check."""
    return note + SignatureLine(name, b"\x01\x02\x03\x04", blob).text.encode()


def genesis_file(house: House = HOUSE) -> File:
    """The signed genesis."""
    return File("genesis", "genesis", sign_note(genesis_text(house.genesis), ORIGIN, house.log))


def opened(producer: Producer, number: int, *revisions: Revision) -> Opening:
    """The opening of the first of these revisions, in one event."""
    text = producer.event(number, revisions)
    certificate = None if producer.service == "operator" else producer.certificate
    return make_opening(revisions[0], text, certificate, 0, assemble(revisions).paths[0])


def order(number: int = 2, strands: int = GROWN, prev: str | None = None, **untrue: object) -> str:
    """The operator's order to open an epoch after `prev`. `untrue` members are signed as they are."""
    follows = None if prev is None else sha256(prev.encode())
    payload = order_payload(ORIGIN, Epoch(number, strands, START), follows)
    return sign({**payload, **untrue}, EPOCH_TYP, HOUSE.operator)


def epochs_file(*orders: str) -> File:
    """The orders so far, a line each."""
    return File("epochs", "epochs", "".join(f"{one}\n" for one in orders or [order()]).encode())


def later_opening() -> Opening:
    """An observation of epoch 2, in a strand that genesis does not have."""
    producer = Producer(House(strands=GROWN), name="grown", spread=True, epoch=2)
    return opened(producer, GROWN + NEW_STRAND, producer.revision(800, body=RESULT))


def result_opening() -> Opening:
    """An observation, the second of three revisions of its act."""
    producer = Producer(HOUSE)
    bodies = (b"{}", RESULT, b"[]")
    revisions = [producer.revision(700 + at, body=body) for at, body in enumerate(bodies)]
    act = assemble(revisions)
    text = producer.event(7, revisions)
    return make_opening(revisions[1], text, producer.certificate, 1, act.paths[1])


def device_opening(
    *,
    patient: str = PATIENT,
    made: str = START,
    status: str = "active",
    hours: int = 1,
    signer: KeyInMemory = DEVICE,
    seed: bytes = SEED,
) -> Opening:
    """The binding of a device, correct by default."""
    one_time = one_time_key(SEED).jwk
    offer = make_offer(patient, one_time, later(START, hours * 3600), "d." + event_id(5), PROVIDER)
    body = device_body(answer_offer(offer, seed, signer), status=status)
    revision = Revision(Doc("BoundDevice", f"{PATIENT}.{event_id(6)}"), 1, None, sha256(b"n"), body)
    return opened(Producer(HOUSE, "identity", made=made), 20, revision)


def consent_opening(
    *, device: Opening | None = None, version: int = 1, signer: KeyInMemory | None = DEVICE
) -> Opening:
    """A consent with its device. Without a `signer` it is unsigned."""
    doc = Doc("Consent", f"{PATIENT}.{event_id(7)}")
    payload = grant_payload(CONSENT, str(doc), version, None, "request")
    body = body_of(CONSENT, None if signer is None else sign_grant(payload, signer))
    asked = Revision(Doc("ConsentRequest", f"{PATIENT}.{event_id(8)}"), 2, sha256(b"p"), sha256(b"q"), b"{}")
    opening = opened(Producer(HOUSE, "consent"), 30, Revision(doc, 1, None, sha256(b"m"), body), asked)
    return replace(opening, device=device or device_opening(), provider=PROVIDER.jwk)


def admission_opening() -> Opening:
    """An act of the operator, which needs no certificate."""
    doc = Doc("Admission", f"d.{event_id(9)}")
    return opened(Producer(HOUSE, "operator"), 40, Revision(doc, 1, None, sha256(b"o"), b'{"v":1}'))


def seal_entry() -> bytes:
    """The entry that closes a batch."""
    data = {"number": 0, "first": 0, "count": 5, "prev": None}
    return sign({"v": 1, "type": BLOCK_SEALED, "time": START, "data": data}, SEAL_TYP, HOUSE.seal).encode()


def epoch_entry(text: str = "", seal: KeyInMemory = HOUSE.seal, **untrue: object) -> bytes:
    """The entry that opens an epoch on this order, with `untrue` members beside it."""
    data = {**parse_order(text or order()).data, **untrue}
    return sign({"v": 1, "type": EPOCH, "time": START, "data": data}, SEAL_TYP, seal).encode()


@dataclass
class Log:
    """The strand that holds these openings' events, and the super-log above it."""

    openings: Sequence[Opening]
    name: str = f"{ORIGIN}/strand/0"
    super_name: str = f"{ORIGIN}/super"
    house: House = field(default_factory=lambda: HOUSE)

    @cached_property
    def strand(self) -> Strand:
        events = [opening.event.encode() for opening in self.openings]
        certificates = [opening.certificate.encode() for opening in self.openings if opening.certificate]
        return Strand(self.name, [*dict.fromkeys(certificates), *events, seal_entry()], self.house.logs)

    @cached_property
    def above(self) -> Strand:
        other = Strand(f"{ORIGIN}/strand/1", [b"an entry of another strand"], self.house.logs)
        heads = [other.plain_head, self.strand.plain_head, b"a later head"]
        return Strand(self.super_name, heads, self.house.logs)

    def case(self, *names: str, head: bytes | None = None) -> Case:
        """Genesis, and of each opening its file and its proof (`0.opening.json`, `0.tlog-proof`, …)."""
        files = [genesis_file(self.house)]
        for at, opening in enumerate(self.openings):
            proof = self.strand.proof(opening.event.encode(), head)
            files.append(File(f"{at}.tlog-proof", "proof", proof))
            files.append(File(f"{at}.opening.json", "opening", render_opening(opening)))
        return Case(tuple(file for file in files if not names or file.name in names))

    def chained(self, head: bytes | None = None) -> File:
        """The proof of the strand's head in the super-log, under `head` if that carries more lines."""
        return File("super.tlog-proof", "super", self.above.proof(self.strand.plain_head, head))


def policy_file(*lines: str) -> File:
    """A tlog-policy of these lines."""
    return File("policy", "policy", "".join(f"{line}\n" for line in lines).encode())
