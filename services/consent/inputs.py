"""Requests in domain words: the members of our own JSON, whom they are about, and who may send them."""

from collections.abc import Set
from typing import Any

from carevouch.consent.read import normal
from carevouch.identity.caller import Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Forbidden, Invalid, NotFound
from carevouch.kernel.ids import PART
from services.consent.ports import Ports


def members(value: JsonObject, what: str, required: Set[str], optional: Set[str] = frozenset()) -> JsonObject:
    """`value`, if it has exactly these members; raises `Invalid` naming those that it may have."""
    if not required <= value.keys() <= required | optional:
        allowed = ", ".join(sorted(required)) or "no members"
        more = f"; it may have {', '.join(sorted(optional))}" if optional else ""
        raise Invalid(f"{what} has {allowed}{more}; nothing else")
    return value


def text(value: Any, what: str) -> str:
    """`value`, if it is text; raises `Invalid`."""
    if not isinstance(value, str) or not value:
        raise Invalid(f"{what} is a text")
    return value


def patient_of(value: Any, what: str, ports: Ports) -> str:
    """The patient id in an id or a reference; the id of another server stays as it is and finds nobody."""
    named = value.get("reference") if isinstance(value, dict) else value
    said = text(named, what)
    return (normal(said, ports.access.base) or said).removeprefix("Patient/")


def subject_of(id_: str) -> str | None:
    """The patient id with which a document's id starts, if it has the form of one."""
    head = id_.partition(".")[0]
    return head if PART.fullmatch(head) else None


def require_device(caller: Caller, letter: str) -> None:
    """Raise `Forbidden` unless the caller is a person's own device with this scope for Consent."""
    if caller.patient is None:
        raise Forbidden("only the patient's own device may do this; ask through /consent/requests")
    caller.require_scope("Consent", letter)


def require_own(caller: Caller, patient: str | None, absent: str) -> str:
    """The patient, if they are the device's own; raises `NotFound` for everybody else alike."""
    if patient is None or caller.patient != patient:
        raise NotFound(absent)
    return patient
