"""What the records handlers need of the world."""

from dataclasses import dataclass

from shared.aws.access import Access
from shared.aws.index import Index
from shared.aws.settings import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """The store, the one way to people's documents, and the identifier rows."""

    store: Store
    access: Access
    index: Index


def ports_of(store: Store) -> Ports:
    """The ports over a store."""
    return Ports(store, Access(store), Index(store.reader))
