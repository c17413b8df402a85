"""The inputs of the door: members of our own JSON, patients, and permitted senders."""

from collections.abc import Set
from typing import Any

from carevouch.consent.read import normal
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Forbidden, Invalid, NotFound
from carevouch.kernel.ids import PART
from services.consent.ports import Ports


def members(value: JsonObject, name: str, required: Set[str], optional: Set[str] = frozenset()) -> JsonObject:
    """`value`, if it has exactly these members; raises `Invalid` naming those that it may have."""
    if not required <= value.keys() <= required | optional:
        needed = f"must have {', '.join(sorted(required))}" if required else "must be an empty object"
        more = f" and may have {', '.join(sorted(optional))}" if optional else ""
        raise Invalid(f"{name} {needed}{more}; leave out every other member")
    return value


def text(value: Any, name: str) -> str:
    """`value`, if it is a text that is not empty; raises `Invalid`."""
    if not isinstance(value, str) or not value:
        raise Invalid(f"{name} must be a text that is not empty")
    return value


def patient_of(value: Any, name: str, ports: Ports) -> str:
    """The patient id in an id or a reference. A reference to another server stays whole and finds nobody."""
    reference = text(value.get("reference") if isinstance(value, dict) else value, name)
    return (normal(reference, ports.access.base) or reference).removeprefix("Patient/")


def subject_of(id_: str) -> str | None:
    """The patient id with which a document's id begins, or None if it has another form."""
    head = id_.partition(".")[0]
    return head if PART.fullmatch(head) else None


def require_device(caller: Caller, letter: str) -> None:
    """Raise `Forbidden` unless the caller is a person's own device with this scope for Consent."""
    if caller.patient is None:
        raise Forbidden("only the patient's own device may do this; ask through /consent/requests")
    caller.require_scope("Consent", letter)


def require_own(caller: Caller, patient: str | None, absent: str) -> str:
    """The patient, if the caller is their device; raises the same `NotFound` for every other patient."""
    if patient is None or caller.patient != patient:
        raise NotFound(absent)
    return patient
