"""KMS as a wrapper of keys and as a signer. It must never be called per event: it is slow and costs money."""

from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from carevouch.kernel.encoding import sha256
from carevouch.kernel.jws import Jwk, public_jwk, raw_signature, thumbprint

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


class KmsWrapper:
    """Wraps key material under one symmetric KMS key, bound to deployment and row by encryption context."""

    def __init__(self, client: "KMSClient", key_id: str, deployment: str) -> None:
        self._client = client
        self._key_id = key_id
        self._deployment = deployment

    def wrap(self, material: bytes, context: str) -> bytes:
        """The material under the KMS key, bound to `context`."""
        answer = self._client.encrypt(
            KeyId=self._key_id, Plaintext=material, EncryptionContext=self._context(context)
        )
        return answer["CiphertextBlob"]

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The material. KMS refuses it under another `context`."""
        answer = self._client.decrypt(
            KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext=self._context(context)
        )
        return answer["Plaintext"]

    def _context(self, context: str) -> dict[str, str]:
        return {"deployment": self._deployment, "row": context}


class KmsSigner:
    """An ES256 signer whose P-256 key never leaves KMS. Its public key is fetched once."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    @cached_property
    def jwk(self) -> Jwk:
        """The public key, as KMS tells it."""
        key = load_der_public_key(self._client.get_public_key(KeyId=self._key_id)["PublicKey"])
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise TypeError("the KMS key for signing is not an ECC_NIST_P256 key")
        return public_jwk(key)

    @cached_property
    def kid(self) -> str:
        """The thumbprint of the public key (RFC 7638)."""
        return thumbprint(self.jwk)

    def sign(self, message: bytes) -> bytes:
        """The signature as JWS has it: 64 bytes, r and s."""
        answer = self._client.sign(
            KeyId=self._key_id,
            Message=sha256(message),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        return raw_signature(answer["Signature"])
