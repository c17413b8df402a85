"""No seeded schedule makes the sealer lose, repeat or fork; and each planted bug is found by some."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.conftest import SOAK
from tests.oracles import ROOT
from tests.simulator.bugs import PLANTED
from tests.simulator.faults import FAULTS, Fault
from tests.simulator.run import Failed, play

# 400 in `make test`, 2,000 in `make soak SOAK=1`, and the 10,000 that a release asks for with SOAK=5.
EACH, ITEMS = 400 * SOAK, 5
# How many seeds a planted bug may live through; most are found by the first ten.
PATIENCE = 300


@pytest.mark.soak
@pytest.mark.parametrize(
    "item", [0, *(pytest.param(item, marks=pytest.mark.deep) for item in range(1, ITEMS))]
)
def test_no_schedule_loses_repeats_or_forks(item: int) -> None:
    stuck = 0
    met: Counter[tuple[str, Fault]] = Counter()
    for seed in range(item * EACH, (item + 1) * EACH):
        played = play(seed)
        stuck += played.stuck
        met.update(played.schedule.met)
    # Only a restore while others write may stop a log, and it seldom does.
    assert stuck <= EACH // 20
    # Every fault met every kind of write, or the seeds would show less than they seem to.
    kinds = {kind for kind, _ in met}
    assert kinds >= {"heads.swap", "objects.create", "objects.swap", "marks.put", "notes.advance"}
    for kind in ("heads.swap", "objects.create", "marks.put"):
        for fault in FAULTS:
            if fault is Fault.PARTLY and kind != "marks.put":
                continue
            assert met[kind, fault], f"{kind} never met: {fault}"


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found_and_the_command_that_plays_it_again_is_printed(name: str) -> None:
    with pytest.raises(Failed, match=rf"-m tests.simulator --seed \d+ --planted {name} --trace"):
        play_until_it_fails(name)


def play_until_it_fails(name: str) -> None:
    for seed in range(PATIENCE):
        play(seed, PLANTED[name], name)


def test_a_seed_gives_the_same_trace_in_every_process() -> None:
    seen = set()
    for salt in ("0", "1"):
        command = [sys.executable, "-m", "tests.simulator", "--seed", "17", "--trace"]
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        seen.add(done.stdout)
    (trace,) = seen
    assert play(17).hash[:16] in trace
