"""The key an execution environment signs with: made in memory, certified once by KMS, numbered densely.

The certificate's row is stored before the first event that uses the key. A key has one act in flight. The
lock is held from taking a number until the act's fate is known, so the number is either stored or used
again. A gap in the log therefore proves an omission. If an outcome stays unknown, the key is retired and its
number stays open. The sweep settles that number if the row turns out to be stored.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.events.certificate import CERT_TYP, certificate_payload
from carevouch.events.genesis import Genesis
from carevouch.kernel.errors import DomainError
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import KeyInMemory, Signer, sign
from carevouch.kernel.times import later, moment
from carevouch.store.rows import Row, RowExists, Rows, repeat

# An environment seldom lives longer, and a day bounds what a stolen key could sign.
LIFE_SECONDS = 24 * 3600
# Clocks of environments differ a little, so a certificate is valid from a minute before it was made.
SKEW_SECONDS = 60
CERT_ROW = "cert"

Clock = Callable[[], str]


class NotStored(Exception):
    """An attempt stored no row under its number, which may be used again."""


@dataclass(slots=True)
class SessionKey:
    """A certified key, its certificate's epoch and expiry (an instant), and the next number it will sign."""

    signer: KeyInMemory
    certificate: str
    exp: str
    epoch: int
    seal_by_seconds: int
    next_n: int = field(default=1)


class Session:
    """Signs for one service in one execution environment."""

    def __init__(
        self, service: str, root: Signer, rows: Rows, genesis: Callable[[], Genesis], clock: Clock
    ) -> None:
        self.service = service
        self.genesis = genesis
        self.clock = clock
        self._root = root
        self._rows = rows
        self._lock = threading.Lock()
        self._key: SessionKey | None = None

    @contextmanager
    def numbered(self) -> Iterator[SessionKey]:
        """The key, with `next_n` free. On leaving normally the number counts as used.

        Leaving by a `DomainError` or `NotStored` means that no row was stored, and the number is used again.
        Any other exception leaves the number's fate open, and the key is retired.
        """
        with self._lock:
            now = self.clock()
            if self._key is None or later(now, SKEW_SECONDS) > self._key.exp:
                self._key = self._certified(now)
            key = self._key
            try:
                yield key
            except (DomainError, NotStored):
                raise
            except BaseException:
                self._key = None
                raise
            key.next_n += 1

    def _certified(self, now: str) -> SessionKey:
        signer = KeyInMemory(ec.generate_private_key(ec.SECP256R1()))
        exp = later(now, LIFE_SECONDS)
        genesis = self.genesis()
        payload = certificate_payload(signer.jwk, self.service, genesis.epoch, later(now, -SKEW_SECONDS), exp)
        certificate = sign(payload, CERT_TYP, self._root)
        row = certificate_row(signer.kid, self.service, certificate, now)
        # Nobody else has this key. A row that exists is our own, from a put whose answer was lost.
        with suppress(RowExists):
            repeat(lambda: self._rows.put_new(row))
        return SessionKey(signer, certificate, exp, genesis.epoch, genesis.seal_by_seconds)


def certificate_row(kid: str, service: str, certificate: str, now: str) -> Row:
    """The row of a certificate. Its index entry lists a service's keys by the time they were made."""
    return Row(
        Key(f"K#{kid}", CERT_ROW),
        {"event": certificate, "kid": f"certs#{service}", "n": listed_at(now)},
    )


def listed_at(made: str) -> int:
    """The number under which the index lists a key made at this instant: milliseconds since 1970."""
    return int(moment(made).timestamp() * 1000)
