"""The ports of the consent use cases."""

from dataclasses import dataclass

from carevouch.door.access import Access
from carevouch.store.settings import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """The store, and the access to people's documents."""

    store: Store
    access: Access
