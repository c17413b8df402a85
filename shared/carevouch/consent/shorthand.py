"""Decision cases in shorthand: one JSON object a line, with consents, a request, a resource and the answer.

Authors of policies test with these files, so the reader is strict. It refuses an unknown field, a wrong type
or an impossible date, and names the line and the field. Otherwise a typing mistake would look like a policy
that works. The consents count as signed.

    {"n": name, "consents": […], "rq": request, "rs": resource, "exp": "permit" | "deny", "default": …}
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar

from carevouch.consent.codes import DEFAULT_PURPOSE, RANK, is_known_purpose, purpose_token
from carevouch.consent.model import (
    DENY,
    MEANINGS,
    PERMIT,
    STATUSES,
    Actions,
    Actors,
    Classes,
    Codes,
    Consent,
    Data,
    DataPeriod,
    Effect,
    Provision,
    Purposes,
    labels_of,
)
from carevouch.consent.question import (
    ACTIONS,
    AccessRequest,
    Interval,
    ResourceFacts,
    interval_of,
    period_of,
)
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid
from carevouch.kernel.jsontext import parse

PATIENT = "Patient/1"
# A purpose that v3-ActReason does not have, such as FooBar, is a local one.
LOCAL_PURPOSES = "urn:carevouch:purpose:local"
DEFAULT_NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
DEFAULT_ACTORS = ("Practitioner/other",)
DEFAULT_TYPE = "Observation"
DEFAULT_ID = "Observation/1"
DEFAULT_DATE = "2021-05-01"
DEFAULT_CONFIDENTIALITY = "N"
# People write and read case files, so a larger file must be something else.
MAX_BYTES = 16 * 1024 * 1024

_CASE = frozenset(("n", "consents", "rq", "rs", "exp", "default"))
_CONSENT = frozenset(("status", "policyRule", "provision"))
_PROVISION = frozenset(
    ("type", "period", "actor", "purpose", "action", "label", "class", "code", "dataPeriod", "data")
) | {"provision", "unknown"}
_REQUEST = frozenset(("purpose", "actors", "action", "now", "btg_ok"))
_RESOURCE = frozenset(("type", "id", "conf", "sens", "date", "authors", "related", "codes"))
_EFFECTS: dict[Any, Effect] = {"permit": PERMIT, "deny": DENY}
_POLICY_RULES: dict[Any, Effect] = {"OPTIN": PERMIT, "OPTOUT": DENY}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DecisionCase:
    """One line: the consents, the request, the resource and the expected answer. `raw` is the parsed line."""

    line: int
    name: str
    consents: tuple[Consent, ...]
    request: AccessRequest
    resource: ResourceFacts
    expected: Effect
    default: Effect
    raw: JsonObject


def read_cases(data: bytes) -> tuple[DecisionCase, ...]:
    """All cases of a JSONL file, without blank lines; raises `Malformed` or `Invalid` with line and field."""
    if len(data) > MAX_BYTES:
        raise Invalid(f"the case file has more than {MAX_BYTES} bytes; split it")
    cases: list[DecisionCase] = []
    names: dict[str, int] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        case = read_case(line, number)
        if case.name in names:
            raise Invalid(f"line {number}: n: line {names[case.name]} has this name already; choose another")
        names[case.name] = number
        cases.append(case)
    return tuple(cases)


def read_case(line: bytes, number: int) -> DecisionCase:
    """The case of one line; raises `Malformed` or `Invalid` naming the line and the field."""
    raw = parse(line, f"line {number}")
    try:
        _members(raw, "the case", _CASE)
        consents = _list(raw.get("consents"), "consents", required=True)
        return DecisionCase(
            line=number,
            name=_text(raw.get("n"), "n"),
            consents=tuple(_consent(value, at) for at, value in enumerate(consents)),
            request=_request(_members(raw.get("rq"), "rq", _REQUEST), "rq.", DEFAULT_NOW, UTC),
            resource=_resource(_members(raw.get("rs"), "rs", _RESOURCE)),
            expected=_one_of(raw.get("exp"), "exp", _EFFECTS),
            default=_one_of(raw.get("default", "deny"), "default", _EFFECTS),
            raw=raw,
        )
    except _Wrong as wrong:
        raise Invalid(f"line {number}: {wrong}") from None


def read_request(raw: Any, *, now: datetime = DEFAULT_NOW, zone: tzinfo = UTC) -> AccessRequest:
    """A request in shorthand, alone in a file; raises `Invalid`. `now` applies if the request has none."""
    try:
        return _request(_members(raw, "the request", _REQUEST), "", now, zone)
    except _Wrong as wrong:
        raise Invalid(f"the request: {wrong}") from None


class _Wrong(Exception):
    """A field and its correct form. The value is left out, because it could be about a person."""

    def __init__(self, field: str, should: str) -> None:
        super().__init__(f"{field}: {should}")


def _consent(value: Any, at: int) -> Consent:
    where = f"consents[{at}]"
    raw = _members(value, where, _CONSENT)
    policy = _optional(raw, "policyRule", where, lambda item, field: _one_of(item, field, _POLICY_RULES))
    root = _provision(raw.get("provision", {}), f"{where}.provision", "provision", policy, is_root=True)
    status = _one_of(raw.get("status"), f"{where}.status", {code: code for code in STATUSES})
    return Consent(f"Consent/{at + 1}", 1, PATIENT, status, root, signed=True, policy_rule=policy)


def _provision(value: Any, where: str, path: str, policy: Effect | None, *, is_root: bool) -> Provision:
    raw = _members(value, where, _PROVISION)
    type_ = _optional(raw, "type", where, lambda item, field: _one_of(item, field, _EFFECTS))
    if "unknown" in raw and raw["unknown"] not in (0, 1):
        raise _Wrong(f"{where}.unknown", "0 or 1")
    untyped = type_ is None and not is_root
    children = _list(raw.get("provision"), f"{where}.provision")
    return Provision(
        path=path,
        type=type_ or policy,
        period=_optional(raw, "period", where, _period),
        actor=_optional(raw, "actor", where, lambda item, field: Actors(_texts(item, field))),
        purpose=_optional(raw, "purpose", where, _purposes),
        action=_optional(raw, "action", where, _actions),
        label=_optional(raw, "label", where, lambda item, field: labels_of(_texts(item, field))),
        class_=_optional(raw, "class", where, lambda item, field: Classes(_texts(item, field))),
        code=_optional(raw, "code", where, lambda item, field: Codes(_texts(item, field))),
        data_period=_optional(raw, "dataPeriod", where, lambda item, field: DataPeriod(_period(item, field))),
        data=_optional(raw, "data", where, _data),
        provision=tuple(
            _provision(child, f"{where}.provision[{at}]", f"{path}.provision[{at}]", None, is_root=False)
            for at, child in enumerate(children)
        ),
        fault="modifierExtension" if raw.get("unknown") else "type" if untyped else None,
    )


def _request(raw: JsonObject, where: str, now: datetime, zone: tzinfo) -> AccessRequest:
    if "now" in raw:
        low = _interval(raw["now"], f"{where}now", zone).low
        if low is None:
            raise _Wrong(f"{where}now", "not a time in the years 1 to 9999")
        now = low
    action = raw.get("action", "access")
    actors = raw.get("actors", list(DEFAULT_ACTORS))
    return AccessRequest(
        purpose=_purpose(raw.get("purpose", DEFAULT_PURPOSE), f"{where}purpose"),
        actors=None if actors is None else _texts(actors, f"{where}actors", may_be_empty=True),
        now=now,
        action=_one_of(action, f"{where}action", {code: code for code in ACTIONS}),
        btg_ok=_one_of(raw.get("btg_ok", False), f"{where}btg_ok", {True: True, False: False}),
    )


def _resource(raw: JsonObject) -> ResourceFacts:
    confidentiality = raw.get("conf", DEFAULT_CONFIDENTIALITY)
    date = raw.get("date", DEFAULT_DATE)
    return ResourceFacts(
        type=_text(raw.get("type", DEFAULT_TYPE), "rs.type"),
        reference=_text(raw.get("id", DEFAULT_ID), "rs.id"),
        subjects=(PATIENT,),
        confidentiality=_one_of(confidentiality, "rs.conf", {None: None} | {code: code for code in RANK}),
        sensitivities=_texts(raw.get("sens", []), "rs.sens", may_be_empty=True),
        date=None if date is None else _interval(date, "rs.date", UTC),
        authors=_texts(raw.get("authors", []), "rs.authors", may_be_empty=True),
        related=_texts(raw.get("related", []), "rs.related", may_be_empty=True),
        codes=_texts(raw.get("codes", []), "rs.codes", may_be_empty=True),
    )


def _optional(raw: JsonObject, name: str, where: str, read: Callable[[Any, str], _T]) -> _T | None:
    return read(raw[name], f"{where}.{name}") if name in raw else None


def _members(value: Any, field: str, allowed: frozenset[str]) -> JsonObject:
    if not isinstance(value, dict):
        raise _Wrong(field, "an object is needed here")
    for name in value:
        if name not in allowed:
            raise _Wrong(field, f"a field that does not exist; known are {', '.join(sorted(allowed))}")
    return value


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong(field, "a text is needed here")
    return value


def _list(value: Any, field: str, *, required: bool = False) -> list[Any]:
    if value is None and not required:
        return []
    if not isinstance(value, list):
        raise _Wrong(field, "a list is needed here")
    return value


def _some(value: Any, field: str) -> list[Any]:
    items = _list(value, field, required=True)
    if not items:
        raise _Wrong(field, "an empty list; leave the field out to put no constraint")
    return items


def _texts(value: Any, field: str, *, may_be_empty: bool = False) -> frozenset[str]:
    items = _list(value, field, required=True) if may_be_empty else _some(value, field)
    return frozenset(_text(item, f"{field}[{at}]") for at, item in enumerate(items))


def _one_of(value: Any, field: str, allowed: dict[Any, _T]) -> _T:
    try:
        return allowed[value]
    except (KeyError, TypeError):
        names = ", ".join(sorted("null" if name is None else str(name) for name in allowed))
        raise _Wrong(field, f"one of {names} is needed here") from None


def _purpose(value: Any, field: str) -> str:
    """A purpose from a v3-ActReason code, a local code, `system|code`, or a Coding."""
    if isinstance(value, dict):
        return purpose_token(value.get("system"), _text(value.get("code"), f"{field}.code"))
    code = _text(value, field)
    return code if is_known_purpose(code) or "|" in code else purpose_token(LOCAL_PURPOSES, code)


def _purposes(value: Any, field: str) -> Purposes:
    return Purposes(
        frozenset(_purpose(item, f"{field}[{at}]") for at, item in enumerate(_some(value, field)))
    )


def _actions(value: Any, field: str) -> Actions:
    codes = _texts(value, field)
    if not codes <= set(ACTIONS):
        raise _Wrong(field, f"one of {', '.join(ACTIONS)} is needed here")
    return Actions(codes)


def _data(value: Any, field: str) -> Data:
    pairs = []
    for at, item in enumerate(_some(value, field)):
        if not isinstance(item, list) or len(item) != 2:
            raise _Wrong(f"{field}[{at}]", "a pair [meaning, reference] is needed here")
        meaning = _one_of(item[0], f"{field}[{at}][0]", {code: code for code in MEANINGS})
        pairs.append((meaning, _text(item[1], f"{field}[{at}][1]")))
    return Data(tuple(pairs))


def _period(value: Any, field: str) -> Interval:
    raw = _members(value, field, frozenset(("start", "end")))
    try:
        return period_of(raw.get("start"), raw.get("end"), UTC)
    except ValueError as error:
        raise _Wrong(field, f"{error}") from None


def _interval(value: Any, field: str, zone: tzinfo) -> Interval:
    try:
        return interval_of(value, zone)
    except ValueError as error:
        raise _Wrong(field, f"{error}") from None
