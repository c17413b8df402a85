"""Starts MiniStack 1.5.33, and mends four of its differences from AWS.

- **Binary answers.** API Gateway decodes them if the API's binary types have `*/*`, for every Accept header.
MiniStack does so only for a request with an Accept header, and answers others in base64. A mirror that sends
no Accept header must get the same bytes here as on AWS.
- **Batches of SQS.** IAM has no actions for them: a role that may send a message may send ten. MiniStack
asks for `sqs:SendMessageBatch`, which no policy on AWS can name, so no message would reach the inbox.
- **The batching window of streams.** MiniStack calls a function for one or two records, so the inbox would
fill with messages of one key.
- **Zips.** MiniStack unpacks a function's zip for each of its processes. Here all processes with the same
zip share one folder. Later clouds use it too, those of the next `make run` and of tests, and their functions
answer seconds earlier.

The folder is on the command line, so that a stop ends only the process of that folder.
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
# Functions of MiniStack, some of them private. Their release is pinned.
MATCHES, ACTION, POLL = "_media_type_matches", "extract_iam_action", "_poll_dynamodb_streams"
ZIPS = "zipfile"
SQS, BATCH = "sqs:", "Batch"
# The template's MaximumBatchingWindowInSeconds; a test compares the two.
WINDOW_SECONDS = 1
# The variable with the folder of unpacked zips, and the number of them that stay there, of 40 MB each.
UNPACKED, KEPT = "CAREVOUCH_UNPACKED", 12


def main() -> None:
    """Serve until a signal stops the process. The settings come from the environment."""
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
    """MiniStack's test of a media type, with `*/*` among the binary types for a missing type too."""

    def matches(media_type: str | None, binary_types: Sequence[str]) -> bool:
        return ANY in binary_types or bool(theirs(media_type, binary_types))

    return matches


def single(theirs: Any) -> Any:
    """MiniStack's IAM action of a call, in which a batch of SQS needs the action of one message."""

    def action(*call: Any, **named: Any) -> str | None:
        found: str | None = theirs(*call, **named)
        return found.removesuffix(BATCH) if found is not None and found.startswith(SQS) else found

    return action


def windowed(theirs: Any, now: Callable[[], float] = time.monotonic) -> Any:
    """MiniStack's poll of the streams, once a window. It returns whether there were any records."""
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
    """MiniStack's `zipfile`, which unpacks each archive once in `home`, and makes links to it afterwards."""

    class SharedZip(zipfile.ZipFile):
        """An archive whose content has one folder for all clouds."""

        def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
            """Replace `path`, an empty folder, by a link to the unpacked archive."""
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
    """Lock the folder against other threads and other clouds."""
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
