"""The chain of signatures that binds a device, at the limits of the offer's lifetime."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.identity.links import (
    MAX_OFFER_SECONDS,
    SEED_BYTES,
    answer_offer,
    make_offer,
    one_time_key,
    verify_binding,
)
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.jws import KeyInMemory
from carevouch.kernel.times import later

NOW = "2026-11-22T10:00:00.000Z"
SEED = bytes(SEED_BYTES)


@pytest.mark.parametrize(
    ("seconds", "because"),
    [
        (-0.001, "had expired"),
        (0, None),
        (MAX_OFFER_SECONDS, None),
        (MAX_OFFER_SECONDS + 0.001, "more than 24 hours"),
    ],
)
def test_an_offer_binds_until_its_expiry_which_is_a_day_away_at_most(
    seconds: float, because: str | None
) -> None:
    provider, device = (KeyInMemory(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    offer = make_offer("a" * 26, one_time_key(SEED).jwk, later(NOW, seconds), "d.x", provider)
    posted = answer_offer(offer, SEED, device)
    if because is None:
        assert verify_binding(posted, provider.jwk, NOW).kid == device.kid
        return
    with pytest.raises(IntegrityFault, match=because):
        verify_binding(posted, provider.jwk, NOW)
