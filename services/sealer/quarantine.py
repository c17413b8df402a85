"""One row that our code stumbles over must not keep the others from being sealed.

A fault of the world (DynamoDB, S3, KMS, a head that went back) is of all rows alike and goes through; any
other is of one row, which is found by taking the rows one at a time, and set aside for whoever is woken.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.errors import Busy, IntegrityFault, OutcomeUnknown

# Faults of the world: trying again later may help, and giving up would lose a batch.
WORLD = (OutcomeUnknown, Busy, IntegrityFault, ClientError, BotoCoreError)

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_apart(
    work: Callable[[Sequence[Item]], Result],
    items: Sequence[Item],
    set_aside: Callable[[Item, Exception], None],
) -> list[Result]:
    """The results of `work` for all items together, or for each that it does not stumble over."""
    if not items:
        return []
    try:
        return [work(items)]
    except WORLD:
        raise
    except Exception as bug:  # noqa: BLE001 - whatever it is, it is of one row and must not block its shard
        if len(items) == 1:
            set_aside(items[0], bug)
            return []
    return [result for item in items for result in each_apart(work, [item], set_aside)]
