"""The ports of the identity use cases and of the authorizer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from carevouch.door.access import Access
from carevouch.kernel.jws import Jwk, Signer
from carevouch.store.documents.erasure import Eraser
from carevouch.store.documents.reader import Index
from carevouch.store.settings import Store


class Assertions(Protocol):
    """Remembers assertions until they expire, so that none is used twice."""

    def spend(self, client: str, jti: str, exp_seconds: int) -> bool:
        """Whether this was the first use of the assertion; must be atomic."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The store, the signer of tokens, and the stores that only identity has."""

    store: Store
    access: Access
    index: Index
    eraser: Eraser
    token_key: Signer
    assertions: Assertions
    now_seconds: Callable[[], int]


@dataclass(frozen=True, slots=True)
class AuthorizerPorts:
    """The public token key, the issuer whose tokens are accepted, and the clock."""

    token_jwk: Callable[[], Jwk]
    base_url: str
    now_seconds: Callable[[], int]
