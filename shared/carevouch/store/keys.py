"""The keys of the store: each person's, the deployment's, and the session key that signs acts.

A person's key and secret are made with the person, wrapped by KMS, and gone for ever on erasure. Every
request reads the key row consistently, so an erasure counts at once. Only the unwrapping is cached, by the
wrapped bytes, so KMS is called once per person and execution environment. The deployment has a key row of its
own, for documents about nobody, blind indexes and the ids of retried acts.

A session key is made in memory, and KMS certifies it once. Its certificate's row is stored before the first
event that uses the key. A key has one act in flight: the lock is held from taking a number until the act's
fate is known, so the number is either stored or used again. A gap in the log therefore proves an omission. If
an outcome stays unknown, the key is retired and its number stays open. The sweep settles that number if the
row turns out to be stored.
"""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carevouch.events.certificate import CERT_TYP, certificate_payload
from carevouch.events.genesis import Genesis
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import DomainError, Erased, IntegrityFault, NotFound
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import KeyInMemory, Signer, sign
from carevouch.kernel.times import later, moment
from carevouch.store.rows import KeyRows, Row, RowExists, Rows, repeat

KEY_BYTES, IV_BYTES = 32, 12
DEPLOYMENT_PK = "D#deployment"
# One entry takes about 300 bytes. A warm environment meets few people more than once an hour.
MAX_CACHED = 2_048

# An environment seldom lives longer, and a day bounds what a stolen key could sign.
LIFE_SECONDS = 24 * 3600
# Clocks of environments differ a little, so a certificate is valid from a minute before it was made.
SKEW_SECONDS = 60
CERT_ROW = "cert"


Entropy = Callable[[int], bytes]
Clock = Callable[[], str]


class Wrapper(Protocol):
    """Wraps key material: KMS, or a key in memory for tests. `context` must be the same both ways."""

    def wrap(self, material: bytes, context: str) -> bytes:
        """The wrapped material."""

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The material. Raises when it was wrapped under another context."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """The data key and the subject secret of one person."""

    data: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class DeploymentKey:
    """The data key, the secret for derived ids, and the key of the blind indexes of this deployment."""

    data: bytes
    secret: bytes
    index: bytes

    def blind(self, *values: str) -> str:
        """The key of an identifier row. Without this deployment's key, nobody can tell whose row it is."""
        return f"I#{b64u(hmac.digest(self.index, jcs(list(values)), 'sha256'))}"

    def derive(self, *values: object) -> bytes:
        """16 bytes that the same values always give (FORMATS.md, 2)."""
        return hmac.digest(self.secret, jcs(list(values)), "sha256")[:16]


class KeyRing:
    """Reads and unwraps the keys of people and of the deployment, and makes those that are missing."""

    def __init__(self, rows: KeyRows, wrapper: Wrapper, entropy: Entropy) -> None:
        self._rows = rows
        self._wrapper = wrapper
        self._entropy = entropy
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._deployment: DeploymentKey | None = None

    def person(self, patient: str) -> PersonKey:
        """The living key of a person. Raises `Erased` at a tombstone, `NotFound` if there never was a key."""
        row = self._rows.get(f"P#{patient}")
        if row is None:
            raise NotFound("no such person, or they may not be read")
        if row.wrapped is None:
            raise Erased("the person's records were erased on request; nothing can be read or written")
        material = self._open(row.wrapped, row.pk)
        return PersonKey(material[:KEY_BYTES], material[KEY_BYTES:])

    def create(self, patient: str) -> PersonKey:
        """Make a person's key; a retry of the same act finds the one it made."""
        material = self._entropy(2 * KEY_BYTES)
        pk = f"P#{patient}"
        wrapped = self._wrapper.wrap(material, pk)
        try:
            repeat(lambda: self._rows.put_new(pk, wrapped))
        except RowExists:
            # An earlier try stored it, or this one did and its answer was lost. The stored key counts.
            return self.person(patient)
        return PersonKey(material[:KEY_BYTES], material[KEY_BYTES:])

    def deployment(self) -> DeploymentKey:
        """The deployment's key, made by the first request that needs it. It never ends, so it is cached."""
        while self._deployment is None:
            row = self._rows.get(DEPLOYMENT_PK)
            if row is None or row.wrapped is None:
                wrapped = self._wrapper.wrap(self._entropy(3 * KEY_BYTES), DEPLOYMENT_PK)
                # Of two simultaneous requests one is first. Both go on with the key that is stored.
                with suppress(RowExists):
                    repeat(partial(self._rows.put_new, DEPLOYMENT_PK, wrapped))
                continue
            material = self._open(row.wrapped, DEPLOYMENT_PK)
            parts = [material[at : at + KEY_BYTES] for at in range(0, 3 * KEY_BYTES, KEY_BYTES)]
            self._deployment = DeploymentKey(*parts)
        return self._deployment

    def _open(self, wrapped: bytes, context: str) -> bytes:
        known = self._cache.get(wrapped)
        if known is None:
            known = self._cache[wrapped] = self._wrapper.unwrap(wrapped, context)
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return known


