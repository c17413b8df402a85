"""The process of the local cloud: MiniStack (PyPI, MIT). One child is API Gateway, Lambda, DynamoDB with
streams, KMS, S3, SQS and schedules.

It keeps its state in memory and writes it only at a clean shutdown. After a kill its tables go back to the
last clean stop, and its buckets do not. Then a log's head would be older than its tiles. So a start after a
kill is refused, with the mend. infra/README.md lists the other differences from AWS.
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
# The folder into which the functions' zips are unpacked, for this cloud and later ones.
UNPACKED = SERVER.parent.parent / "build" / "local" / "unpacked"
LAST_PORT = 65_535
START_SECONDS = 60
# At the end all memory is written as JSON, which takes seconds for a few hundred megabytes.
STOP_SECONDS = 60
# The variables that the server and its functions inherit. The caller's settings and credentials are not
# among them.
INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH")


@dataclass(frozen=True, slots=True)
class Process:
    """A running MiniStack."""

    pid: int
    port: int

    @property
    def endpoint_url(self) -> str:
        """The URL of the AWS APIs."""
        return f"http://{HOST}:{self.port}"


def free_port() -> int:
    """A port on which no process listens now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_busy(port: int) -> bool:
    """Whether a process listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def start(folder: Path, port: int, *, detached: bool) -> Process:
    """Start on the state in `folder`, and return when the server answers.

    `detached` lets it outlive this process. Raises `SetUpFault` for a busy port, lost state, a missing tool,
    or a server that does not answer.
    """
    _refuse_lost_state(folder)
    if importlib.util.find_spec("ministack") is None:
        raise SetUpFault(
            "MiniStack, the local cloud, is missing: use the Makefile's verbs, which install it."
        )
    if is_busy(port):
        other = port + 1 if port < LAST_PORT else port - 1
        raise SetUpFault(
            f"Port {port} of this machine is taken: choose another, as in `make run PORT={other}`."
        )
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    for name in ("state", "s3", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    child: subprocess.Popen[bytes] | None = None
    try:
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
    except BaseException:
        # End the child after Ctrl-C too, which a detached child does not receive.
        if child is not None:
            child.kill()
            child.wait()
        _marker(folder).unlink(missing_ok=True)
        raise
    # From here the process is known only by its id, also to others that may stop it. Without a parent that
    # waits for it, it would become a zombie. Without a return code, Popen would warn of a lost child.
    threading.Thread(target=os.waitpid, args=(child.pid, 0), daemon=True).start()
    child.returncode = 0
    return process


def stop(folder: Path) -> bool:
    """Stop the process of this folder, which writes its state; False if none was running.

    A process that is too busy to answer is stopped too. Otherwise it would outlive its folder.
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
    """MiniStack's settings. With AUTH it enforces the functions' roles, so a missing permission shows."""
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
    while not _is_healthy(process):
        if child.poll() is not None or time.monotonic() > deadline:
            raise SetUpFault(
                f"The local cloud did not start: read its last lines in {folder / 'ministack.log'}."
            )
        time.sleep(0.05)


def _is_healthy(process: Process) -> bool:
    try:
        with urllib.request.urlopen(f"{process.endpoint_url}/_ministack/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _is_of(folder: Path, pid: int) -> bool:
    """Whether the process runs and belongs to this folder. Other programs may get the same id later."""
    return _command(pid).endswith(f"{SERVER.name} {folder.resolve()}")


def _command(pid: int) -> str:
    """The command line of a process; empty if it has ended or is a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    asked = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _refuse_lost_state(folder: Path) -> None:
    """Raise `SetUpFault` if the last run was killed. After a clean stop the state is newer than the start's
    marker."""
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
        "The local cloud was killed, so its tables lost rows that its log still has: "
        "run `make clean`, which removes that state, and start again."
    )


def _marker(folder: Path) -> Path:
    return folder / "running.json"
