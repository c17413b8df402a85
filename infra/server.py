"""MiniStack 1.5.33, started with four of its differences to AWS mended.

- **Binary answers.** API Gateway decodes them whenever the API's binary types hold `*/*`, whatever the
  request says that it takes; MiniStack does so only for a request that has an Accept header, and hands base64
  to all others. A mirror of the log that sends no Accept must see the same bytes here as on AWS.
- **Batches of SQS.** IAM knows no actions for them: whoever may send a message may send ten. MiniStack asks
  for `sqs:SendMessageBatch`, which no policy on AWS can name, and so no message would ever reach the inbox.
- **The batching window of streams.** MiniStack calls a function for each record or two, and the inbox would
  fill with messages of one key.
- **Zips.** MiniStack unpacks a function's zip for each process of it. Here all processes with the same zip
  share one folder, as environments share what Lambda unpacked. Later clouds find it there too, the next
  `make run` and each cloud of a test: their functions answer seconds earlier.

Its folder stands on the command line, so that a stop ends the process of that folder and no other.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ANY = "*/*"
# MiniStack's own functions, some of them private, all pinned with the release.
MATCHES, ACTION, POLL = "_media_type_matches", "extract_iam_action", "_poll_dynamodb_streams"
ZIPS = "zipfile"
SQS, BATCH = "sqs:", "Batch"
# The template's MaximumBatchingWindowInSeconds, held equal by a test.
WINDOW_SECONDS = 1
# Where zips are unpacked, said in the environment, and how many stay there, 40 MB each, as the code changes.
UNPACKED, KEPT = "CAREVOUCH_UNPACKED", 12


def main() -> None:
    """Serve until told to stop; the settings come from the environment."""
    from ministack import app  # type: ignore[import-untyped]
    from ministack.core import iam_actions, lambda_runtime  # type: ignore[import-untyped]
    from ministack.services import apigateway_v1, lambda_svc  # type: ignore[import-untyped]

    _mend(apigateway_v1, MATCHES, matching)
    _mend(iam_actions, ACTION, single)
    _mend(lambda_svc, POLL, windowed)
    _mend(lambda_runtime, ZIPS, partial(shared, Path(os.environ[UNPACKED])))
    sys.argv[1:] = []
    app.main()


def matching(theirs: Any) -> Any:
    """MiniStack's test of a media type, in which `*/*` among the binary types matches a missing one too."""

    def matches(media_type: str | None, binary_types: Sequence[str]) -> bool:
        return ANY in binary_types or bool(theirs(media_type, binary_types))

    return matches


def single(theirs: Any) -> Any:
    """MiniStack's finding of a call's IAM action, in which a batch of SQS needs what one message needs."""

    def action(*call: Any, **named: Any) -> str | None:
        found: str | None = theirs(*call, **named)
        return found.removesuffix(BATCH) if found is not None and found.startswith(SQS) else found

    return action


def windowed(theirs: Any, now: Callable[[], float] = time.monotonic) -> Any:
    """MiniStack's look at the streams, which takes records once a window; says whether there were any."""
    last = -float(WINDOW_SECONDS)

    def poll() -> bool:
        nonlocal last
        started = now()
        if started - last < WINDOW_SECONDS or not theirs():
            return False
        last = started
        return True

    return poll


def shared(home: Path, theirs: Any) -> Any:
    """MiniStack's `zipfile`, whose archives are unpacked in `home` once, and from then on are links to it."""

    class SharedZip(zipfile.ZipFile):
        """An archive of which each content has one folder, for all clouds."""

        def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
            """Make `path`, which is an empty folder, a link to where this is unpacked."""
            digest = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
            folder = home / digest[:16]
            with _alone(home):
                if not folder.exists():
                    part = folder.with_suffix(".part")
                    shutil.rmtree(part, ignore_errors=True)
                    super().extractall(part, members, pwd)
                    part.rename(folder)
                os.utime(folder)
                # Remove the code that was not used for longest: no function of it is started any more.
                by_use = sorted(home.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
                for old in by_use[KEPT:]:
                    shutil.rmtree(old, ignore_errors=True)
            os.rmdir(path)
            os.symlink(folder, path)

    return SimpleNamespace(**vars(theirs) | {"ZipFile": SharedZip})


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """While this holds, no other thread and no other cloud unpacks or forgets."""
    home.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mend(module: ModuleType, name: str, mended: Any) -> None:
    inside = vars(module)
    if name not in inside:
        raise SystemExit(f"MiniStack's {module.__name__} has no {name} by now: see infra/server.py.")
    inside[name] = mended(inside[name])


if __name__ == "__main__":
    main()
