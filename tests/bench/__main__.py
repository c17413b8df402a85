"""`python -m tests.bench`: measure, print the table, and write build/bench.json and build/bench.md."""

import json
import os
import platform
import sys
from dataclasses import asdict

from infra.package import ROOT
from tests.bench.calls import calls
from tests.bench.cold import cold
from tests.bench.primitives import primitives
from tests.bench.table import dollars, markdown
from tests.bench.times import times


def main() -> int:
    """Measure everything; about a minute on two cores."""
    say("imports, in fresh processes")
    colds = cold()
    say("times per kind of request")
    timed = times()
    say("AWS calls and units per kind of request")
    counted = calls()
    say("bare primitives")
    bare = primitives()
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    table = markdown(machine, colds, timed, counted, bare)
    value = {
        "machine": machine,
        "cold": [asdict(one) for one in colds],
        "times": [asdict(one) for one in timed],
        "calls": [{**asdict(one), "dollars_per_thousand": dollars(one)} for one in counted],
        "primitives": [asdict(one) for one in bare],
    }
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps(value, indent=2) + "\n")
    (build / "bench.md").write_text(table + "\n")
    print(f"\n{table}\n\nwritten to build/bench.md and build/bench.json")
    return 0


def say(line: str) -> None:
    """Progress, beside the table."""
    print(f"  {line} ...", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
