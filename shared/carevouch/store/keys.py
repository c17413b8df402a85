"""A person's key and secret: made with the person, wrapped by KMS, read on every request, gone for ever on
erasure.

Each request reads the key row consistently, so an erasure counts at once; only the unwrapping is cached,
keyed by the wrapped bytes, so a KMS call happens once per person and execution environment. The deployment
has a key row of its own, for documents about nobody, blind indexes and the ids of retried acts.
"""

import contextlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Erased, IntegrityFault, NotFound
from carevouch.kernel.ids import Key
from carevouch.store.rows import KeyRows, RowExists, repeat

KEY_BYTES = 32
DEPLOYMENT_PK = "D#deployment"
# One entry is about 300 bytes; a warm environment meets few people more than once an hour.
MAX_CACHED = 2_048

Entropy = Callable[[int], bytes]


class Wrapper(Protocol):
    """What wraps key material (KMS, or a key in memory for tests); `context` must be the same both ways."""

    def wrap(self, material: bytes, context: str) -> bytes:
        """The wrapped material."""

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The material; raises when it was wrapped under another context."""


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
        """The key of an identifier row: nobody without this deployment's key can tell whose it is."""
        return f"I#{b64u(hmac.digest(self.index, jcs(list(values)), 'sha256'))}"

    def derive(self, *values: object) -> bytes:
        """16 bytes that the same values always give (FORMATS.md, 2)."""
        return hmac.digest(self.secret, jcs(list(values)), "sha256")[:16]


class KeyRing:
    """Opens the keys that requests need."""

    def __init__(self, rows: KeyRows, wrapper: Wrapper, entropy: Entropy) -> None:
        self._rows = rows
        self._wrapper = wrapper
        self._entropy = entropy
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._deployment: DeploymentKey | None = None

    def person(self, patient: str) -> PersonKey:
        """The living key of a person; raises `Erased` at a tombstone, `NotFound` if there never was."""
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
            # Of an earlier try, or of this one with its answer lost: what is stored counts.
            return self.person(patient)
        return PersonKey(material[:KEY_BYTES], material[KEY_BYTES:])

    def deployment(self) -> DeploymentKey:
        """The deployment's key, made by whoever needs it first. It never ends, so it is kept."""
        if self._deployment is None:
            self._deployment = self._read_deployment()
        return self._deployment

    def _read_deployment(self) -> DeploymentKey:
        row = self._rows.get(DEPLOYMENT_PK)
        if row is None or row.wrapped is None:
            wrapped = self._wrapper.wrap(self._entropy(3 * KEY_BYTES), DEPLOYMENT_PK)
            with contextlib.suppress(RowExists):
                repeat(lambda: self._rows.put_new(DEPLOYMENT_PK, wrapped))
            return self._read_deployment()
        material = self._open(row.wrapped, DEPLOYMENT_PK)
        return DeploymentKey(*(material[at : at + KEY_BYTES] for at in range(0, 3 * KEY_BYTES, KEY_BYTES)))

    def _open(self, wrapped: bytes, context: str) -> bytes:
        known = self._cache.get(wrapped)
        if known is None:
            known = self._cache[wrapped] = self._wrapper.unwrap(wrapped, context)
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return known


IV_BYTES = 12


def associated_data(deployment: str, key: Key, *more: str) -> bytes:
    """What a ciphertext is bound to: its deployment and row, so that none can be moved."""
    return jcs([deployment, key.pk, key.sk, *more])


def encrypt(data_key: bytes, iv: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
    """iv, ciphertext and tag in one."""
    if len(iv) != IV_BYTES:
        raise ValueError("the IV has 12 bytes")
    return iv + AESGCM(data_key).encrypt(iv, plaintext, bound_to)


def decrypt(data_key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """The plaintext; raises `IntegrityFault` if the bytes, the key or the row are not those of `encrypt`."""
    try:
        return AESGCM(data_key).decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise IntegrityFault("a stored body does not decrypt in its row") from error
