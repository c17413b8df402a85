"""What the identity handlers need of the world, as small promises."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.aws.access import Access
from shared.aws.documents.erasure import Eraser
from shared.aws.index import Index
from shared.aws.settings import Store
from shared.kernel.jws import Jwk, Signer


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
