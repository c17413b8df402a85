"""The local cloud: its packages, start, deployment, stop and state.

    python -m infra.local start|stop|status|deploy|clean|url|vkey

Tests and the story use `local_cloud()`. `open_cloud()` finds a running cloud.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

from carevouch.events.genesis import parse_genesis
from carevouch.kernel.encoding import b64u
from carevouch.ledger.checkpoint import MAX_STRANDS, SUPER
from carevouch.ledger.note import Verifier, parse_vkey
from infra import ministack, package, stack
from infra.faults import SetUpFault, explained
from infra.stack import Cloud

# Another folder may be named, for a cloud that is not this checkout's own.
STATE = Path(os.environ.get("CAREVOUCH_STATE") or package.ROOT / ".carevouch")
# MiniStack's default port.
PORT = 4566
# The default of the template, which is enough for one machine. `STRANDS=` or an epoch gives more.
STRANDS = 1
OLDEST_PYTHON = (3, 11)

Say = Callable[[str], None]


@contextmanager
def local_cloud(
    folder: Path,
    *,
    port: int | None = None,
    strands: int | None = None,
    root: Path = package.ROOT,
    say: Say = print,
) -> Iterator[Cloud]:
    """A cloud of its own in `folder`, on a free port unless one is named. At the end it stops and keeps its
    state."""
    cloud = start(folder, port=port, strands=strands, root=root, detached=False, say=say)
    try:
        yield cloud
    finally:
        ministack.stop(folder)


def start(
    folder: Path = STATE,
    *,
    port: int | None = None,
    strands: int | None = None,
    root: Path = package.ROOT,
    detached: bool = True,
    say: Say = print,
) -> Cloud:
    """Package, start and deploy. A cloud on kept state has all its data.

    `strands` is the number of strands in genesis. None keeps the number of the state, or makes one strand.
    """
    if sys.version_info < OLDEST_PYTHON:
        version = sys.version.split()[0]
        raise SetUpFault(f"Python {version} is too old: install 3.11 or later, remove .venv and repeat.")
    folder = folder.resolve()
    strands = _agreed(folder, strands)
    began = time.monotonic()
    say("packaging the functions")
    packages = package.build("local", root=root, say=say)
    say("starting the local cloud")
    process = ministack.start(folder, port or ministack.free_port(), detached=detached)
    try:
        say("deploying template.yaml")
        return _deploy(process, folder, packages, strands, root, say)
    except BaseException:
        ministack.stop(folder)
        raise
    finally:
        say(f"  {time.monotonic() - began:.1f} s")


def port_of(text: str | None) -> int:
    """The number in PORT=, or 4566; raises `SetUpFault` for any other text."""
    if not text:
        return PORT
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= ministack.LAST_PORT):
        raise SetUpFault(
            f"PORT={text} is not a port: give a number from 1 to {ministack.LAST_PORT}, as in PORT={PORT}."
        )
    return int(text)


def strands_of(text: str | None) -> int | None:
    """The number in STRANDS=, or None; raises `SetUpFault` for a number that the template refuses."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_STRANDS):
        raise SetUpFault(
            f"STRANDS={text} is not a number of strands: give 1 to {MAX_STRANDS}, as in STRANDS=4."
        )
    return int(text)


def open_cloud(folder: Path = STATE) -> Cloud:
    """The running cloud of this folder; raises `SetUpFault` if none runs."""
    process, card = ministack.running(folder), folder / "cloud.json"
    if process is None or not card.exists():
        raise SetUpFault("The local cloud is not running: `make run` starts it.")
    said = json.loads(card.read_text())
    return Cloud(said["base_url"], process.endpoint_url, said["outputs"], _operator(folder), folder=folder)


def redeploy(folder: Path = STATE, *, policy: str = "", root: Path = package.ROOT, say: Say = print) -> Cloud:
    """Deploy the changed code and template to the running cloud."""
    process = ministack.running(folder)
    if process is None:
        raise SetUpFault("The local cloud is not running: `make run` starts it.")
    strands = _agreed(folder, None)
    packages = package.build("local", root=root, say=say)
    return _deploy(process, folder, packages, strands, root, say, policy=policy)


