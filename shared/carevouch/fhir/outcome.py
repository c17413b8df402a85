"""OperationOutcome (http://hl7.org/fhir/R4/operationoutcome.html) from our errors: what to mend, and where.

The sentences are those of the errors, which hold no personal data; nothing is added from the request.
"""

from typing import Any, Final

from carevouch.kernel.errors import Issue

ERROR_SYSTEM: Final = "urn:carevouch:error"


def from_issues(
    issues: tuple[Issue, ...], error_code: str | None = None, *, severity: str = "error"
) -> dict[str, Any]:
    """An OperationOutcome with these findings; `error_code` is the stable code a client may switch on."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(severity, issue, error_code) for issue in issues],
    }


def _issue(severity: str, issue: Issue, error_code: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"severity": severity, "code": issue.code}
    if error_code:
        made["details"] = {"coding": [{"system": ERROR_SYSTEM, "code": error_code}]}
    made["diagnostics"] = issue.message
    if issue.where:
        made["expression"] = [issue.where]
    return made
