"""Verifies the receipts and openings that a person holds, and finds the log's answer about each.

Their verification needs only genesis. An audit that watched for their events gives the place of each one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carevouch.events.envelope import Event
from carevouch.events.genesis import Genesis
from carevouch.events.opening import ProvedRevision, parse_opening, verify_opening
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.walk import Finding
from carevouch.verifier.consent import check_consent
from carevouch.verifier.log import Audit
from carevouch.verifier.receipt import (
    EventReplaced,
    EventSealed,
    EventWaiting,
    PromiseBroken,
    Standing,
    parse_receipt,
    standing,
    standing_words,
    verify_receipt,
)
from carevouch.verifier.versions import find_version_faults


@dataclass(frozen=True, slots=True)
class Holdings:
    """The verified receipts and openings, by file name, and findings about the other files."""

    receipts: tuple[tuple[str, Event], ...] = ()
    openings: tuple[tuple[str, ProvedRevision], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def event_ids(self) -> frozenset[str]:
        """The events to watch for."""
        return frozenset(
            [event.id for _, event in self.receipts] + [proved.event.id for _, proved in self.openings]
        )

    def standings(self, audit: Audit) -> list[tuple[str, Event, Standing]]:
        """The standing of each receipt's event in the audited log."""
        return [
            (file, event, standing(event, audit.seen(event.id), audit.time)) for file, event in self.receipts
        ]

    def faults(self, audit: Audit) -> list[Finding]:
        """Every fault of the files, and every fault of the log that they prove."""
        findings = list(self.findings)
        for file, event, place in self.standings(audit):
            if isinstance(place, PromiseBroken | EventReplaced):
                findings.append(Finding("receipt", file, f"{standing_words(event, place)}: evidence"))
        for file, proved in self.openings:
            place = standing(proved.event, audit.seen(proved.event.id), audit.time)
            if not isinstance(place, EventSealed | EventWaiting):
                findings.append(Finding("opening", file, standing_words(proved.event, place)))
        return findings + find_version_faults(self.openings)


def verify_holdings(
    receipts: Sequence[str], openings: Sequence[str], read: Callable[[str], bytes], genesis: Genesis
) -> Holdings:
    """Verify the files of these names, which `read` reads; a file that does not verify is a finding.

    Raises `OSError` for a file that cannot be read.
    """
    findings, events, revisions = [], [], []
    for file in receipts:
        try:
            events.append((file, verify_receipt(parse_receipt(read(file)), genesis)))
        except (IntegrityFault, Malformed) as fault:
            findings.append(Finding("receipt", file, fault.message))
    for file in openings:
        try:
            revisions.append((file, verify_opening(parse_opening(read(file)), genesis, check_consent)))
        except (IntegrityFault, Malformed) as fault:
            findings.append(Finding("opening", file, fault.message))
    return Holdings(tuple(events), tuple(revisions), tuple(findings))
