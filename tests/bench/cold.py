"""How long a function's import takes in a fresh process, from its zip as Lambda unpacks it.

Lambda's code folder is read only and a zip holds no bytecode, so our sources are compiled at each cold start:
that is what `own` measures; `own, compiled` says what would be left with bytecode. The SDK comes compiled
with the runtime. Each number is the median of several fresh processes.
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

TIMES = 5
# What the Lambda runtime brings.
SDK = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
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
    """One service: its zip, and milliseconds of import by whose code it is."""

    service: str
    zip_mb: float
    total: float
    sdk: float
    libraries: float
    own: float
    own_compiled: float


def cold() -> list[Cold]:
    """Every service."""
    zips = package.build("local", say=lambda line: None)
    with tempfile.TemporaryDirectory() as folder:
        sdk = _sdk(Path(folder) / "sdk")
        return [_of(service, zip_, Path(folder) / service, sdk) for service, zip_ in zips.items()]


def _of(service: str, zip_: Path, folder: Path, sdk: Path) -> Cold:
    with zipfile.ZipFile(zip_) as archive:
        archive.extractall(folder)
    app = [f"services.{service}.app"]
    paths = [str(folder), str(sdk)]
    _, loaded = _once(paths, [], app)
    theirs = [name for name in loaded if name.partition(".")[0] not in ("services", "shared", "__main__")]
    their_sdk = [name for name in theirs if name.partition(".")[0] in SDK]
    standard = [name for name in theirs if name.partition(".")[0] in sys.stdlib_module_names]
    total = _median(paths, [], app)
    own = _median(paths, theirs, app)
    sdk_ms = _median(paths, standard, their_sdk)
    compiled = _median(paths, theirs, app, bytecode=True)
    libraries = max(0.0, total - own - sdk_ms)
    return Cold(service, zip_.stat().st_size / 1e6, total, sdk_ms, libraries, own, compiled)


def _median(paths: list[str], before: list[str], timed: list[str], *, bytecode: bool = False) -> float:
    if bytecode:
        _once(paths, before, timed, bytecode=True)
    return 1000 * median(_once(paths, before, timed, bytecode=bytecode)[0] for _ in range(TIMES))


def _once(
    paths: list[str], before: list[str], timed: list[str], *, bytecode: bool = False
) -> tuple[float, list[str]]:
    code = _CODE.format(paths=paths, before=before, timed=timed)
    flags = ["-I", "-S"] if bytecode else ["-I", "-S", "-B"]
    done = subprocess.run(
        [sys.executable, *flags, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    spent, loaded = json.loads(done.stdout.splitlines()[-1])
    return float(spent), list(loaded)


def _sdk(folder: Path) -> Path:
    folder.mkdir()
    for name in SDK:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (folder / source.name).symlink_to(source)
    return folder