def add_witness(cloud: Cloud, name: str, *, root: Path = package.ROOT, say: Say = print) -> str:
    """Deploy a witness that audits this cloud's log, in a stack of its own, and return its address."""
    origin = f"{cloud.origin}/{SUPER}"
    line = f"{parse_vkey(log_key(cloud)).named(origin).vkey} {cloud.base_url}/ledger audit\n"
    packages = package.build("local", root=root, say=say)
    return stack.deploy_witness(cloud, root / "template.yaml", packages, name, line)


def log_key(cloud: Cloud) -> str:
    """The vkey of the cloud's log, from its genesis, which people pin.

    To take it from the log itself is only for trials. A real vkey must reach you once in another way.
    """
    with urlopen(f"{cloud.base_url}/ledger/genesis", timeout=10) as answer:  # noqa: S310 - our own address
        note = answer.read().decode("utf-8")
    genesis = parse_genesis(note.split("\n\n", 1)[0] + "\n")
    return Verifier(genesis.origin, genesis.log).vkey


def clean(folder: Path = STATE) -> None:
    """Stop the cloud and remove its state."""
    ministack.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _agreed(folder: Path, wanted: int | None) -> int:
    """The number of strands to deploy. That of an existing genesis never changes, so another number is
    refused."""
    card = folder / "cloud.json"
    if not card.exists():
        return wanted or STRANDS
    kept = int(json.loads(card.read_text()).get("strands", STRANDS))
    if wanted not in (None, kept):
        raise SetUpFault(
            f"STRANDS={wanted} does not fit: genesis here has {kept}. `carevouch epoch` orders more for the "
            "log that is here. `make clean` removes it, so that a new log can begin."
        )
    return kept


def _deploy(
    process: ministack.Process,
    folder: Path,
    packages: Mapping[str, Path],
    strands: int,
    root: Path,
    say: Say,
    *,
    policy: str = "",
) -> Cloud:
    deployed = stack.deploy(
        process.endpoint_url,
        root / "template.yaml",
        packages,
        _operator(folder),
        strands=strands,
        policy=policy,
        say=say,
    )
    cloud = replace(deployed, folder=folder)
    card = {
        "base_url": cloud.base_url,
        "endpoint_url": cloud.endpoint_url,
        "outputs": dict(cloud.outputs),
        "strands": strands,
    }
    (folder / "cloud.json").write_text(json.dumps(card, indent=2))
    return cloud


def _operator(folder: Path) -> dict[str, str]:
    """The private key of this cloud's operator, made at first use. In production it is never on a server."""
    from cryptography.hazmat.primitives.asymmetric import ec

    path = folder / "operator.jwk.json"
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1()).private_numbers()
        x, y, d = (
            b64u(n.to_bytes(32, "big"))
            for n in (key.public_numbers.x, key.public_numbers.y, key.private_value)
        )
        path.touch(mode=0o600)
        path.write_text(json.dumps({"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d}))
    said: dict[str, str] = json.loads(path.read_text())
    return said


def _status(folder: Path) -> int:
    process = ministack.running(folder)
    if process is None:
        print("not running")
        return 1
    cloud = open_cloud(folder)
    print(f"running as process {process.pid}\nbase URL {cloud.base_url}\nAWS endpoint {cloud.endpoint_url}")
    return 0


def main() -> int:
    """Run the command line, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.local", description="The local cloud of this checkout."
    )
    parser.add_argument("verb", choices=["start", "stop", "status", "deploy", "clean", "url", "vkey"])
    parser.add_argument(
        "--state", type=Path, default=STATE, help="folder of its state (default: %(default)s)"
    )
    parser.add_argument("--port", default=os.environ.get("PORT"), help=f"default: $PORT, or {PORT}")
    parser.add_argument(
        "--strands", default=os.environ.get("STRANDS"), help=f"of a new log; default: $STRANDS, or {STRANDS}"
    )
    chosen = parser.parse_args()
    if chosen.verb == "start":
        start(chosen.state, port=port_of(chosen.port), strands=strands_of(chosen.strands))
    elif chosen.verb == "stop":
        print("stopped, state kept" if ministack.stop(chosen.state) else "not running")
    elif chosen.verb == "deploy":
        redeploy(chosen.state)
    elif chosen.verb == "clean":
        clean(chosen.state)
    elif chosen.verb == "url":
        print(open_cloud(chosen.state).base_url)
    elif chosen.verb == "vkey":
        print(log_key(open_cloud(chosen.state)))
    return _status(chosen.state) if chosen.verb == "status" else 0


if __name__ == "__main__":
    sys.exit(explained(main))
