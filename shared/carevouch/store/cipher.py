"""Bodies at rest: AES-256-GCM under the person's key, bound to their row (FORMATS.md, 3).

The 96-bit IV is random. With one key per person a key sees at most some hundred thousand bodies, far below
the 2^32 where random IVs become a danger (NIST SP 800-38D section 8.3).
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carevouch.kernel.canonical import jcs
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.ids import Key

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
