"""What the records handlers need of the world."""

from dataclasses import dataclass

from shared.aws.access import Access
from shared.aws.index import Index
from shared.aws.sealed import SealedFacts
from shared.aws.settings import Store


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
