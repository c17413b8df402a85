"""A small world for tests: five services' keys, one genesis, one store in memory, a clock that stands until
moved.

Everything is the real code over the fakes of `tests/fakes.py`; only the roots (KMS) are keys in memory.
"""

import os
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carevouch.events.catalogue import SERVICES
from carevouch.events.genesis import Genesis
from carevouch.kernel.jws import KeyInMemory
from carevouch.kernel.times import later
from carevouch.store.documents import Reader, Writer
from carevouch.store.keys import KeyRing, Session, Wrapper
from carevouch.store.rows import KeyRows, Rows
from carevouch.store.settings import Store
from tests.fakes import MemoryKeyRows, MemoryRows, MemoryWrapper

START = "2026-11-22T10:00:00.000Z"
DEPLOYMENT = "test"
ORIGIN = "carevouch.test"
BASE_URL = "https://carevouch.test"


def new_key() -> KeyInMemory:
    """A fresh P-256 key."""
    return KeyInMemory(ec.generate_private_key(ec.SECP256R1()))


class StandingClock:
    """A clock that says the same instant until it is moved."""

    def __init__(self, now: str = START) -> None:
        self.now = now

    def __call__(self) -> str:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now = later(self.now, seconds)


@dataclass
class World:
    """The keys, the rows and the clock that the services of a test share."""

    rows: Rows
    key_rows: KeyRows
    wrapper: Wrapper = field(default_factory=MemoryWrapper)
    clock: StandingClock = field(default_factory=StandingClock)
    roots: dict[str, KeyInMemory] = field(default_factory=lambda: {name: new_key() for name in SERVICES})
    operator: KeyInMemory = field(default_factory=new_key)
    seal: KeyInMemory = field(default_factory=new_key)
    log: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    strands: int = 1

    @cached_property
    def genesis(self) -> Genesis:
        """The root of trust of this world."""
        return Genesis(
            deployment=DEPLOYMENT,
            origin=ORIGIN,
            operator=self.operator.jwk,
            roots={name: key.jwk for name, key in self.roots.items()},
            seal=self.seal.jwk,
            log=self.log.public_key().public_bytes_raw(),
            strands=self.strands,
            seal_by_seconds=600,
            time=START,
        )

    @cached_property
    def reader(self) -> Reader:
        """A reader with an empty memory of keys and certificates."""
        keys = KeyRing(self.key_rows, self.wrapper, os.urandom)
        return Reader(self.rows, keys, lambda: self.genesis, DEPLOYMENT)

    def writer(self, service: str) -> Writer:
        """A writer in a fresh execution environment of `service`."""
        session = Session(service, self.roots[service], self.rows, lambda: self.genesis, self.clock)
        return Writer(self.reader, session, os.urandom)

    def store(self, service: str) -> Store:
        """The store that the wiring of a service would build."""
        return Store(
            DEPLOYMENT,
            BASE_URL,
            "UTC",
            self.rows,
            self.key_rows,
            self.reader,
            self.writer(service),
            self.clock,
            os.urandom,
        )


def memory_world(strands: int = 1) -> World:
    """A world over the in-memory fakes."""
    key_rows = MemoryKeyRows()
    return World(MemoryRows(key_rows), key_rows, strands=strands)
