"""The subject secret that a device receives: a JWE to its key (RFC 7516; RFC 7518, 4.6 and 5.3).

Only the form that the identity door sends is opened: direct ECDH-ES on P-256 with A256GCM. With the opened
secret one can find every event about its person, so it is never printed and never part of an error.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from carevouch.kernel.encoding import unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import public_key

SECRET_BYTES = 32
SECRET_TYP = "carevouch-secret+jwe"  # noqa: S105 - the name of a format
_ENC, _KEY_BYTES = "A256GCM", 32


def open_secret(text: str, device: ec.EllipticCurvePrivateKey) -> bytes:
    """The 32 bytes in a compact JWE; raises `Malformed`, or `IntegrityFault` if it is for another device."""
    parts = text.split(".")
    if len(parts) != 5 or parts[1]:
        raise Malformed("the subject secret is not a compact JWE with direct key agreement")
    header = parse(unb64u(parts[0], "the JWE's header"), "the JWE's header")
    expected = {"alg": "ECDH-ES", "enc": _ENC, "typ": SECRET_TYP}
    if not isinstance(header, dict) or set(header) != {*expected, "epk"}:
        raise Malformed("the JWE's header does not have exactly alg, enc, typ and epk")
    if any(header[name] != value for name, value in expected.items()):
        raise Malformed("the JWE is not a subject secret by ECDH-ES and A256GCM")
    # Concat KDF over the algorithm's name, no party information, and the key's length in bits (RFC 7518,
    # 4.6.2).
    name = _ENC.encode("ascii")
    info = len(name).to_bytes(4, "big") + name + bytes(8) + (8 * _KEY_BYTES).to_bytes(4, "big")
    shared = device.exchange(ec.ECDH(), public_key(header["epk"]))
    key = ConcatKDFHash(SHA256(), _KEY_BYTES, info).derive(shared)
    iv, sealed, mark = (unb64u(part, "a part of the JWE") for part in parts[2:])
    if (len(iv), len(mark)) != (12, 16):
        raise Malformed("the JWE needs an IV of 12 bytes and a tag of 16 bytes")
    try:
        secret = AESGCM(key).decrypt(iv, sealed + mark, parts[0].encode("ascii"))
    except InvalidTag as error:
        raise IntegrityFault("the JWE does not open with this key, so it is for another device") from error
    if len(secret) != SECRET_BYTES:
        raise Malformed(f"the subject secret does not have {SECRET_BYTES} bytes")
    return secret
