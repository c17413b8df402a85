"""The world as the identity use cases see it, as small promises."""

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
        """Whether this was the first use; must be atomic."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The store, the signer of tokens, and what only identity keeps."""

    store: Store
    access: Access
    index: Index
    eraser: Eraser
    token_key: Signer
    assertions: Assertions
    now_seconds: Callable[[], int]


@dataclass(frozen=True, slots=True)
class AuthorizerPorts:
    """All that the authorizer needs: the public token key and whose tokens are good."""

    token_jwk: Callable[[], Jwk]
    base_url: str
    now_seconds: Callable[[], int]
