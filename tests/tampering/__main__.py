"""Plays all of it and prints the table: `python -m tests.tampering`; `--sample` plays the tests' sample."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.tampering.run import plays
from tests.tampering.tally import Tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tampering", description=__doc__)
    parser.add_argument("--sample", action="store_true", help="the sample of every day; seconds, not minutes")
    chosen = parser.parse_args()
    tally = Tally()
    with TemporaryDirectory() as folder:
        for number, play in enumerate(plays(full=not chosen.sample)):
            play(tally, Path(folder) / str(number))
    print("\n".join(tally.lines()))
    print("\n".join(tally.missed()), file=sys.stderr)
    return 0 if tally.whole else 1


if __name__ == "__main__":
    sys.exit(main())
