"""The one store of revisions and acts."""

from carevouch.store.documents.model import (
    Answer,
    Committed,
    Draft,
    Naming,
    Plan,
    Request,
    Stored,
)
from carevouch.store.documents.reader import Partition, Reader
from carevouch.store.documents.writer import Writer

__all__ = [
    "Answer",
    "Committed",
    "Draft",
    "Naming",
    "Partition",
    "Plan",
    "Reader",
    "Request",
    "Stored",
    "Writer",
]
