"""Cosignatures: C2SP tlog-cosignature, with Ed25519 (signature type 04) and ML-DSA-44 (signature type 06).

A cosignature says that its signer found a checkpoint consistent with all earlier ones of that log, and when.
A log also signs its own checkpoints with type 06, against quantum computers. It signs under its own name with
time zero, because a log makes no statement about the latest tree that somebody saw. Only this file builds the
signed bytes. The room `witness` decides whether a checkpoint deserves a cosignature.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.checkpoint import Checkpoint, parse_checkpoint
from carevouch.ledger.note import (
    ED25519,
    NoteFault,
    NoteKey,
    NoteSigner,
    SignatureLine,
    Verifier,
    key_id,
    split_vkey,
    vkey,
)

ED25519_COSIGNATURE = 0x04
MLDSA44_COSIGNATURE = 0x06
ED25519_PUBLIC, MLDSA44_PUBLIC = 32, 1_312
ED25519_SIGNATURE, MLDSA44_SIGNATURE = 64, 2_420
_TIME_BYTES = 8
# The specification bounds timestamps by what a signed 64-bit number holds.
MAX_TIMESTAMP = 2**63 - 1
# With this time a signature makes no statement about larger trees.
NO_TIME = 0

# The time in seconds since the epoch at which the signer knows of no larger tree.
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Ed25519Cosigner:
    """A witness's Ed25519 key under its name."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that distinguish the keys of one name."""
        return key_id(self.name, ED25519_COSIGNATURE, self.public)

    @property
    def vkey(self) -> str:
        """The key in the form that policies and people write."""
        return vkey(self.name, ED25519_COSIGNATURE, self.public)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `NoteFault` unless this key signed the note's text. `signature` begins with its time."""
        _check_length(self.name, signature, ED25519_SIGNATURE)
        signed = ed25519_message(message.decode("utf-8"), timestamp_of(signature))
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature[_TIME_BYTES:], signed)
        except (InvalidSignature, ValueError) as error:
            raise NoteFault(f"the cosignature of {self.name} does not match the checkpoint") from error


@dataclass(frozen=True, slots=True)
class MldsaCosigner:
    """An ML-DSA-44 key under its name: a witness's, or a log's own second key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that distinguish the keys of one name."""
        return key_id(self.name, MLDSA44_COSIGNATURE, self.public)

    @property
    def vkey(self) -> str:
        """The key in the form that policies and people write."""
        return vkey(self.name, MLDSA44_COSIGNATURE, self.public)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `NoteFault` unless this key signed the note's text. `signature` begins with its time."""
        _check_length(self.name, signature, MLDSA44_SIGNATURE)
        signed = mldsa_message(message.decode("utf-8"), self.name, timestamp_of(signature))
        try:
            MLDSA44PublicKey.from_public_bytes(self.public).verify(signature[_TIME_BYTES:], signed)
        except (InvalidSignature, ValueError) as error:
            raise NoteFault(
                f"the ML-DSA-44 signature of {self.name} does not match the checkpoint"
            ) from error


@dataclass(frozen=True, slots=True)
class Ed25519CosignatureSigner:
    """Adds a cosignature line of type 04."""

    name: str
    key: NoteSigner
    clock: Clock

    def line(self, text: str) -> SignatureLine:
        """The line for a checkpoint of this text, at the clock's time."""
        timestamp = self.clock()
        signature = self.key.sign(ed25519_message(text, timestamp))
        named = key_id(self.name, ED25519_COSIGNATURE, self.key.public)
        return SignatureLine(self.name, named, _timed(timestamp, signature))


@dataclass(frozen=True, slots=True)
class MldsaCosignatureSigner:
    """Adds a line of type 06: a witness's cosignature, or (with a clock of zero) a log's own signature."""

    name: str
    key: NoteSigner
    clock: Clock

    def line(self, text: str) -> SignatureLine:
        """The line for a checkpoint of this text, at the clock's time."""
        timestamp = self.clock()
        signature = self.key.sign(mldsa_message(text, self.name, timestamp))
        named = key_id(self.name, MLDSA44_COSIGNATURE, self.key.public)
        return SignatureLine(self.name, named, _timed(timestamp, signature))


def parse_key(text: str) -> NoteKey:
    """The key in a vkey of type 01, 04 or 06; raises `Malformed` for every other text."""
    name, type_, public = split_vkey(text)
    if type_ == ED25519 and len(public) == ED25519_PUBLIC:
        return Verifier(name, public)
    if type_ == ED25519_COSIGNATURE and len(public) == ED25519_PUBLIC:
        return Ed25519Cosigner(name, public)
    if type_ == MLDSA44_COSIGNATURE and len(public) == MLDSA44_PUBLIC:
        return MldsaCosigner(name, public)
    raise Malformed("the vkey must be of type 01 or 04 (Ed25519) or 06 (ML-DSA-44)")


def timestamp_of(signature: bytes) -> int:
    """The time in a cosignature, in seconds since the epoch; raises `NoteFault` if there is none."""
    if len(signature) <= _TIME_BYTES:
        raise NoteFault("the cosignature is too short to hold a time")
    timestamp = int.from_bytes(signature[:_TIME_BYTES], "big")
    if timestamp > MAX_TIMESTAMP:
        raise NoteFault("the cosignature's time is over 2^63 - 1 seconds")
    return timestamp


def ed25519_message(text: str, timestamp: int) -> bytes:
    """The bytes that an Ed25519 cosignature signs: a header, the time, and the checkpoint's text."""
    _check_checkpoint(text)
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def mldsa_message(text: str, name: str, timestamp: int) -> bytes:
    """The bytes that an ML-DSA-44 cosignature signs: a `cosigned_message` over the tree from entry 0."""
    checkpoint = _check_checkpoint(text)
    return b"".join(
        (
            b"subtree/v1\n\x00",
            _short(name),
            timestamp.to_bytes(8, "big"),
            _short(checkpoint.origin),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _check_checkpoint(text: str) -> Checkpoint:
    try:
        return parse_checkpoint(text)
    except IntegrityFault as fault:
        raise NoteFault(f"only checkpoints are cosigned: {fault.message}") from fault


def _check_length(name: str, signature: bytes, length: int) -> None:
    if len(signature) != _TIME_BYTES + length:
        raise NoteFault(f"the cosignature of {name} has {len(signature)} bytes, not {_TIME_BYTES + length}")


def _timed(timestamp: int, signature: bytes) -> bytes:
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise ValueError("a cosignature's time is a number of seconds from 0 to 2^63 - 1")
    return timestamp.to_bytes(_TIME_BYTES, "big") + signature


def _short(text: str) -> bytes:
    data = text.encode("utf-8")
    if not 1 <= len(data) <= 255:
        raise NoteFault("a name or origin that ML-DSA-44 signs has 1 to 255 bytes")
    return bytes([len(data)]) + data


class Mldsa44InMemory:
    """An ML-DSA-44 key in this process's memory: a software key of a log or witness."""

    def __init__(self, seed: bytes) -> None:
        """`seed` is the 32-byte private seed of FIPS 204."""
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)

    @property
    def public(self) -> bytes:
        """The 1,312 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature: 2,420 bytes. It is hedged, so each signature of a message differs."""
        return self._key.sign(message)
