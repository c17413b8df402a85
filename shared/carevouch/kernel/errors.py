"""The errors of a caller's request, as one small tree.

    DomainError             a caller's mistake or a refusal: a stable code and what to mend
    ├── Malformed           the bytes do not have the form they should have (bad JSON, bad base64)
    ├── Invalid             well formed and against a rule (FHIR element, impossible date, unknown field)
    ├── Unauthenticated     the token is missing, expired or of another server; the assertion is a replay
    ├── Forbidden           the caller is known, and the role or scope does not allow this kind of act
    ├── NotFound            absent or refused; the answer is the same for both on purpose
    ├── Conflict            a stale version, an identifier already taken, an overlapping contract
    ├── PreconditionFailed  If-Match names another version than the current one
    ├── Unprocessable       valid, and cannot be done (a reference that resolves to no document)
    ├── TooLarge            above a limit; the sentence names the limit and the way out
    ├── Busy                try again later: the same request is under way, or a service did not answer
    └── Erased              the person is erased; no data about them can be written or read

    IntegrityFault          stored data do not match what was signed. The fault is ours or an intruder's,
                            never a caller's, and no code swallows it.

Codes are part of the API: a client may switch on them. A message never holds personal data. It may hold
element paths, ids of ours and limits, and no names, dates, identifiers or clinical codes.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding about the input: `where` is a FHIRPath-like location such as `Patient.name[0].given`."""

    message: str
    where: str = ""
    code: str = "invalid"  # a code of FHIR IssueType


class DomainError(Exception):
    """A caller's mistake or a refusal. `message` says what to mend; `issues` lists several findings."""

    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, issues: tuple[Issue, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.issues = issues


class Malformed(DomainError):
    """The bytes do not have the form they should have."""

    code = "malformed"


class Invalid(DomainError):
    """The value is well formed and breaks a rule."""

    code = "invalid"


class Unauthenticated(DomainError):
    """The caller did not prove who they are."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """The caller's role, scope or status does not allow this kind of act."""

    code = "forbidden"


class NotFound(DomainError):
    """The resource is absent, or the caller may not read it. The answer does not say which."""

    code = "not-found"


class Conflict(DomainError):
    """Another request was first: a stale version, a taken identifier, an overlapping range."""

    code = "conflict"


class PreconditionFailed(DomainError):
    """If-Match names another version than the current one."""

    code = "precondition-failed"


class Unprocessable(DomainError):
    """The request is valid and cannot be done."""

    code = "unprocessable"


class TooLarge(DomainError):
    """The input is above a limit. The message names the limit and the way out."""

    code = "too-large"


class Busy(DomainError):
    """The request may succeed if it is repeated later."""

    code = "busy"


class Unreachable(Busy):
    """Another operator's server did not answer as it should. A second attempt may help."""


class Erased(DomainError):
    """The person is erased."""

    code = "erased"


class IntegrityFault(Exception):
    """Stored or received data do not match what was signed. `message` names the mismatch."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OutcomeUnknown(Exception):
    """The write may or may not have happened. Only a read, or the same write again, can tell."""
