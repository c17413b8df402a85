"""The files that prove each act: an opening from the patient's or insurer's own access, a proof from the
public log.

Whoever holds both, genesis and the log's key needs no network and no trust in the operator to check them.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from infra.story.client import Http, Party, Surprise
from shared.events.envelope import parse_event
from shared.kernel.canonical import parse_jcs

# The stream wakes the sealer within seconds; the sweep of each minute finds what it lost.
SEAL_SECONDS = 90
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files of one act, and who holds them."""

    act: str
    holder: str
    opening: Path
    proof: Path


def collect(party: Party, act: str, reference: str, version: int, folder: Path) -> Evidence:
    """Fetch the opening of a revision as `party`, and the proof of its event once it is published."""
    path = f"/ledger/documents/{reference}/{version}/opening"
    opening = party.expect(200, "GET", path).body
    event = parse_event(str(parse_jcs(opening, "the opening")["event"]))
    proof = published(party.http, event.id)
    folder.mkdir(parents=True, exist_ok=True)
    stem = act.replace(" ", "-")
    files = folder / f"{stem}.opening.json", folder / f"{stem}.tlog-proof"
    files[0].write_bytes(opening)
    files[1].write_bytes(proof)
    return Evidence(act, party.name, *files)


def published(http: Http, event_id: str) -> bytes:
    """The `.tlog-proof` of an event, when it is under a published checkpoint; raises `Surprise` after a while."""
    until = time.monotonic() + SEAL_SECONDS
    while time.monotonic() < until:
        answer = http.call("GET", f"/ledger/events/{event_id}/proof")
        if answer.status == 200:
            return answer.body
        time.sleep(POLL_SECONDS)
    raise Surprise(f"event {event_id} was not published within {SEAL_SECONDS} s: {answer.body[:200]!r}")


def verify_command(evidence: Evidence, vkey: str, genesis: Path) -> list[str]:
    """The exact command that verifies the files, as a person would type it."""
    carevouch = str(Path(sys.executable).with_name("carevouch"))
    files = ["--genesis", str(genesis), "--opening", str(evidence.opening)]
    return [carevouch, "verify", str(evidence.proof), "--key", vkey, *files]


def verify(evidence: Evidence, vkey: str, genesis: Path) -> None:
    """Run it in a process of its own, with no way to the cloud; raises `Surprise` when it refuses."""
    command = verify_command(evidence, vkey, genesis)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd="/")
    if done.returncode != 0:
        raise Surprise(f"the proof of '{evidence.act}' does not verify: {done.stdout}{done.stderr}")
