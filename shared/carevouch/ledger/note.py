"""Signed notes: C2SP signed-note v1.0.0, with Ed25519 (signature type 01) as the plain algorithm.

A note is a text, a blank line, and signature lines. A bad signature by a known key refuses the note. A
signature by an unknown key is ignored. Parsing is strict: each note has one spelling, so that every byte
counts. The file `cosignature` has the keys of other types, for cosignatures and ML-DSA-44.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carevouch.kernel.encoding import b64, sha256, unb64
from carevouch.kernel.errors import IntegrityFault, Malformed

ED25519 = 0x01
_DASH = "\u2014"
# The specification asks for at least 16. A note with more lines than this is an attack on the reader.
MAX_SIGNATURES = 100
MAX_NOTE = 1_000_000
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class NoteFault(IntegrityFault):
    """The bytes are not a signed note, or the expected key did not sign it."""


class NoteSigner(Protocol):
    """A private key that signs notes, in memory or in KMS."""

    @property
    def public(self) -> bytes:
        """The public key: 32 bytes of Ed25519, or 1,312 of ML-DSA-44."""

    def sign(self, message: bytes) -> bytes:
        """The signature: 64 bytes of pure Ed25519 (RFC 8032), or 2,420 of pure ML-DSA-44 (FIPS 204)."""


class NoteKey(Protocol):
    """A named public key of any signature type, which checks signature lines of notes."""

    @property
    def name(self) -> str:
        """The key's name, as in the signature line."""

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that distinguish the keys of one name."""

    @property
    def vkey(self) -> str:
        """The key in the form that people write."""

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `NoteFault` unless this key signed the text. `signature` is in the form of a line."""


class LineSigner(Protocol):
    """A signer that adds a signature line to a note."""

    def line(self, text: str) -> "SignatureLine":
        """The line for a note of this text."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A named Ed25519 key. People pin it by its vkey text."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name || 0A || type || public key)."""
        return key_id(self.name, ED25519, self.public)

    @property
    def vkey(self) -> str:
        """`<name>+<key id in hex>+<base64 of type and key>`."""
        return vkey(self.name, ED25519, self.public)

    def named(self, name: str) -> "Verifier":
        """The same key under another name, such as a strand's origin."""
        return Verifier(name, self.public)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `NoteFault` unless `signature` is this key's over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NoteFault(f"the signature of {self.name} does not match the note's text") from error


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line: the key's name and id, and the signature."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        """The line with its line feed."""
        return f"{_DASH} {self.name} {b64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends in a line feed, and its signature lines, not verified."""

    text: str
    lines: tuple[SignatureLine, ...]


@dataclass(frozen=True, slots=True)
class Ed25519Line:
    """Signs notes under a name with a plain Ed25519 line."""

    name: str
    key: NoteSigner

    def line(self, text: str) -> SignatureLine:
        """The line for a note of this text."""
        verifier = Verifier(self.name, self.key.public)
        return SignatureLine(self.name, verifier.key_id, self.key.sign(text.encode("utf-8")))


def key_id(name: str, type_: int, public: bytes) -> bytes:
    """The first 4 bytes of SHA-256(name || 0A || type || public key)."""
    return sha256(name.encode("utf-8") + b"\n" + bytes([type_]) + public)[:4]


def vkey(name: str, type_: int, public: bytes) -> str:
    """`<name>+<key id in hex>+<base64 of type and key>`."""
    return f"{name}+{key_id(name, type_, public).hex()}+{b64(bytes([type_]) + public)}"


def split_vkey(text: str) -> tuple[str, int, bytes]:
    """Name, signature type and public key of a vkey; raises `Malformed` for any other text."""
    name, _, rest = text.partition("+")
    named, _, encoded = rest.partition("+")
    key = unb64(encoded, "the vkey's key")
    if not _NAME.fullmatch(name) or len(key) < 2:
        raise Malformed("the key is not a C2SP vkey (name+hash+key)")
    if key_id(name, key[0], key[1:]).hex() != named:
        raise Malformed("the vkey's hash does not match its name and key; copy the whole vkey")
    return name, key[0], key[1:]


def parse_vkey(text: str) -> Verifier:
    """The Ed25519 key in a vkey; raises `Malformed` for another form, type or key id."""
    name, type_, public = split_vkey(text)
    if type_ != ED25519 or len(public) != 32:
        raise Malformed("the key is not a C2SP vkey (name+hash+key) with an Ed25519 key")
    return Verifier(name, public)


def parse_note(data: bytes) -> Note:
    """The note in `data`, not verified; raises `NoteFault` for any other form."""
    if len(data) > MAX_NOTE:
        raise NoteFault(f"a note has at most {MAX_NOTE} bytes")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteFault("the note is not UTF-8") from error
    if _CONTROL.search(whole):
        raise NoteFault("the note holds control characters")
    text, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteFault("the file is not a signed note, which is a text, an empty line and signature lines")
    lines = tail.split("\n")[:-1]
    if len(lines) > MAX_SIGNATURES:
        raise NoteFault(f"a note has at most {MAX_SIGNATURES} signature lines")
    return Note(text + "\n", tuple(_line(line) for line in lines))


def open_note(data: bytes, known: Sequence[NoteKey]) -> Note:
    """The note, if a `known` key signed it and no signature by these keys is bad; raises `NoteFault`.

    Signatures of unknown keys are ignored, and are not in the result.
    """
    note = parse_note(data)
    good = []
    for line in note.lines:
        for verifier in known:
            if (line.name, line.key_id) == (verifier.name, verifier.key_id):
                verifier.verify(note.text.encode("utf-8"), line.signature)
                good.append(line)
    if not good:
        wanted = " or ".join(verifier.name for verifier in known)
        raise NoteFault(f"the note carries no signature by the key of {wanted}")
    return Note(note.text, tuple(good))


def sign_note(text: str, name: str, signer: NoteSigner) -> bytes:
    """The note with one Ed25519 line under `name`. The text must end in a line feed."""
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a key has no space and no +")
    return sign_note_with(text, [Ed25519Line(name, signer)])


def sign_note_with(text: str, signers: Sequence[LineSigner]) -> bytes:
    """The note with a line by each signer. The text must end in a line feed."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("a note's text ends in a newline and has no control characters")
    return render_note(Note(text, tuple(signer.line(text) for signer in signers)))


def render_note(note: Note) -> bytes:
    """The bytes of a note with these lines."""
    return f"{note.text}\n{''.join(line.text for line in note.lines)}".encode()


def _line(line: str) -> SignatureLine:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        blob = unb64(encoded, "the signature")
    except Malformed as error:
        raise NoteFault("a signature line of the note is not base64") from error
    if dash != _DASH or not _NAME.fullmatch(name) or len(blob) < 5:
        raise NoteFault("a signature line of the note is not of its form")
    return SignatureLine(name, blob[:4], blob[4:])


class Ed25519InMemory:
    """An Ed25519 key in this process's memory, such as a software log key."""

    def __init__(self, seed: bytes) -> None:
        """`seed` is the 32-byte private key of RFC 8032."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature: 64 bytes, always the same for a message."""
        return self._key.sign(message)
