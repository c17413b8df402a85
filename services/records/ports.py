"""The interfaces that the records use cases need."""

from collections.abc import Callable
from dataclasses import dataclass

from carevouch.door.access import Access
from carevouch.store.documents.reader import Index
from carevouch.store.log.places import SealedFacts
from carevouch.store.settings import Store


@dataclass(frozen=True, slots=True)
class Ports:
    """The store, the one way to people's documents, the identifier rows, and what is sealed.

    `description` reads one of the two descriptions of the server by the name of its file.
    """

    store: Store
    access: Access
    index: Index
    sealed: SealedFacts
    description: Callable[[str], bytes]


def ports_of(store: Store, sealed: SealedFacts, description: Callable[[str], bytes]) -> Ports:
    """The ports over a store, its log and the descriptions."""
    return Ports(store, Access(store), Index(store.reader), sealed, description)
