"""Plays one seed again, or a range of them: `python -m tests.simulator --seed 7 --trace`."""

import argparse
import sys

from tests.simulator.bugs import PLANTED
from tests.simulator.run import Failed, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="the seed, or the first of --count")
    parser.add_argument("--count", type=int, default=1, help="how many seeds")
    parser.add_argument("--planted", choices=sorted(PLANTED), help="with this bug in the code")
    parser.add_argument("--trace", action="store_true", help="every step")
    chosen = parser.parse_args()
    plan = PLANTED[chosen.planted] if chosen.planted else None
    for seed in range(chosen.seed, chosen.seed + chosen.count):
        try:
            played = play(seed, plan, chosen.planted or "") if plan else play(seed)
        except Failed as failed:
            if chosen.trace:
                print("\n".join(failed.trace))
            print(failed, file=sys.stderr)
            return 1
        if chosen.trace:
            print("\n".join(played.schedule.trace))
        if chosen.count == 1 or chosen.trace:
            stuck = ", stopped by a restore" if played.stuck else ""
            print(
                f"seed {seed}: {played.events} events, {played.steps} steps, trace {played.hash[:16]}{stuck}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
