"""Invented witnesses with their keys, and checkpoints that they cosigned, for the tests of this folder."""

from collections.abc import Mapping
from functools import cache

from carevouch.kernel.encoding import sha256
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.cosignature import (
    Ed25519CosignatureSigner,
    Ed25519Cosigner,
    Mldsa44InMemory,
    MldsaCosignatureSigner,
    MldsaCosigner,
)
from carevouch.ledger.note import (
    Ed25519InMemory,
    Ed25519Line,
    Note,
    SignatureLine,
    Verifier,
    render_note,
)

ORIGIN = "log.example/super"
LOG = Ed25519InMemory(sha256(b"the witnessed log"))
LOG_KEY = Verifier(ORIGIN, LOG.public)
HEAD = Checkpoint(ORIGIN, 42, sha256(b"root"))
TIME = 1_795_000_000
NAMES = ("w1", "w2", "w3", "w4", "w5", "w6")


@cache
def ed25519(name: str) -> Ed25519InMemory:
    return Ed25519InMemory(sha256(f"witness {name}".encode()))


@cache
def mldsa(name: str) -> Mldsa44InMemory:
    return Mldsa44InMemory(sha256(f"witness {name}".encode()))


def key_name(name: str) -> str:
    return f"{name}.example"


def vkey(name: str) -> str:
    return Ed25519Cosigner(key_name(name), ed25519(name).public).vkey


def mldsa_vkey(name: str) -> str:
    return MldsaCosigner(key_name(name), mldsa(name).public).vkey


@cache
def line(name: str, time: int = TIME, text: str = HEAD.text) -> SignatureLine:
    return Ed25519CosignatureSigner(key_name(name), ed25519(name), lambda: time).line(text)


@cache
def mldsa_line(name: str, time: int = TIME, text: str = HEAD.text) -> SignatureLine:
    return MldsaCosignatureSigner(key_name(name), mldsa(name), lambda: time).line(text)


def log_line(text: str = HEAD.text) -> SignatureLine:
    return Ed25519Line(ORIGIN, LOG).line(text)


def signed(*lines: SignatureLine, text: str = HEAD.text) -> bytes:
    """The checkpoint with the log's line and these."""
    return render_note(Note(text, (log_line(text), *lines)))


def cosigned(times: Mapping[str, int]) -> bytes:
    """The checkpoint cosigned by these witnesses at these times."""
    return signed(*(line(name, time) for name, time in times.items()))
