"""What does not match, told as a sentence that begins with the file it is in."""

from collections.abc import Iterator
from contextlib import contextmanager

from carevouch.kernel.errors import DomainError, IntegrityFault, Malformed


class Mismatch(Exception):
    """A file does not verify: a negative answer, never bad input."""


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Whatever is wrong within is a `Mismatch` of this file."""
    try:
        yield
    except (IntegrityFault, DomainError) as fault:
        raise Mismatch(f"{file}: {fault.message}") from fault


def unpublished(origin: str) -> IntegrityFault:
    """A log that the deployment must have shows no checkpoint: not one without entries, which has one too."""
    return IntegrityFault(
        f"the log shows no checkpoint of {origin} (any more); that of a strand which was just added is "
        "not published yet, but within a minute: repeat this then"
    )


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Whatever is wrong within says also what it is about; it stays the kind of wrong that it is."""
    try:
        yield
    except IntegrityFault as fault:
        raise IntegrityFault(f"{what}: {fault.message}") from fault
    except Malformed as error:
        raise Malformed(f"{what}: {error.message}") from error
