"""What a person holds, read from files: receipts and openings, verified, and what the log says of them.

Verifying needs genesis only. Where the event stands is said by an audit that watched for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from carevouch.cli.files import read_text
from carevouch.events.envelope import Event
from carevouch.events.genesis import Genesis
from carevouch.events.opening import ProvedRevision, parse_opening, verify_opening
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.walk import Finding
from carevouch.verifier.consent import check_consent
from carevouch.verifier.log import Audit
from carevouch.verifier.receipt import (
    EventRejected,
    EventReplaced,
    EventSealed,
    EventWaiting,
    PromiseBroken,
    Standing,
    parse_receipt,
    standing,
    verify_receipt,
)
from carevouch.verifier.versions import find_version_faults

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Holdings:
    """Receipts and openings that verify, by the names of their files, and findings about the others."""

    receipts: tuple[tuple[str, Event], ...] = ()
    openings: tuple[tuple[str, ProvedRevision], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def event_ids(self) -> frozenset[str]:
        """The events to watch for."""
        return frozenset([event.id for _, event in self.receipts]) | frozenset(
            [proved.event.id for _, proved in self.openings]
        )

    def judged(self, audit: Audit) -> list[tuple[str, Event, Standing]]:
        """What the audited log says of each receipt."""
        return [(file, event, _standing(event, audit)) for file, event in self.receipts]

    def faults(self, audit: Audit) -> list[Finding]:
        """All that is wrong with what is held, or with the log in its light."""
        found = list(self.findings)
        for file, event, said in self.judged(audit):
            if isinstance(said, PromiseBroken | EventReplaced):
                found.append(Finding("receipt", file, f"{standing_words(event, said)}: evidence"))
        for file, proved in self.openings:
            said = _standing(proved.event, audit)
            if not isinstance(said, EventSealed | EventWaiting):
                found.append(Finding("opening", file, standing_words(proved.event, said)))
        return found + find_version_faults(self.openings)


def read_held(receipts: Sequence[str], openings: Sequence[str], genesis: Genesis) -> Holdings:
    """What the files in these folders hold; raises `OSError` for a folder that cannot be read."""
    findings: list[Finding] = []
    events = _verified(
        "receipt", receipts, findings, lambda data: verify_receipt(parse_receipt(data), genesis)
    )
    proved = _verified(
        "opening",
        openings,
        findings,
        lambda data: verify_opening(parse_opening(data), genesis, check_consent),
    )
    return Holdings(events, proved, tuple(findings))


def standing_words(event: Event, said: Standing) -> str:
    """What the log says of an accepted event, for people."""
    match said:
        case EventSealed():
            return f"the event {event.id} is entry {said.index} of strand {said.strand}"
        case EventReplaced():
            place = f"entry {said.index} of strand {said.strand}"
            return f"{place} is another event under the id {event.id}"
        case EventRejected():
            what = "was rejected" if said.exact else "has an id of which another text was rejected"
            place = f"entry {said.index} of strand {said.strand}"
            return f"the event {event.id} {what} by {place}: {said.reason}"
        case EventWaiting():
            now = f"the log's time is {said.now}" if said.now else "the log states no time of every strand"
            return f"the event {event.id} is not in the log and has until {event.seal_by}; {now}"
        case PromiseBroken():
            return (
                f"the event {event.id} was due by {event.seal_by}, the log's time is {said.now}, "
                "and no strand has it or its rejection"
            )


def standing_json(file: str, event: Event, said: Standing) -> JsonObject:
    """The same, for programs."""
    names = {
        EventSealed: "sealed",
        EventReplaced: "replaced",
        EventRejected: "rejected",
        EventWaiting: "waiting",
        PromiseBroken: "broken",
    }
    place: JsonObject = {}
    if isinstance(said, EventSealed | EventReplaced | EventRejected):
        place = {"strand": said.strand, "index": said.index}
    if isinstance(said, EventRejected):
        place |= {"reason": said.reason, "exact": said.exact}
    if isinstance(said, EventWaiting | PromiseBroken):
        place = {"time": said.now}
    return {
        "receipt": file,
        "event": event.id,
        "seal_by": event.seal_by,
        "standing": names[type(said)],
        **place,
    }


def _standing(event: Event, audit: Audit) -> Standing:
    return standing(event, audit.seen(event.id), audit.time)


def _verified(
    code: str, folders: Sequence[str], findings: list[Finding], verify: Callable[[bytes], T]
) -> tuple[tuple[str, T], ...]:
    """What verifies, by file; of what does not, there is a finding."""
    found = []
    for file in _files(folders):
        try:
            found.append((file, verify(read_text(file))))
        except (IntegrityFault, Malformed) as fault:
            findings.append(Finding(code, file, fault.message))
    return tuple(found)


def _files(folders: Sequence[str]) -> list[str]:
    found = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise NotADirectoryError(20, "is no folder", str(folder))
        found += [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(map(str, found))
