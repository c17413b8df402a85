"""A Consent that somebody hands in, checked before anything is stored: FHIR, whom it is about, lint.

A Consent that cannot be understood is refused here, because it could only ever be applied as "no". A
suspicious one is stored with warnings. This module never looks at the person's records, so its answers do
not tell whether there are any.
"""

from collections.abc import Iterable
from typing import Any

from carevouch.consent.lint import ConsentFinding, is_refused, lint
from carevouch.consent.model import Consent
from carevouch.consent.question import Directory
from carevouch.consent.read import read_consent, reference_of
from carevouch.events.catalogue import DIRECTORY_TYPES
from carevouch.fhir.validate import require_valid
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Issue, Malformed, TooLarge, Unprocessable
from carevouch.kernel.ids import parse_reference
from carevouch.kernel.jsontext import render
from carevouch.records.resource import stamped
from services.consent.ports import Ports

# A Consent of words and codes has a few KB. Scans belong in a DocumentReference; a page of 40 stays below
# the 4 MB of an answer, and a granted row far below the 400 KB of the store.
MAX_CONTENT_BYTES = 64_000
# Each actor is looked up for a warning; beyond this they are warned about unseen.
MAX_ACTORS = 20


def about(resource: Any, patient: str, ports: Ports, **changes: Any) -> JsonObject:
    """`resource` as a valid Consent of `patient`, with `changes`; raises `Invalid`, `Unprocessable`.

    The patient may be left out, because the request says whom it is about; another one is refused.
    """
    if not isinstance(resource, dict):
        return require_valid(resource, "Consent")
    own = {"reference": f"Patient/{patient}"}
    if resource.get("patient") is None:
        resource = {**resource, "patient": own}
    require_valid(resource, "Consent")
    if reference_of(resource["patient"], ports.access.base) != own["reference"]:
        raise Unprocessable("Consent.patient is another person than the request is about")
    return {**resource, "patient": own, **changes}


def model_of(resource: JsonObject, patient: str, ports: Ports) -> Consent:
    """The rules' view of a Consent that is handed in, as if it were signed."""
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
    """The warnings; raises `Unprocessable` with all findings if the Consent must not be stored."""
    findings = lint(consent, _directory(consent, ports))
    if is_refused(findings):
        errors = [finding for finding in findings if finding.severity == "error"]
        issues = tuple(Issue(error.message, _place(error), "business-rule") for error in errors)
        raise Unprocessable(f"{issues[0].where}: {issues[0].message}", issues=issues)
    return findings


def require_about_asker(consent: Consent, caller: Caller) -> None:
    """Raise `Unprocessable` unless the root clause is for the asking organisation and nobody else.

    Inner clauses only count for whoever the root reaches, so the root settles it.
    """
    actor = consent.root.actor
    if actor is None or actor.doubts or actor.references != {caller.reference}:
        raise Unprocessable(
            "Consent.provision.actor names you, and nobody else, in the role of recipient (IRCP); "
            "nobody asks for others"
        )


def bytes_of(resource: JsonObject, id_: str, version: int, time: str, author: str) -> bytes:
    """The exact bytes to be stored and signed; raises `TooLarge`."""
    content = render(stamped(resource, id_, version, time, author))
    if len(content) > MAX_CONTENT_BYTES:
        raise TooLarge(
            f"a Consent has at most {MAX_CONTENT_BYTES // 1000} KB; put documents into a DocumentReference"
        )
    return content


def issues_of(findings: Iterable[ConsentFinding]) -> list[JsonObject]:
    """Findings in the form of OperationOutcome.issue."""
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
    """Findings beside an answer that is a resource: `code element`, separated by semicolons."""
    told = "; ".join(f"{finding.code} {_place(finding)}" for finding in findings)
    return {"Carevouch-Warnings": told} if told else {}


def _place(finding: ConsentFinding) -> str:
    return finding.where if finding.where.startswith("Consent") else f"Consent.{finding.where}"


def _directory(consent: Consent, ports: Ports) -> Directory:
    clauses = consent.root.walk()
    named = {reference for clause in clauses if clause.actor for reference in clause.actor.references}
    looked_up = sorted(named)[:MAX_ACTORS]
    return {reference: () for reference in looked_up if _is_known(reference, consent.patient, ports)}


def _is_known(reference: str, patient: str | None, ports: Ports) -> bool:
    # Only the directory and the person are looked up: a warning must not tell whether somebody else is here.
    if reference == patient:
        return True
    try:
        doc = parse_reference(reference)
    except Malformed:
        return False
    return doc.subject is None and doc.type in DIRECTORY_TYPES and ports.access.reader.find(doc) is not None
