"""The one store of revisions and acts."""

from carevouch.store.documents.model import (
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    StoredAnswer,
    StoredRevision,
)
from carevouch.store.documents.reader import Partition, Reader
from carevouch.store.documents.writer import Writer

__all__ = [
    "StoredAnswer",
    "CommittedAct",
    "Draft",
    "ActNames",
    "Partition",
    "ActPlan",
    "Reader",
    "ActRequest",
    "StoredRevision",
    "Writer",
]
