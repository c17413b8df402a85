"""What the claims handlers need of the world."""

from dataclasses import dataclass

from shared.aws.access import Access
from shared.aws.settings import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """The store, and the one way to a person's documents."""

    store: Store
    access: Access
