"""The source of every frozen vector: one seed, and the keys, times and names of an invented deployment.

Keys come from seed and purpose by FIPS 186-5, signatures are by RFC 6979 and RFC 8032, nonces and ids are
made by hashing their names: the same bytes each time. ML-DSA-44 alone signs with fresh randomness.
"""

import hmac
from dataclasses import replace
from typing import Any

from carevouch.events.catalogue import SERVICES
from carevouch.events.genesis import Genesis
from carevouch.kernel.ids import part
from carevouch.kernel.jws import KeyInMemory, key_from_seed
from carevouch.ledger.cosignature import Mldsa44InMemory
from carevouch.ledger.note import Ed25519InMemory

SEED = b"carevouch frozen vectors, v1"
TIME, SEAL_BY = "2026-11-22T10:00:00.000Z", "2026-11-22T10:10:00.000Z"
DEPLOYMENT, ORIGIN = "vectors", "vectors.carevouch.example"
Rows = list[dict[str, Any]]


def derived(name: str, length: int = 32) -> bytes:
    """Bytes that stand for random ones."""
    return hmac.digest(SEED, name.encode(), "sha256")[:length]


def key(purpose: str) -> KeyInMemory:
    """A P-256 key that signs by RFC 6979."""
    return KeyInMemory(key_from_seed(SEED, purpose), deterministic=True)


PATIENT = part(derived("patient", 16))
SECRET = derived("subject secret")
LOG = Ed25519InMemory(derived("log"))
MLDSA = Mldsa44InMemory(derived("log, ML-DSA-44"))
GENESIS = Genesis(
    deployment=DEPLOYMENT,
    origin=ORIGIN,
    operator=key("operator").jwk,
    roots={service: key(f"root {service}").jwk for service in SERVICES},
    seal=key("seal").jwk,
    log=LOG.public,
    strands=1,
    seal_by_seconds=600,
    time=TIME,
)
# The same deployment with a second log key: version 2 of the format.
GENESIS_2 = replace(GENESIS, mldsa=MLDSA.public)
