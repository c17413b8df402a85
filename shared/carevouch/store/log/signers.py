"""The keys that sign checkpoints: Ed25519 and ML-DSA-44, each in KMS or as a software key that KMS wraps.

A software key serves clouds whose KMS lacks the kind. Its seed is made once and lies wrapped in the ledger's
own table. It is in clear only in the memory of the function that signs with it.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from carevouch.ledger.cosignature import MLDSA44_PUBLIC, Mldsa44InMemory
from carevouch.ledger.note import Ed25519InMemory
from carevouch.store.keys import Wrapper

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

SEED_BYTES = 32
CONTEXT = "log-key"
MLDSA_CONTEXT = "log-key-mldsa"


class WriteOnceStore(Protocol):
    """Stores small secrets by name, each written once."""

    def store_secret(self, name: str, data: bytes) -> bytes:
        """Store `data` under `name` unless there is an item already; returns the stored data."""

    def read_secret(self, name: str) -> bytes | None:
        """The data stored under `name`; None if there is none."""


class KmsNoteSigner:
    """A `NoteSigner` whose Ed25519 key never leaves KMS."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    @cached_property
    def public(self) -> bytes:
        """The 32 bytes of the public key: the end of its SubjectPublicKeyInfo (RFC 8410)."""
        return self._client.get_public_key(KeyId=self._key_id)["PublicKey"][-32:]

    def sign(self, message: bytes) -> bytes:
        """A pure Ed25519 signature. Signed notes do not take the pre-hashed kind."""
        answer = self._client.sign(
            KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
        )
        return answer["Signature"]


class KmsMldsaSigner:
    """A `NoteSigner` whose ML-DSA-44 key never leaves KMS."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    @cached_property
    def public(self) -> bytes:
        """The 1,312 bytes of the public key: the end of its SubjectPublicKeyInfo (RFC 9881)."""
        return self._client.get_public_key(KeyId=self._key_id)["PublicKey"][-MLDSA44_PUBLIC:]

    def sign(self, message: bytes) -> bytes:
        """A pure ML-DSA-44 signature, with the empty context that tlog-cosignature asks for."""
        answer = self._client.sign(
            KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm="ML_DSA_SHAKE_256"
        )
        return answer["Signature"]


def software_key(
    keep: WriteOnceStore, wrapper: Wrapper, entropy: Callable[[int], bytes], context: str = CONTEXT
) -> Ed25519InMemory:
    """The wrapped Ed25519 key stored under `context`, made on first use."""
    return Ed25519InMemory(_seed(keep, wrapper, entropy, context))


def software_mldsa_key(
    keep: WriteOnceStore, wrapper: Wrapper, entropy: Callable[[int], bytes], context: str = MLDSA_CONTEXT
) -> Mldsa44InMemory:
    """The wrapped ML-DSA-44 key stored under `context`, made on first use."""
    return Mldsa44InMemory(_seed(keep, wrapper, entropy, context))


def _seed(keep: WriteOnceStore, wrapper: Wrapper, entropy: Callable[[int], bytes], context: str) -> bytes:
    """The seed stored under `context`. Two environments that make it at once end with the same one."""
    wrapped = keep.read_secret(context)
    if wrapped is None:
        wrapped = keep.store_secret(context, wrapper.wrap(entropy(SEED_BYTES), context))
    return wrapper.unwrap(wrapped, context)
