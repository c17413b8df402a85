"""OperationOutcome (http://hl7.org/fhir/R4/operationoutcome.html) from our errors: what to mend, and where.

The sentences are the errors' own and hold no personal data. No part of the request is added.
"""

from typing import Any, Final

from carevouch.kernel.errors import Issue

ERROR_SYSTEM: Final = "urn:carevouch:error"


def from_issues(
    issues: tuple[Issue, ...], error_code: str | None = None, *, severity: str = "error"
) -> dict[str, Any]:
    """An OperationOutcome with these issues. A client may switch on the stable `error_code`."""
    entries: list[dict[str, Any]] = []
    for issue in issues:
        entry: dict[str, Any] = {"severity": severity, "code": issue.code}
        if error_code:
            entry["details"] = {"coding": [{"system": ERROR_SYSTEM, "code": error_code}]}
        entry["diagnostics"] = issue.message
        if issue.where:
            entry["expression"] = [issue.where]
        entries.append(entry)
    return {"resourceType": "OperationOutcome", "issue": entries}
