"""Faults as sentences that begin with the name of the file."""

from collections.abc import Iterator
from contextlib import contextmanager

from carevouch.kernel.errors import DomainError, IntegrityFault, Malformed


class Mismatch(IntegrityFault):
    """A file does not verify. This is a negative answer and never bad input."""


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Turn every fault in the block into a `Mismatch` of this file."""
    try:
        yield
    except Mismatch:
        raise
    except (IntegrityFault, DomainError) as fault:
        raise Mismatch(f"{file}: {fault.message}") from fault


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Put the subject before the message of every fault in the block, and keep its class."""
    try:
        yield
    except IntegrityFault as fault:
        raise IntegrityFault(f"{subject}: {fault.message}") from fault
    except Malformed as error:
        raise Malformed(f"{subject}: {error.message}") from error


def unpublished(origin: str) -> IntegrityFault:
    """The fault of a log without a checkpoint. Even a log without entries has one."""
    return IntegrityFault(
        f"the log shows no checkpoint of {origin} (any more); that of a strand which was just added is "
        "not published yet, but within a minute: repeat this then"
    )
