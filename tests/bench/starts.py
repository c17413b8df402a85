"""How long the command takes to start, beside a bare interpreter and beside the verifier's three libraries.

`python -m tests.bench.starts` prints a table: medians of 20 starts, in milliseconds, and their ratios. The
bytecode has a folder of its own: the first start of each compiles, the others do not.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.unit.cli.log.test_verify import VKEY, Folder, observation_opening

TIMES = 20
# As the verifier imports them.
LIBRARIES = """
import cryptography.exceptions
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
import cbor2, rfc8785
"""

# The script that an installer writes for the command.
SCRIPT = "import sys; from carevouch.cli.app import main; sys.exit(main())"


def starts(commands: dict[str, list[str]], folder: Path) -> dict[str, float]:
    """The median wall time of each command in milliseconds; all take turns, so that noise meets all alike."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(TIMES + 1):
        for name, words in commands.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=True)
            if number:
                spent[name].append((time.perf_counter() - started) * 1000)
    return {name: median(times) for name, times in spent.items()}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name), observation_opening())
        command = ["-c", SCRIPT]
        files = [str(folder.path / file) for file in ("0.tlog-proof", "0.opening.json", "genesis")]
        words = ["verify", files[0], "--opening", files[1], "--genesis", files[2], "--key", VKEY]
        commands = {
            "python -c pass": ["-c", "pass"],
            "the three libraries": ["-c", LIBRARIES],
            "carevouch --version": [*command, "--version"],
            "carevouch --help": [*command, "--help"],
            "carevouch verify --help": [*command, "verify", "--help"],
            "carevouch witness serve --help": [*command, "witness", "serve", "--help"],
            "carevouch verify, one proof": [*command, *words],
        }
        medians = starts(commands, Path(name))
    bare, libraries = medians["python -c pass"], medians["the three libraries"]
    print(f"| start (median of {TIMES}) | ms | of the bare start | of the libraries |\n|---|--:|--:|--:|")
    for name, spent in medians.items():
        print(f"| {name} | {spent:.1f} | {spent / bare:.2f} | {spent / libraries:.2f} |")


if __name__ == "__main__":
    main()
