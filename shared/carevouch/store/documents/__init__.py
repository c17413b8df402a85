"""The one store of revisions and acts."""

from carevouch.store.documents.attempts import Attempts
from carevouch.store.documents.model import (
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    FirstDocument,
    NewDocument,
    StoredAnswer,
    StoredRevision,
)
from carevouch.store.documents.reader import Partition, Reader
from carevouch.store.documents.writer import Writer

__all__ = [
    "Attempts",
    "FirstDocument",
    "NewDocument",
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
