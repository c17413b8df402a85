"""`python -m tests.bench`: measure, print the table, and write build/bench.json and build/bench.md."""

import json
import os
import platform
import sys
from dataclasses import asdict

from infra.package import ROOT
from tests.bench import ledger_table, rate_table
from tests.bench.calls import calls
from tests.bench.cloud import cloud
from tests.bench.cold import cold
from tests.bench.cost import bill, cost
from tests.bench.limits import limits
from tests.bench.primitives import SEALED, primitives
from tests.bench.rates import growth, integration, sealing
from tests.bench.table import dollars, markdown
from tests.bench.times import times


def main() -> int:
    """Measure everything; about four minutes on two cores."""
    say("imports, in fresh processes")
    colds = cold()
    say("times per kind of request")
    timed = times()
    say("AWS calls and units per kind of request")
    counted = calls()
    say("bare primitives")
    bare = primitives()
    cpu_seconds = next(one.microseconds for one in bare if one.name == SEALED) / 1e6
    say("rates of sealing, tiles and proofs")
    sealed_at, laid, sizes = sealing(), integration(), growth()
    say("what a million events cost")
    sealed = cost()
    say("64 strands at 64,000 events a second, simulated")
    found = limits(sealed, cpu_seconds)
    say("from accepted to published, on local clouds of 1, 2 and 4 strands")
    flowed = cloud()
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    table = "\n\n".join(
        [
            markdown(machine, colds, timed, counted, bare),
            rate_table.rates(sealed_at, laid, sizes),
            ledger_table.costs(sealed, cpu_seconds),
            ledger_table.flows(flowed),
            ledger_table.ends(found),
        ]
    )
    value = {
        "machine": machine,
        "cold": [asdict(one) for one in colds],
        "times": [asdict(one) for one in timed],
        "calls": [{**asdict(one), "dollars_per_thousand": dollars(one)} for one in counted],
        "primitives": [asdict(one) for one in bare],
        "sealing": asdict(sealed_at) | {"share": sealed_at.share},
        "integration": asdict(laid),
        "sizes": [asdict(one) for one in sizes],
        "cost": [{**asdict(one), "dollars_per_million": asdict(bill(one, cpu_seconds))} for one in sealed],
        "limits": [asdict(one) for one in found],
        "cloud": [asdict(one) for one in flowed],
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
