"""Ways through the house: which of our files a real request enters, below its route.

`sys.setprofile` sees every call. The kernel, which everything uses, and FHIR's room are counted
apart.

    python -m tests.bench.ways [--files]
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.bench.all_doors import House
from tests.bench.requests import UNDER_CONSENT, kinds
from tests.bench.times import _world, present, quiet
from tests.oracles import ROOT
from tests.service.identity.conftest import MemoryAssertions
from tests.world import new_key

# The requests whose ways are counted, by how their names begin in the table of kinds.
COUNTED = {
    "read": UNDER_CONSENT,
    "claim": "claim: submit and adjudicate",
    "Bundle": "a whole patient: Bundle",
    "search": "search, a page",
    "create": "create an Observation",
    "grant": "consent: grant",
}
PRODUCT = ("services", "shared")
APART = ("kernel", "fhir")


@dataclass(frozen=True)
class Way:
    """The files that one request entered, relative to the repository."""

    name: str
    files: frozenset[str]

    @property
    def counted(self) -> frozenset[str]:
        """The files outside the kernel and FHIR's tables."""
        return frozenset(file for file in self.files if not set(APART) & set(Path(file).parts[:-1]))


def entered(call: Callable[[], object]) -> frozenset[str]:
    """The product's files of which a function was called."""
    found: set[str] = set()

    def look(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            found.add(frame.f_code.co_filename)

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    inside = (Path(name).relative_to(ROOT) for name in found if name.startswith(f"{ROOT}/"))
    return frozenset(str(path) for path in inside if path.parts[0] in PRODUCT)


def ways() -> Iterator[Way]:
    """The way of each kind that is counted, once the doors are warm."""
    with quiet():
        house = House(present(_world()), MemoryAssertions(), new_key())
        for kind in kinds(house):
            for name, begins in COUNTED.items():
                if kind.name.startswith(begins):
                    kind.prepare()()
                    yield Way(name, entered(kind.prepare()))


def main() -> None:
    """Print how many files each request enters."""
    for way in list(ways()):
        apart = len(way.files - way.counted)
        print(f"{way.name:<8} {len(way.counted):3} files, and {apart:2} of kernel and FHIR")
        if "--files" in sys.argv:
            print("".join(f"         {file}\n" for file in sorted(way.files)), end="")


if __name__ == "__main__":
    main()
