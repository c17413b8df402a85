"""The key an execution environment signs with: made in memory, certified once by KMS, numbered densely.

The certificate's row is stored before the first event that uses the key. One act is in flight per key: the
lock is held from taking a number until the act's fate is known, so that a number is either stored or used
again, and a gap in the log proves an omission. If an outcome stays unknown, the key is retired with its
number open: its gap is then settled by whoever finds the row.
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

# An environment seldom lives longer; a day bounds what a stolen key could sign.
LIFE_SECONDS = 24 * 3600
# Clocks of environments differ a little; a certificate is valid from a minute before it was made.
SKEW_SECONDS = 60
CERT_ROW = "cert"

Clock = Callable[[], str]


class NotStored(Exception):
    """An attempt ended with nothing stored under its number."""


@dataclass(slots=True)
class SessionKey:
    """A certified key and the next number it will sign."""

    signer: KeyInMemory
    certificate: str
    exp: str
    epoch: int
    seal_by_seconds: int
    next_n: int = field(default=1)


class Session:
    """The signing side of one service in one execution environment."""

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

        Leaving by a `DomainError` or `NotStored` means that nothing was stored: the number is used again.
        Leaving by anything else leaves its fate open, and the key is retired.
        """
        with self._lock:
            key = self._current()
            try:
                yield key
            except (DomainError, NotStored):
                raise
            except BaseException:
                self._key = None
                raise
            key.next_n += 1

    def _current(self) -> SessionKey:
        now = self.clock()
        if self._key is None or later(now, SKEW_SECONDS) > self._key.exp:
            self._key = self._certified(now)
        return self._key

    def _certified(self, now: str) -> SessionKey:
        signer = KeyInMemory(ec.generate_private_key(ec.SECP256R1()))
        exp = later(now, LIFE_SECONDS)
        genesis = self.genesis()
        payload = certificate_payload(signer.jwk, self.service, genesis.epoch, later(now, -SKEW_SECONDS), exp)
        certificate = sign(payload, CERT_TYP, self._root)
        row = certificate_row(signer.kid, self.service, certificate, now)
        # A row that is there already is our own, from a put whose answer was lost: nobody else has this key.
        with suppress(RowExists):
            repeat(lambda: self._rows.put_new(row))
        return SessionKey(signer, certificate, exp, genesis.epoch, genesis.seal_by_seconds)


def certificate_row(kid: str, service: str, certificate: str, now: str) -> Row:
    """The row of a certificate; its index entry lists the keys of a service by the time they were made."""
    return Row(
        Key(f"K#{kid}", CERT_ROW),
        {"event": certificate, "kid": f"certs#{service}", "n": listed_at(now)},
    )


def listed_at(made: str) -> int:
    """Under which number the index lists a key that was made at this instant: milliseconds."""
    return int(moment(made).timestamp() * 1000)
