"""Records: dataclasses that only the type checker freezes, for values that a batch makes in thousands.

A dataclass that is frozen at run time takes five times as long to make, because each field goes through
`object.__setattr__`. For an event this took longer than its parsing. mypy refuses an assignment to a field of
either kind. All other values are `dataclass(frozen=True, slots=True)`.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def record(cls: type[Class]) -> type[Class]:
    """A dataclass with slots, and with equality and hash by its fields. Only mypy refuses assignments."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
