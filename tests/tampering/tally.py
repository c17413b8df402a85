"""The counts for each kind of tampering: how often tried, seen, and called by its right name.

A verdict is a list of names, one for each reported fault. Tampering is *seen* if there is any name. It is
*named* if one of them is the right one and no other accuses something else.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

# Names that somebody was told: "0: tile tile/0/000.p/7: the tile does not match ...".
Names = Sequence[str]
# More would only repeat what the first ones show.
MAX_MISSED = 5


@dataclass(frozen=True, slots=True)
class Right:
    """The name that must be reported, and the names that may stand beside it as its consequences."""

    name: str
    beside: str = ""

    def fits(self, names: Names) -> bool:
        """Whether the right name was reported and nothing else was accused."""
        allowed = f"(?:{self.name})|(?:{self.beside})" if self.beside else self.name
        return any(_is(self.name, name) for name in names) and all(_is(allowed, name) for name in names)


@dataclass
class Row:
    """One kind of tampering."""

    tried: int = 0
    seen: int = 0
    named: int = 0
    missed: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.tried == self.seen == self.named > 0


@dataclass
class Tally:
    """All kinds, in the order in which they came."""

    rows: dict[str, Row] = field(default_factory=dict)

    def count(self, kind: str, what: str, names: Names, right: Right) -> None:
        """Count one attempt: `what` was tampered with, and `names` were reported."""
        row = self.rows.setdefault(kind, Row())
        row.tried += 1
        row.seen += bool(names)
        good = right.fits(names)
        row.named += good
        if not good and len(row.missed) < MAX_MISSED:
            row.missed.append(f"{what}: told {list(names)[:4]}, right is {right}")

    @property
    def whole(self) -> bool:
        """Whether every attempt was seen and named."""
        return bool(self.rows) and all(row.whole for row in self.rows.values())

    def missed(self) -> list[str]:
        """The attempts that were not seen or not named, with their kind."""
        return [f"{kind}: {what}" for kind, row in self.rows.items() for what in row.missed]

    def lines(self) -> list[str]:
        """The lines of the table."""
        rows = [(kind, row.tried, row.seen, row.named) for kind, row in self.rows.items()]
        total = ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
        width = max(len(str(row[0])) for row in [*rows, total])
        head = f"{'tampered with':{width}}  {'tried':>8}  {'detected':>8}  {'named':>8}"
        return [head, *(f"{k:{width}}  {a:8}  {b:8}  {c:8}" for k, a, b, c in [*rows, total])]


def played(attempts: Iterable[Callable[[Tally], None]]) -> Tally:
    """The tally of these attempts."""
    tally = Tally()
    for attempt in attempts:
        attempt(tally)
    return tally


def _is(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern, name, re.DOTALL) is not None
