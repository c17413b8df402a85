"""The key that signs checkpoints and genesis: an Ed25519 key in KMS, or a software key that KMS wraps.

A software key is for clouds whose KMS has no Ed25519. It lies wrapped in the ledger's own table, is made
once, and is in clear only in the sealer's memory.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from shared.aws.keys import Wrapper
from shared.ledger.note import Ed25519InMemory

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

SEED_BYTES = 32
CONTEXT = "log-key"


class Keep(Protocol):
    """Small things that are written once."""

    def keep_once(self, name: str, data: bytes) -> bytes:
        """Store `data` under `name` unless something is there; returns what is stored."""

    def kept(self, name: str) -> bytes | None:
        """What is stored under `name`."""


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
        """A pure Ed25519 signature; the pre-hashed kind is not what signed notes take."""
        answer = self._client.sign(
            KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
        )
        return answer["Signature"]


def software_key(keep: Keep, wrapper: Wrapper, entropy: Callable[[int], bytes]) -> Ed25519InMemory:
    """The deployment's wrapped key, made on first use; two who make it at once end with the same one."""
    wrapped = keep.kept(CONTEXT)
    if wrapped is None:
        wrapped = keep.keep_once(CONTEXT, wrapper.wrap(entropy(SEED_BYTES), CONTEXT))
    return Ed25519InMemory(wrapper.unwrap(wrapped, CONTEXT))
