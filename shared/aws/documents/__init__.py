"""The one store of revisions and acts."""

from shared.aws.documents.model import (
    Answer,
    Committed,
    Draft,
    Naming,
    Plan,
    Request,
    Stored,
)
from shared.aws.documents.reader import Partition, Reader
from shared.aws.documents.writer import Writer

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
