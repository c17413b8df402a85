"""The local cloud as a process: MiniStack (PyPI, MIT), one child that is API Gateway, Lambda, DynamoDB with
streams, KMS, S3, SQS and schedules.

It keeps its state in memory and writes it at a clean shutdown only. After a kill its tables go back to the
last clean stop while its buckets do not, so a start after a kill is refused, with the mend, instead of
serving a log whose head is older than its tiles. infra/README.md lists what else differs from AWS.
"""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from infra.faults import SetUpFault

HOST = "127.0.0.1"
SERVER = Path(__file__).resolve().with_name("server.py")
# Where the functions' zips are unpacked, for this cloud and those to come.
UNPACKED = SERVER.parent.parent / "build" / "local" / "unpacked"
LAST_PORT = 65_535
START_SECONDS = 60
# Everything in memory is written as JSON at the end: seconds, for a few hundred megabytes.
STOP_SECONDS = 60
# What the server and its functions inherit: nothing of the caller's own settings or credentials.
INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH")


@dataclass(frozen=True, slots=True)
class Process:
    """A running MiniStack."""

    pid: int
    port: int

    @property
    def endpoint_url(self) -> str:
        """Where the AWS APIs are."""
        return f"http://{HOST}:{self.port}"


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _next(port: int) -> int:
    return port + 1 if port < LAST_PORT else port - 1


def is_busy(port: int) -> bool:
    """Whether something listens on the port already."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def start(folder: Path, port: int, *, detached: bool) -> Process:
    """Start on the state in `folder`; returns when it answers.

    `detached` lets it outlive this process. Raises `SetUpFault` for a busy port, lost state, a missing tool
    or a server that does not come up.
    """
    _refuse_lost_state(folder)
    if importlib.util.find_spec("ministack") is None:
        raise SetUpFault(
            "MiniStack is missing, which is the local cloud: use the Makefile's verbs, which install it."
        )
    if is_busy(port):
        raise SetUpFault(
            f"Port {port} of this machine is taken: choose another, as in `make run PORT={_next(port)}`."
        )
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    for name in ("state", "s3", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / "ministack.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", str(SERVER), str(folder.resolve())],
            env=_environment(folder, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=detached,
        )
    process = Process(child.pid, port)
    _marker(folder).write_text(json.dumps({"pid": child.pid, "port": port}))
    _wait_until_healthy(process, child, folder)
    # From here the process is known by its id alone, also to others that may stop it. Without a parent that
    # waits it would stay behind as a zombie; without the return code Popen would warn of a child left behind.
    threading.Thread(target=os.waitpid, args=(child.pid, 0), daemon=True).start()
    child.returncode = 0
    return process


def stop(folder: Path) -> bool:
    """Stop the process of this folder, letting it write its state; False if none was running.

    Also one that is too busy to answer: left alone, it would outlive the folder that knows of it.
    """
    process = _process(folder)
    if process is None:
        return False
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _is_of(folder, process.pid):
        if time.monotonic() > deadline:
            raise SetUpFault(
                f"The local cloud (process {process.pid}) does not stop: end it, then run `make clean`."
            )
        time.sleep(0.05)
    _marker(folder).unlink(missing_ok=True)
    return True


def running(folder: Path) -> Process | None:
    """The process of this folder, if it is alive and answers."""
    process = _process(folder)
    return process if process is not None and _is_healthy(process) else None


def _process(folder: Path) -> Process | None:
    """The process of this folder, if it is alive, whether it answers or not."""
    marker = _marker(folder)
    if not marker.exists():
        return None
    said = json.loads(marker.read_text())
    return Process(said["pid"], said["port"]) if _is_of(folder, said["pid"]) else None


def _environment(folder: Path, port: int) -> dict[str, str]:
    """MiniStack's switches. AUTH makes it enforce the functions' roles: a missing permission shows here."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BIND_HOST": HOST,
        "CAREVOUCH_UNPACKED": str(UNPACKED),
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "MINISTACK_HOST": HOST,
        "PERSIST_STATE": "1",
        "S3_DATA_DIR": str(folder / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
    }


def _wait_until_healthy(process: Process, child: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    try:
        while not _is_healthy(process):
            if child.poll() is not None or time.monotonic() > deadline:
                raise SetUpFault(
                    f"The local cloud did not start; its last words are in {folder / 'ministack.log'}."
                )
            time.sleep(0.05)
    except BaseException:
        # Also when somebody presses Ctrl-C: a detached child would not hear of it.
        child.kill()
        child.wait()
        _marker(folder).unlink(missing_ok=True)
        raise


def _is_healthy(process: Process) -> bool:
    try:
        with urllib.request.urlopen(f"{process.endpoint_url}/_ministack/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _is_of(folder: Path, pid: int) -> bool:
    """Whether the process lives and is this folder's: ids are used again, by programs that are not ours."""
    return _command(pid).endswith(f"{SERVER.name} {folder.resolve()}")


def _command(pid: int) -> str:
    """The command line of a process; empty when it has ended, zombies included."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    asked = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _refuse_lost_state(folder: Path) -> None:
    """State is written at a clean stop only, so its files are newer than the marker that a start leaves."""
    marker = _marker(folder)
    if not marker.exists():
        return
    if _process(folder) is not None:
        raise SetUpFault("The local cloud of this checkout is running already: `make stop` ends it.")
    written = max((file.stat().st_mtime for file in (folder / "state").glob("*.json")), default=0.0)
    if written > marker.stat().st_mtime:
        marker.unlink()
        return
    raise SetUpFault(
        "The local cloud was ended without a clean stop, so its tables lost what its log still has: "
        "`make clean` throws that state away, then run again."
    )


def _marker(folder: Path) -> Path:
    return folder / "running.json"