class NotStored(Exception):
    """An attempt stored no row under its number, which may be used again."""


@dataclass(slots=True)
class SessionKey:
    """A certified key, its certificate's epoch and expiry (an instant), and the next number it will sign."""

    signer: KeyInMemory
    certificate: str
    exp: str
    epoch: int
    seal_by_seconds: int
    next_n: int = field(default=1)


class Session:
    """Signs for one service in one execution environment."""

    def __init__(
        self, service: str, root: Signer, rows: Rows, genesis: Callable[[], Genesis], clock: Clock
    ) -> None:
        self.service = service
        self.genesis = genesis
        self.clock = clock
        self._root = root
        self._rows = rows
        self._lock = threading.Lock()
        self._key: SessionKey | None = None

    @contextmanager
    def numbered(self) -> Iterator[SessionKey]:
        """The key, with `next_n` free. On leaving normally the number counts as used.

        Leaving by a `DomainError` or `NotStored` means that no row was stored, and the number is used again.
        Any other exception leaves the number's fate open, and the key is retired.
        """
        with self._lock:
            now = self.clock()
            if self._key is None or later(now, SKEW_SECONDS) > self._key.exp:
                self._key = self._certified(now)
            key = self._key
            try:
                yield key
            except (DomainError, NotStored):
                raise
            except BaseException:
                self._key = None
                raise
            key.next_n += 1

    def _certified(self, now: str) -> SessionKey:
        signer = KeyInMemory(ec.generate_private_key(ec.SECP256R1()))
        exp = later(now, LIFE_SECONDS)
        genesis = self.genesis()
        payload = certificate_payload(signer.jwk, self.service, genesis.epoch, later(now, -SKEW_SECONDS), exp)
        certificate = sign(payload, CERT_TYP, self._root)
        row = certificate_row(signer.kid, self.service, certificate, now)
        # Nobody else has this key. A row that exists is our own, from a put whose answer was lost.
        with suppress(RowExists):
            repeat(lambda: self._rows.put_new(row))
        return SessionKey(signer, certificate, exp, genesis.epoch, genesis.seal_by_seconds)


def certificate_row(kid: str, service: str, certificate: str, now: str) -> Row:
    """The row of a certificate. Its index entry lists a service's keys by the time they were made."""
    return Row(
        Key(f"K#{kid}", CERT_ROW),
        {"event": certificate, "kid": f"certs#{service}", "n": listed_at(now)},
    )


def listed_at(made: str) -> int:
    """The number under which the index lists a key made at this instant: milliseconds since 1970."""
    return int(moment(made).timestamp() * 1000)


def associated_data(deployment: str, key: Key, *more: str) -> bytes:
    """The associated data that binds a ciphertext to its deployment and row, so that it cannot be moved."""
    return jcs([deployment, key.pk, key.sk, *more])


def encrypt(data_key: bytes, iv: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
    """AES-256-GCM of the plaintext: IV, ciphertext and tag, in this order."""
    if len(iv) != IV_BYTES:
        raise ValueError("the IV must have 12 bytes")
    return iv + AESGCM(data_key).encrypt(iv, plaintext, bound_to)


def decrypt(data_key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """The plaintext. Raises `IntegrityFault` if the bytes, the key or the row are not those of `encrypt`."""
    try:
        return AESGCM(data_key).decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise IntegrityFault("a stored body does not decrypt in its row") from error
