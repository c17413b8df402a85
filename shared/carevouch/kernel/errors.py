"""What can go wrong in a caller's request, as one small tree.

    DomainError             a caller's mistake or a refusal: a stable code and what to mend
    ├── Malformed           the bytes are not what they claim to be (bad JSON, bad base64, wrong shape)
    ├── Invalid             well formed, but against a rule (FHIR element, impossible date, unknown field)
    ├── Unauthenticated     no, an expired or a foreign token; a replayed assertion
    ├── Forbidden           authenticated, but the role or scope does not allow this kind of act
    ├── NotFound            absent, or refused: the two look alike on purpose
    ├── Conflict            a stale version, an identifier already taken, an overlapping contract
    ├── PreconditionFailed  If-Match names another version than the current one
    ├── Unprocessable       understood, but cannot be done as asked (a reference that resolves to nothing)
    ├── TooLarge            above a limit; the sentence names the limit and the way out
    ├── Busy                try again: the same request is under way, or a dependency did not answer
    └── Erased              the person is erased; nothing can be written or read about them

    IntegrityFault          ours or an intruder's: what is stored does not match what was signed. Never a
                            caller's mistake, never swallowed.

Codes are part of the API: a client may switch on them. Messages never hold personal data: no names, dates,
identifiers or clinical codes, only element paths, ids of ours and limits.
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
    """A caller's mistake or a refusal. `message` says what to mend; `issues` lists findings, if several."""

    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, issues: tuple[Issue, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.issues = issues


class Malformed(DomainError):
    """The bytes are not what they claim to be."""

    code = "malformed"


class Invalid(DomainError):
    """Well formed, but against a rule."""

    code = "invalid"


class Unauthenticated(DomainError):
    """The caller could not be told from anybody else."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """The caller's role, scope or status does not allow this kind of act."""

    code = "forbidden"


class NotFound(DomainError):
    """Absent or refused; which of the two is not said."""

    code = "not-found"


class Conflict(DomainError):
    """Somebody else was first: a stale version, a taken identifier, an overlapping range."""

    code = "conflict"


class PreconditionFailed(DomainError):
    """If-Match names another version than the current one."""

    code = "precondition-failed"


class Unprocessable(DomainError):
    """Understood, but it cannot be done as asked."""

    code = "unprocessable"


class TooLarge(DomainError):
    """Above a limit; the message names the limit and the way out."""

    code = "too-large"


class Busy(DomainError):
    """Try again later."""

    code = "busy"


class Unreachable(Busy):
    """Somebody else's server did not answer as it should; trying again may help."""


class Erased(DomainError):
    """The person is erased."""

    code = "erased"


class IntegrityFault(Exception):
    """What is stored or handed over does not match what was signed; `message` names the mismatch."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class OutcomeUnknown(Exception):
    """The write may or may not have happened; only repeating the same bytes or a read can tell."""
