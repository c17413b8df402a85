"""The bare times of cryptography and ledger in the same run, to which the times of requests are compared."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carevouch.events.opening import parse_opening, render_opening, verify_opening
from carevouch.kernel.encoding import sha256
from carevouch.kernel.jws import check_signature, public_key
from carevouch.ledger import proof as proofs
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import Verifier
from carevouch.store.log.library import Library
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import ORIGIN, Producer, event_id
from tests.world import new_key

ROUNDS, BATCH = 7, 100
KILOBYTES = 2
VERIFY, OFFLINE = "ES256: verify", "verify an opening and its proof offline"
SEALED = f"seal and publish one of a batch of {BATCH} events"


@dataclass(frozen=True)
class Bare:
    """Microseconds of one operation."""

    name: str
    microseconds: float


def primitives() -> list[Bare]:
    """Each measured over enough repetitions to be seen, the median of several rounds."""
    key, message = new_key(), os.urandom(1024)
    public, signature = public_key(key.jwk), key.sign(message)
    body, cipher, nonce = os.urandom(KILOBYTES * 1024), AESGCM(os.urandom(32)), os.urandom(12)
    sealed = cipher.encrypt(nonce, body, b"")
    opening, proof, check = _proved()
    return [
        Bare("ES256: sign", _each(lambda: key.sign(message), 200)),
        Bare(VERIFY, _each(lambda: check_signature(public, message, signature), 200)),
        Bare(f"AES-256-GCM: decrypt {KILOBYTES} KB", _each(lambda: cipher.decrypt(nonce, sealed, b""), 2000)),
        Bare(f"SHA-256 of {KILOBYTES} KB", _each(lambda: sha256(body), 2000)),
        Bare(OFFLINE, _each(lambda: check(opening, proof), 100)),
        Bare(SEALED, median(_sealed() for _ in range(3))),
    ]


def _each(call: Callable[[], object], times: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append(1e6 * (time.perf_counter() - started) / times)
    return median(rounds)


def _sealed() -> float:
    cloud = Cloud()
    producer = Producer(cloud.house)
    keys = [cloud.act(producer, number) for number in range(BATCH)]
    started = time.perf_counter()
    cloud.sealer().seal(keys)
    cloud.sealer().publish()
    return 1e6 * (time.perf_counter() - started) / BATCH


def _proved() -> tuple[bytes, bytes, Callable[[bytes, bytes], None]]:
    """An opening and the proof of its event in a log of a hundred, and what checks both."""
    cloud = Cloud()
    producer = Producer(cloud.house)
    opening = producer.opening(BATCH + 1)
    keys = [cloud.act(producer, number) for number in range(BATCH)]
    keys.append(cloud.put(opening.event, producer.certificate))
    cloud.sealer().seal(keys)
    cloud.sealer().publish()
    genesis = cloud.house.genesis
    library = Library(cloud.objects, cloud.marks, lambda: genesis)
    proof = proofs.render(library.event(event_id(BATCH + 1)).proof)
    verifier = Verifier(f"{ORIGIN}/strand/0", genesis.log)

    def check(opening_bytes: bytes, proof_bytes: bytes) -> None:
        parsed = parse_opening(opening_bytes)
        verify_opening(parsed, genesis, lambda *_: None)
        proofs.verify(proofs.parse(proof_bytes), leaf_hash(parsed.event.encode()), verifier)

    return render_opening(opening), proof, check
