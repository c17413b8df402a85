"""How long a function's import takes in a fresh process, from its zip as Lambda unpacks it.

The zip holds bytecode of our code and of the libraries, and the folder is read only, so nothing is compiled
or written. The SDK comes compiled with the runtime. Each number is the median of several fresh processes, in
turns with a bare `import boto3`, so that ratios hold on a noisy machine.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from infra import package

TIMES = 7
# The Lambda runtime supplies these.
SDK = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
_OURS = ("services", "carevouch", "__main__")
_CODE = """
import sys, time, json
sys.path[:0] = {paths!r}
def load(names):
    for name in names:
        try:
            __import__(name)
        except Exception:  # some names are aliases or parts that cannot be imported first
            if name.startswith("services."):
                raise
load({before!r})
started = time.perf_counter()
load({timed!r})
spent = time.perf_counter() - started
print(json.dumps([spent, list(sys.modules)]))
"""


@dataclass(frozen=True)
class Cold:
    """One service: its zip, and milliseconds of import by whose code it is; `boto3` is a bare import."""

    service: str
    zip_mb: float
    total: float
    sdk: float
    libraries: float
    own: float
    boto3: float

    @property
    def ratio(self) -> float:
        """The whole import in imports of boto3."""
        return self.total / self.boto3


def cold() -> list[Cold]:
    """Every service."""
    zips = package.build("local", say=lambda line: None)
    with tempfile.TemporaryDirectory() as folder:
        sdk = Path(folder) / "sdk"
        _link_sdk(sdk)
        return [_of(service, zip_, Path(folder) / service, sdk) for service, zip_ in zips.items()]


def _of(service: str, zip_: Path, folder: Path, sdk: Path) -> Cold:
    with zipfile.ZipFile(zip_) as archive:
        archive.extractall(folder)
    app = [f"services.{service}.app"]
    paths = [str(folder), str(sdk)]
    _, loaded = _once(paths, [], app)
    theirs = [name for name in loaded if name.partition(".")[0] not in _OURS]
    their_sdk = [name for name in theirs if name.partition(".")[0] in SDK]
    standard = [name for name in theirs if name.partition(".")[0] in sys.stdlib_module_names]
    turns = [
        (
            _once(paths, [], app)[0],
            _once(paths, theirs, app)[0],
            _once(paths, standard, their_sdk)[0],
            _once(paths, [], ["boto3"])[0],
        )
        for _ in range(TIMES)
    ]
    total, own, sdk_ms, boto3 = (1000 * median(turn) for turn in zip(*turns, strict=True))
    return Cold(service, zip_.stat().st_size / 1e6, total, sdk_ms, max(0.0, total - own - sdk_ms), own, boto3)


def _once(paths: list[str], before: list[str], timed: list[str]) -> tuple[float, list[str]]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", _CODE.format(paths=paths, before=before, timed=timed)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    spent, loaded = json.loads(done.stdout.splitlines()[-1])
    return float(spent), list(loaded)


def _link_sdk(folder: Path) -> None:
    folder.mkdir()
    for name in SDK:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (folder / source.name).symlink_to(source)


def main() -> None:
    """Print the figures."""
    for one in cold():
        print(
            f"{one.service:<9} {one.zip_mb:5.1f} MB  whole {one.total:4.0f} ms ({one.ratio:.1f} x boto3)  "
            f"SDK {one.sdk:4.0f}  libraries {one.libraries:4.0f}  own {one.own:4.0f}"
        )


if __name__ == "__main__":
    main()
