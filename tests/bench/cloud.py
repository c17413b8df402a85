"""End to end on the local cloud: from a row that the table accepted to the checkpoint that covers its event.

Signed acts are made ahead (`tests/signed_acts.py`) and written straight into the documents table, so that the
gateway, a call of which costs 60 ms here, is not what is measured; one figure through the public API stands
beside it. Everything behind the table is the deployed system: stream, sealer, inbox, super-log.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from carevouch.events.envelope import strand_of
from carevouch.ledger.checkpoint import parse_checkpoint
from carevouch.ledger.note import parse_note
from carevouch.sealing.marks import event_mark
from carevouch.store.dynamo import DynamoRows
from carevouch.store.log.rows import DynamoLedger
from infra import ministack
from infra.local import local_cloud
from infra.stack import Cloud
from infra.story.client import Http
from infra.story.parties import Keys, Operator
from tests.bench.publication import Sightings, quantile, waits, watching
from tests.people import observation, synthetic_patient
from tests.signed_acts import Backlog, backlog, reached, table

STRANDS = (1, 2, 4)
WARM_UP, STEADY, FLOOD = 20, 100, 400
# Offered in the steady run: well below what the flood shows, so that no queue grows.
STEADY_PER_SECOND = 25
# As one BatchWriteItem takes.
BATCH = 25
ENVIRONMENTS = 3
API_SECONDS, API_CALLERS = 5, 4
PATIENCE_SECONDS = 60


# When each event was accepted, by its id.
Accepted = dict[str, float]


@dataclass(frozen=True)
class Flow:
    """One run: what was offered, and what came out. Rates per second, waits in seconds.

    `server` and `functions` are the cores that MiniStack and the functions' processes used meanwhile.
    """

    name: str
    strands: int
    events: int
    accepted: float
    published: float
    p50: float
    p99: float
    server: float
    functions: float


def cloud() -> list[Flow]:
    """A fresh cloud for each number of strands; about half a minute each."""
    found = []
    for strands in STRANDS:
        with (
            tempfile.TemporaryDirectory(prefix="carevouch-bench-") as folder,
            local_cloud(Path(folder), strands=strands, say=lambda line: None) as running,
            reached(running),
        ):
            runs = Runs(running, strands)
            warm_up(running)
            runs.run("warm-up", WARM_UP, flood)
            found += [runs.run("steady", STEADY, steady), runs.run("flood", FLOOD, flood)]
            if strands == 1:
                found.append(runs.watched("flood through the public API", through_the_api(running)))
    return found


@dataclass
class Runs:
    """Runs on one cloud."""

    cloud: Cloud
    strands: int

    def __post_init__(self) -> None:
        self.rows = table(self.cloud)
        self._s3 = self.cloud.client("s3")
        self._marks = DynamoLedger(self.cloud.client("dynamodb"), self.cloud.ledger_table)

    def run(self, name: str, count: int, offer: Callable[[DynamoRows, Backlog], Accepted]) -> Flow:
        """Sign `count` acts, offer them, and wait until all are published."""
        acts = backlog(self.cloud, count)
        self.rows.put_new(acts.certificate)
        return self.watched(name, lambda: offer(self.rows, acts))

    def watched(self, name: str, offer: Callable[[], Accepted]) -> Flow:
        """The fate of the events that `offer` has accepted; it says when each was accepted."""
        began, before = time.monotonic(), self._cores()
        with watching(self._size, self.strands) as seen:
            accepted = offer()
            found = self._published(seen, accepted)
        seconds, after = time.monotonic() - began, self._cores()
        first, last = min(accepted.values()), max(accepted.values())
        over = max(accepted[id_] + wait for id_, wait in found.items())
        return Flow(
            name,
            self.strands,
            len(accepted),
            len(accepted) / max(last - began, 1e-9),
            len(found) / (over - min(first, began)),
            quantile(list(found.values()), 0.5),
            quantile(list(found.values()), 0.99),
            (after[0] - before[0]) / seconds,
            (after[1] - before[1]) / seconds,
        )

    def _published(self, seen: Sightings, accepted: Accepted) -> dict[str, float]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = waits(seen, accepted, self._places(list(accepted)))
            if len(found) == len(accepted):
                return found
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(found)} of {len(accepted)} events were published in time")
            time.sleep(1)

    def _places(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        for strand in range(self.strands):
            mine = {event_mark(id_): id_ for id_ in ids if strand_of(id_, self.strands) == strand}
            marks = self._marks.get(strand, list(mine))
            places |= {mine[key]: (strand, mark.index) for key, mark in marks.items()}
        return places

    def _size(self, strand: int) -> int:
        try:
            note = self._s3.get_object(Bucket=self.cloud.ledger_bucket, Key=f"{strand}/checkpoint")
        except self._s3.exceptions.NoSuchKey:
            return 0
        return parse_checkpoint(parse_note(note["Body"].read()).text).size

    def _cores(self) -> tuple[float, float]:
        process = ministack.running(self.cloud.folder)
        return (0.0, 0.0) if process is None else _cpu_seconds(process.pid)


def warm_up(running: Cloud) -> None:
    """Let as many environments of the sealer start as stream, inbox and clock can need at once."""
    with ThreadPoolExecutor(ENVIRONMENTS) as pool:
        list(pool.map(lambda _: running.seal(), range(ENVIRONMENTS)))


def flood(rows: DynamoRows, acts: Backlog) -> Accepted:
    """All at once, as fast as the table takes them; when each was accepted."""
    accepted: Accepted = {}
    for at in range(0, len(acts.rows), BATCH):
        rows.stage(acts.rows[at : at + BATCH])
        accepted |= dict.fromkeys([event.id for event in acts.events[at : at + BATCH]], time.monotonic())
    return accepted


def steady(rows: DynamoRows, acts: Backlog) -> Accepted:
    """One by one, so many a second."""
    accepted: Accepted = {}
    began = time.monotonic()
    for number, (row, event) in enumerate(zip(acts.rows, acts.events, strict=True)):
        time.sleep(max(0.0, began + number / STEADY_PER_SECOND - time.monotonic()))
        rows.put_new(row)
        accepted[event.id] = time.monotonic()
    return accepted


def through_the_api(running: Cloud) -> Callable[[], Accepted]:
    """A warm client that posts an invented person's Observations over HTTP, several at a time."""
    with tempfile.TemporaryDirectory() as folder:
        hospital = Operator(running, Http(running.base_url), Path(folder)).admit(
            "hospital", ["provider"], Keys(Path(folder))
        )
    body = synthetic_patient(int.from_bytes(os.urandom(6), "big"))
    patient = str(hospital.expect(201, "POST", "/fhir/Patient", body).json()["id"])

    def posts(until: float) -> Accepted:
        accepted: Accepted = {}
        while not accepted or time.monotonic() < until:
            answer = hospital.expect(201, "POST", "/fhir/Observation", observation(patient))
            accepted[answer.headers["carevouch-event"]] = time.monotonic()
        return accepted

    def side_by_side(seconds: float) -> Accepted:
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(API_CALLERS) as pool:
            done = pool.map(posts, [until] * API_CALLERS)
            return {id_: at for one in done for id_, at in one.items()}

    side_by_side(0)
    return lambda: side_by_side(API_SECONDS)


def _cpu_seconds(pid: int) -> tuple[float, float]:
    """Seconds of CPU that a process, and all below it, have used; nothing where there is no /proc."""
    used: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # proc(5): after the name come state, parent, ..., utime and stime as fields 14 and 15 of the line.
        used[int(path.parent.name)] = int(words[1]), sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK")
    below = {pid}
    while grown := {child for child, (parent, _) in used.items() if parent in below} - below:
        below |= grown
    own = used.get(pid, (0, 0.0))[1]
    return own, sum(used[one][1] for one in below if one in used) - own
