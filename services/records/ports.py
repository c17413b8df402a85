"""The world as the records use cases see it."""

from dataclasses import dataclass

from carevouch.door.access import Access
from carevouch.store.documents.reader import Index
from carevouch.store.log.places import SealedFacts
from carevouch.store.settings import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """The store, the one way to people's documents, the identifier rows, and what is sealed."""

    store: Store
    access: Access
    index: Index
    sealed: SealedFacts


def ports_of(store: Store, sealed: SealedFacts) -> Ports:
    """The ports over a store and its log."""
    return Ports(store, Access(store), Index(store.reader), sealed)
