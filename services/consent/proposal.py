"""The checks of a Consent before it is stored: FHIR, its patient, lint.

A Consent that cannot be understood is refused here, because every door would apply it as "no". A suspicious
one is stored with warnings. This module never looks at the person's records, so its answers do not reveal
whether there are any.
"""

from collections.abc import Iterable
from typing import Any

from carevouch.consent.lint import ConsentFinding, is_refused, lint
from carevouch.consent.model import Consent
from carevouch.consent.read import read_consent, reference_of
from carevouch.events.catalogue import DIRECTORY_TYPES
from carevouch.fhir.validate import require_valid
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Issue, Malformed, TooLarge, Unprocessable
from carevouch.kernel.ids import parse_reference
from carevouch.kernel.jsontext import render
from carevouch.records.resource import stamped
from services.consent.ports import Ports

# A Consent of words and codes has a few KB; scans belong in a DocumentReference. A page of 40 stays below the
# 4 MB of an answer, and a granted row far below the 400 KB of the store.
MAX_CONTENT_BYTES = 64_000
# Each actor is looked up, so that a warning can name unknown ones. Further actors count as unknown.
MAX_ACTORS = 20


def about(resource: Any, patient: str, ports: Ports) -> JsonObject:
    """`resource` as a valid Consent of `patient`; raises `Invalid` or `Unprocessable`.

    The resource may omit its patient, because the request names one. Another patient is refused.
    """
    if not isinstance(resource, dict):
        return require_valid(resource, "Consent")
    own = {"reference": f"Patient/{patient}"}
    if resource.get("patient") is None:
        resource = {**resource, "patient": own}
    require_valid(resource, "Consent")
    if reference_of(resource["patient"], ports.access.base) != own["reference"]:
        raise Unprocessable("Consent.patient must be the person whom the request is about")
    return {**resource, "patient": own}


def model_of(resource: JsonObject, patient: str, ports: Ports) -> Consent:
    """The Consent as the rules would see it if it were signed."""
    return read_consent(
        resource,
        base=ports.access.base,
        zone=ports.access.zone,
        signed=True,
        reference="Consent/new",
        version=1,
        patient=f"Patient/{patient}",
    )


def linted(consent: Consent, ports: Ports) -> tuple[ConsentFinding, ...]:
    """The warnings; raises `Unprocessable` with all errors if the Consent must not be stored."""
    clauses = consent.root.walk()
    references = {reference for clause in clauses if clause.actor for reference in clause.actor.references}
    actors = [one for one in sorted(references)[:MAX_ACTORS] if _is_known(one, consent.patient, ports)]
    findings = lint(consent, dict.fromkeys(actors, ()))
    if is_refused(findings):
        errors = [finding for finding in findings if finding.severity == "error"]
        issues = tuple(Issue(error.message, _place(error), "business-rule") for error in errors)
        raise Unprocessable(f"{issues[0].where}: {issues[0].message}", issues=issues)
    return findings


def bytes_of(resource: JsonObject, id_: str, version: int, time: str, author: str) -> bytes:
    """The exact bytes to store and to sign; raises `TooLarge`."""
    content = render(stamped(resource, id_, version, time, author))
    if len(content) > MAX_CONTENT_BYTES:
        raise TooLarge(
            f"a Consent has at most {MAX_CONTENT_BYTES // 1000} KB; put documents into a DocumentReference"
        )
    return content


def issues_of(findings: Iterable[ConsentFinding]) -> list[JsonObject]:
    """The findings as OperationOutcome.issue."""
    return [
        {
            "severity": finding.severity,
            "code": "business-rule",
            "details": {"text": finding.code},
            "diagnostics": finding.message,
            "expression": [_place(finding)],
        }
        for finding in findings
    ]


def warning_header(findings: Iterable[ConsentFinding]) -> dict[str, str]:
    """The findings as a header, for an answer that is a resource: `code element`, with semicolons between."""
    warnings = "; ".join(f"{finding.code} {_place(finding)}" for finding in findings)
    return {"Carevouch-Warnings": warnings} if warnings else {}


def _place(finding: ConsentFinding) -> str:
    return finding.where if finding.where.startswith("Consent") else f"Consent.{finding.where}"


def _is_known(reference: str, patient: str | None, ports: Ports) -> bool:
    """Whether an actor exists.

    Only the directory and the person are looked up: a warning must not reveal whether another person is here.
    """
    if reference == patient:
        return True
    try:
        doc = parse_reference(reference)
    except Malformed:
        return False
    return doc.subject is None and doc.type in DIRECTORY_TYPES and ports.access.reader.find(doc) is not None
