"""Records: frozen dataclasses that the type checker freezes, for values of which a batch makes thousands.

A dataclass that is frozen at run time takes five times as long to make, because each field goes through
`object.__setattr__`; for a parsed event that was more than its parsing. mypy refuses an assignment to a field
of either. For everything else `dataclass(frozen=True, slots=True)` stays the rule.
"""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def record(cls: type[Class]) -> type[Class]:
    """A dataclass with slots, equality and hash by its fields, and nobody who may assign to them."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
