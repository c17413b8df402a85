"""Go's and JavaScript's clients accept our log whole, and refuse every damaged one. Run by `make interop`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop import damage, programs
from tests.interop.clients import Counts, Refused
from tests.interop.damage import Damage
from tests.interop.evidence import Evidence

pytestmark = pytest.mark.interop

Program = Callable[[Evidence, Path], Counts]
SEES: dict[Program, tuple[Damage, ...]] = {
    programs.go: (*damage.TREE, *damage.FILES, damage.signature),
    programs.node: (*damage.TREE, damage.signature),
}
PROGRAMS = pytest.mark.parametrize("program", SEES, ids=lambda program: program.__name__)


def complete(program: Program, evidence: Evidence) -> Counts:
    """All there is for this client: @sigstore/verify has no proofs of consistency."""
    pairs = 0 if program is programs.node else evidence.consistencies
    return Counts(len(evidence.sizes), evidence.inclusions, pairs)


@PROGRAMS
def test_the_driver_verifies_another_implementations_log(
    program: Program, theirs: Evidence, tmp_path: Path
) -> None:
    assert program(theirs, tmp_path) == complete(program, theirs)
    assert (theirs.inclusions, theirs.consistencies) == (120, 105)


@PROGRAMS
def test_every_checkpoint_entry_and_pair_is_accepted(
    program: Program, ours: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = program(ours, tmp_path)
    assert verified == complete(program, ours)
    assert (len(ours.sizes), len(ours.entries), ours.inclusions, ours.consistencies) == (10, 1027, 3698, 45)
    with capsys.disabled():
        print(f"\n{program.__name__}: {verified}")


@PROGRAMS
def test_signatures_of_other_algorithms_are_passed_over(
    program: Program, ours: Evidence, tmp_path: Path
) -> None:
    assert program(damage.cosigned(ours), tmp_path) == complete(program, ours)


@pytest.mark.parametrize(
    ("program", "change"),
    [
        pytest.param(program, change, id=f"{program.__name__}-{change.__name__}")
        for program, changes in SEES.items()
        for change in changes
    ],
)
def test_a_damaged_log_is_refused(program: Program, change: Damage, ours: Evidence, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=re.compile("invalid|inconsistent|calculated root|hash count")):
        program(change(ours), tmp_path)
