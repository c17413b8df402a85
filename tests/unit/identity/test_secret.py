"""The JWE of the subject secret, made by another library, opens with the device's key and no other."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.jwk import ECKey

from carevouch.identity.secret import SECRET_TYP, open_secret
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import key_from_seed, public_jwk

DEVICE, OTHER = (key_from_seed(bytes(15) + bytes([at]), "tests") for at in (1, 2))
SECRET = bytes(range(32))


def encrypted(secret: bytes = SECRET, device: ec.EllipticCurvePrivateKey = DEVICE, **header: str) -> str:
    jwk: dict[str, str | list[str]] = {**public_jwk(device.public_key())}
    members = {"alg": "ECDH-ES", "enc": "A256GCM", "typ": SECRET_TYP, **header}
    return str(jwe.encrypt_compact(members, secret, ECKey.import_key(jwk)))


def test_a_secret_from_the_door_opens_with_the_devices_key() -> None:
    for _ in range(8):  # Every ephemeral key is another one.
        assert open_secret(encrypted(), DEVICE) == SECRET


def test_it_opens_with_no_other_key() -> None:
    with pytest.raises(IntegrityFault, match="for another device"):
        open_secret(encrypted(), OTHER)


def test_every_changed_character_is_refused() -> None:
    text = encrypted()
    for at in range(len(text)):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises((IntegrityFault, Malformed)):
            open_secret(changed, DEVICE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c.d.e",
        "....",
        encrypted(enc="A128GCM"),
        encrypted(typ="JWT"),
        encrypted(apu="QQ"),
        encrypted(b"short"),
        encrypted().replace(".", ".x", 1),
        ".".join([*encrypted().split(".")[:4], b64u(bytes(12))]),
    ],
)
def test_a_malformed_secret_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        open_secret(text, DEVICE)
    assert len(refused.value.message) < 120
