"""OperationOutcome (http://hl7.org/fhir/R4/operationoutcome.html) from our errors: what to mend, and where.

The sentences are those of the errors, which hold no personal data; nothing is added from the request.
"""

from typing import Any, Final

from shared.kernel.errors import DomainError, Issue

# The stable code of a DomainError (the API's own) -> FHIR IssueType.
ISSUE_TYPES: Final[dict[str, str]] = {
    "malformed": "structure",
    "invalid": "invalid",
    "unauthenticated": "login",
    "forbidden": "forbidden",
    "not-found": "not-found",
    "conflict": "conflict",
    "precondition-failed": "conflict",
    "unprocessable": "processing",
    "too-large": "too-long",
    "busy": "transient",
    "erased": "deleted",
}
ERROR_SYSTEM: Final = "urn:carevouch:error"


def outcome(error: DomainError) -> dict[str, Any]:
    """The answer to a request that failed with `error`: one issue for the error, or one per finding."""
    issues = error.issues or (Issue(error.message, code=ISSUE_TYPES.get(error.code, "processing")),)
    return from_issues(issues, error.code)


def from_issues(issues: tuple[Issue, ...], error_code: str | None = None) -> dict[str, Any]:
    """An OperationOutcome with these findings as errors."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue("error", issue, error_code) for issue in issues],
    }


def information(message: str) -> dict[str, Any]:
    """An OperationOutcome that says what went well."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue("information", Issue(message, code="informational"), None)],
    }


def _issue(severity: str, issue: Issue, error_code: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"severity": severity, "code": issue.code}
    if error_code:
        made["details"] = {"coding": [{"system": ERROR_SYSTEM, "code": error_code}]}
    made["diagnostics"] = issue.message
    if issue.where:
        made["expression"] = [issue.where]
    return made
