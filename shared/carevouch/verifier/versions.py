"""Checks the versions of documents in openings: dense from 1, each once, and each linked to the last.

The order within a document comes from its versions and the hashes of previous leaves, never from a position
in the log. A version may be missing only because its opening was not given. Two revisions of one version are
a fault of their signer. So is a revision that does not follow the one before it.
"""

from collections.abc import Sequence
from itertools import groupby

from carevouch.events.opening import ProvedRevision
from carevouch.ledger.walk import Finding


def find_version_faults(openings: Sequence[tuple[str, ProvedRevision]]) -> list[Finding]:
    """The faults in the order of each document's versions; each opening comes with its file's name."""
    ordered = sorted(openings, key=lambda one: (one[1].doc, one[1].version, one[0]))
    return [
        finding
        for _, group in groupby(ordered, key=lambda one: one[1].doc)
        for finding in _of_document(list(group))
    ]


def _of_document(openings: Sequence[tuple[str, ProvedRevision]]) -> list[Finding]:
    findings, last = [], None
    for file, proved in openings:
        expected = 1 if last is None else last.version + 1
        if last is not None and proved.version == last.version:
            if proved.leaf_hash != last.leaf_hash:
                message = f"{proved.doc} has another version {proved.version} as well"
                findings.append(Finding("version", file, message))
            continue
        if proved.version > expected:
            missing = (
                f"{expected}" if proved.version == expected + 1 else f"{expected} to {proved.version - 1}"
            )
            message = f"version {missing} of {proved.doc} is missing before version {proved.version}"
            findings.append(Finding("version", file, message))
        elif proved.prev != (None if last is None else last.leaf_hash):
            message = f"version {proved.version} of {proved.doc} does not follow from the version before it"
            findings.append(Finding("version", file, message))
        last = proved
    return findings
