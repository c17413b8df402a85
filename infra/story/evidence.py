"""The files that prove each act: an opening from the patient's or insurer's own access, a proof from the
public log.

With both files, genesis and the log's key, anyone can check the act without a network and without trust in
the operator.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carevouch.events.envelope import parse_event
from carevouch.kernel.canonical import parse_jcs
from infra.story.client import Http, Party, Surprise

# The stream wakes the sealer within seconds, and the sweep each minute finds lost events.
SEAL_SECONDS = 90
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files of one act, and the party that holds them."""

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
    """The `.tlog-proof` of an event, as soon as a published checkpoint covers it; raises `Surprise` if none
    does."""
    until = time.monotonic() + SEAL_SECONDS
    while time.monotonic() < until:
        answer = http.call("GET", f"/ledger/events/{event_id}/proof")
        if answer.status == 200:
            return answer.body
        time.sleep(POLL_SECONDS)
    raise Surprise(f"event {event_id} was not published within {SEAL_SECONDS} s: {answer.body[:200]!r}")


def verify_command(evidence: Sequence[Evidence], vkey: str, genesis: Path) -> list[str]:
    """The exact command that verifies the files, as a person would type it."""
    carevouch = str(Path(sys.executable).with_name("carevouch"))
    proofs = [str(item.proof) for item in evidence]
    openings = [word for item in evidence for word in ("--opening", str(item.opening))]
    return [carevouch, "verify", *proofs, "--key", vkey, "--genesis", str(genesis), *openings]


def verify(evidence: Sequence[Evidence], vkey: str, genesis: Path) -> None:
    """Run the command in its own process, without access to the cloud; raises `Surprise` if it refuses."""
    command = verify_command(evidence, vkey, genesis)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd="/")
    if done.returncode != 0:
        raise Surprise(f"a proof does not verify: {done.stdout}{done.stderr}")
