"""Quarantine: a row on which our code fails must not keep the others from being sealed.

A fault of the world (DynamoDB, S3, KMS, a head that went back) concerns all rows alike and is raised. Any
other exception is of one row. Taking the rows one at a time finds that row, which is then left out and
reported.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.errors import Busy, IntegrityFault, OutcomeUnknown

# Faults of the world: trying again later may help, and giving up would lose a batch.
WORLD = (OutcomeUnknown, Busy, IntegrityFault, ClientError, BotoCoreError)

Item = TypeVar("Item")
Result = TypeVar("Result")


def with_quarantine(
    work: Callable[[Sequence[Item]], Result],
    items: Sequence[Item],
    quarantine: Callable[[Item, Exception], None],
) -> list[Result]:
    """The result of `work` for all items together; if it fails, the results for each item on which it works.

    `quarantine` is called with each other item and its exception. Raises the faults of `WORLD`.
    """
    if not items:
        return []
    try:
        return [work(items)]
    except WORLD:
        raise
    except Exception as bug:  # noqa: BLE001 - any bug is of one row, and must not block the whole shard
        if len(items) == 1:
            quarantine(items[0], bug)
            return []
    return [result for item in items for result in with_quarantine(work, [item], quarantine)]
