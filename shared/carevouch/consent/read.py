"""A FHIR R4 (4.0.1) Consent, as parsed JSON, into the model. It never raises for what a consent says.

Content that is wrong in form becomes the `fault` of the clause it stands in (the clause then refuses
whoever it reaches); a value we do not understand becomes a doubt of its element (unknown: no permit, but
a deny). Leaving something out because it looked odd would turn a refusal into silence, and that must
never happen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeVar

from carevouch.consent.codes import ACT_CODE, CONFIDENTIALITY, RANK, label_token, purpose_token
from carevouch.consent.criteria import (
    DENY,
    MEANINGS,
    PERMIT,
    Actions,
    Actors,
    Classes,
    Codes,
    Data,
    DataPeriod,
    Doubts,
    Effect,
    Labels,
    Purposes,
    labels_of,
)
from carevouch.consent.model import NOT_ABOUT_DATA, STATUSES, Consent, Provision
from carevouch.consent.question import ACTIONS, Interval, period_of

CONSENT_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
# Roles that say "this one receives": information recipient and its kinds, and the grantee.
RECIPIENT_ROLES = frozenset(
    {(PARTICIPATION, code) for code in ("IRCP", "PRCP", "NOT", "REFB", "REFT", "TRC")}
    | {(ROLE_CODE, "GRANTEE"), ("http://terminology.hl7.org/CodeSystem/contractsignertypecodes", "GRANTEE")}
)
_T = TypeVar("_T")
_POLICY_RULES: dict[str, Effect] = {"OPTIN": PERMIT, "OPTOUT": DENY}
_EFFECTS: dict[str, Effect] = {"permit": PERMIT, "deny": DENY}
_PLAIN = frozenset(("id", "extension"))
_ELEMENTS = _PLAIN | {
    "type", "period", "actor", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data",
    "provision",
}  # fmt: skip


class _Odd(Exception):
    """An element whose form is wrong, or that may change the meaning of everything around it."""

    def __init__(self, element: str) -> None:
        super().__init__(element)
        self.element = element


def read_consent(
    resource: Any,
    *,
    base: str,
    zone: tzinfo,
    signed: bool,
    reference: str | None = None,
    version: int | None = None,
    patient: str | None = None,
) -> Consent:
    """The model of one revision.

    `base`: our own FHIR base URL; `zone`: the tenant's, for dates without a zone. `signed`: the caller
    verified the device's signature over exactly these bytes. `reference`, `version` and `patient` are
    what the store knows better than the content (the row's key); content that names another patient is
    not understood.
    """
    raw = resource if isinstance(resource, dict) else {}
    named = reference_of(raw.get("patient"), base)
    policy = _policy_rule(raw.get("policyRule"))
    return Consent(
        reference=reference or f"Consent/{raw.get('id', '')}",
        version=version if version is not None else _version(raw.get("meta")),
        patient=patient or named,
        status=_text(raw.get("status"), STATUSES),
        root=_Reader(base, zone).root(raw, policy),
        signed=signed,
        scope=_scope(raw.get("scope")),
        policy_rule=policy,
        fault=_fault(raw, named, patient),
    )


def unreadable(reference: str, version: int | None, patient: str | None) -> Consent:
    """The model of a revision that could not even be parsed: it refuses everything of its patient."""
    root = Provision("provision", None)
    return Consent(reference, version, patient, "active", root, signed=False, fault="content")


def _fault(raw: dict[str, Any], named: str | None, patient: str | None) -> str | None:
    if raw.get("resourceType") != "Consent":
        return "resourceType"
    for element in ("modifierExtension", "implicitRules"):
        if element in raw:
            return element
    return "patient" if named is None or (patient is not None and named != patient) else None


def _text(value: Any, allowed: frozenset[str]) -> str | None:
    return value if isinstance(value, str) and value in allowed else None


def _version(meta: Any) -> int | None:
    text = meta.get("versionId") if isinstance(meta, dict) else None
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None


def _scope(value: Any) -> str | None:
    codes = {code for system, code in _codings(value) if system == CONSENT_SCOPE}
    # Two scopes at once: it is about data if any of them is.
    return codes.pop() if len(codes) == 1 and codes <= NOT_ABOUT_DATA else None


def _policy_rule(value: Any) -> Effect | None:
    codes = {code for system, code in _codings(value) if system == ACT_CODE}
    effects = {_POLICY_RULES[code] for code in codes if code in _POLICY_RULES}
    return effects.pop() if len(effects) == 1 else None


def _codings(concept: Any) -> list[tuple[str | None, str]]:
    """(system, code) of the codings of a CodeableConcept that have a code."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    pairs = (_coding(coding) for coding in codings) if isinstance(codings, list) else ()
    return [pair for pair in pairs if pair is not None]


def _coding(value: Any) -> tuple[str | None, str] | None:
    if not isinstance(value, dict) or not isinstance(value.get("code"), str):
        return None
    system = value.get("system")
    return (system if isinstance(system, str) else None, value["code"])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads clauses; the two facts about the tenant that reading needs."""

    base: str
    zone: tzinfo

    def root(self, consent: dict[str, Any], policy: Effect | None) -> Provision:
        if "provision" not in consent:
            return Provision("provision", policy)
        return self._clause(consent["provision"], "provision", policy)

    def _clause(self, value: Any, path: str, inherited: Effect | None) -> Provision:
        try:
            return self._read(_object(value, path.rpartition(".")[2], _ELEMENTS), path, inherited)
        except _Odd as odd:
            return Provision(path, None, fault=odd.element)

    def _read(self, raw: dict[str, Any], path: str, inherited: Effect | None) -> Provision:
        return Provision(
            path=path,
            type=self._type(raw, inherited, is_root="." not in path),
            period=self._period(raw, "period"),
            actor=self._if_present(raw, "actor", self._actors),
            purpose=self._if_present(raw, "purpose", _purposes),
            action=self._if_present(raw, "action", _actions),
            label=self._if_present(raw, "securityLabel", _labels),
            class_=self._if_present(raw, "class", _classes),
            code=self._if_present(raw, "code", _codes),
            data_period=DataPeriod(period) if (period := self._period(raw, "dataPeriod")) else None,
            data=self._if_present(raw, "data", self._data),
            provision=self._children(raw, path),
        )

    def _type(self, raw: dict[str, Any], inherited: Effect | None, *, is_root: bool) -> Effect | None:
        if "type" not in raw:
            if is_root:
                return inherited
            raise _Odd("type")
        if not isinstance(raw["type"], str) or raw["type"] not in _EFFECTS:
            raise _Odd("type")
        return _EFFECTS[raw["type"]]

    def _period(self, raw: dict[str, Any], element: str) -> Interval | None:
        if element not in raw:
            return None
        value = _object(raw[element], element, _PLAIN | {"start", "end"})
        try:
            return period_of(value.get("start"), value.get("end"), self.zone)
        except ValueError as error:
            raise _Odd(element) from error

    @staticmethod
    def _if_present(raw: dict[str, Any], element: str, read: Callable[[list[Any]], _T]) -> _T | None:
        return read(_list(raw[element], element)) if element in raw else None

    def _children(self, raw: dict[str, Any], path: str) -> tuple[Provision, ...]:
        if "provision" not in raw:
            return ()
        children = enumerate(_list(raw["provision"], "provision"))
        return tuple(self._clause(child, f"{path}.provision[{at}]", None) for at, child in children)

    def _actors(self, values: list[Any]) -> Actors:
        references, doubts = set(), []
        for at, value in enumerate(values):
            actor = _object(value, "actor", _PLAIN | {"role", "reference"})
            reference = reference_of(actor.get("reference"), self.base)
            if RECIPIENT_ROLES.isdisjoint(_codings(actor.get("role"))):
                doubts.append(f"actor[{at}].role")
            elif reference is None:
                doubts.append(f"actor[{at}].reference")
            else:
                references.add(reference)
        return Actors(frozenset(references), tuple(doubts))

    def _data(self, values: list[Any]) -> Data:
        pairs, doubts = [], []
        for at, value in enumerate(values):
            data = _object(value, "data", _PLAIN | {"meaning", "reference"})
            reference = reference_of(data.get("reference"), self.base)
            meaning = data.get("meaning")
            if not isinstance(meaning, str) or meaning not in MEANINGS:
                doubts.append(f"data[{at}].meaning")
            elif reference is None:
                doubts.append(f"data[{at}].reference")
            else:
                pairs.append((meaning, reference))
        return Data(tuple(pairs), tuple(doubts))


def _purposes(values: list[Any]) -> Purposes:
    pairs, doubts = _all_codings(values, "purpose")
    return Purposes(frozenset(purpose_token(*pair) for pair in pairs), doubts)


def _labels(values: list[Any]) -> Labels:
    pairs, doubts = _all_codings(values, "securityLabel")
    strange = (f"securityLabel[{at}]" for at, pair in enumerate(pairs) if _strange(*pair))
    return labels_of(frozenset(label_token(*pair) for pair in pairs), (*doubts, *strange))


def _strange(system: str | None, code: str) -> bool:
    return system == CONFIDENTIALITY and code not in RANK


def _classes(values: list[Any]) -> Classes:
    pairs, doubts = _all_codings(values, "class")
    types = frozenset(code for system, code in pairs if system == RESOURCE_TYPES)
    # A MIME type, a profile, a document class: we cannot tell from the facts, so it stays open.
    others = tuple(
        f"class[{at}]" for at, (system, _) in enumerate(pairs) if system not in (RESOURCE_TYPES, None)
    )
    return Classes(types, (*doubts, *others))


def _actions(values: list[Any]) -> Actions:
    known, doubts = set(), []
    for at, value in enumerate(values):
        codes = {code for system, code in _codings(value) if system == CONSENT_ACTION and code in ACTIONS}
        known |= codes
        if not codes:
            doubts.append(f"action[{at}]")
    return Actions(frozenset(known), tuple(doubts))


def _codes(values: list[Any]) -> Codes:
    known, doubts = set(), []
    for at, value in enumerate(values):
        codes = {f"{system}|{code}" for system, code in _codings(value) if system is not None}
        known |= codes
        if not codes:
            doubts.append(f"code[{at}]")
    return Codes(frozenset(known), tuple(doubts))


def _all_codings(values: list[Any], element: str) -> tuple[list[tuple[str | None, str]], Doubts]:
    """The codings of a list of Coding; one without system or code is a doubt."""
    pairs, doubts = [], []
    for at, value in enumerate(values):
        pair = _coding(value)
        if pair is not None:
            pairs.append(pair)
        if pair is None or pair[0] is None:
            doubts.append(f"{element}[{at}]")
    return pairs, tuple(doubts)


def _object(value: Any, element: str, allowed: frozenset[str]) -> dict[str, Any]:
    """`value` as an object of only these members; anything else could mean anything."""
    if not isinstance(value, dict):
        raise _Odd(element)
    if "modifierExtension" in value:
        raise _Odd("modifierExtension")
    if not value.keys() <= allowed:
        raise _Odd(element)
    return value


def _list(value: Any, element: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _Odd(element)
    return value


_HISTORY = "/_history/"


def reference_of(value: Any, base: str) -> str | None:
    """The comparable text of a FHIR Reference, or None where it names nothing definite.

    >>> reference_of({"reference": "https://x.test/fhir/Practitioner/1/_history/2"}, "https://x.test/fhir")
    'Practitioner/1'
    """
    text = value.get("reference") if isinstance(value, dict) else None
    return normal(text, base) if isinstance(text, str) else None


def normal(text: str, base: str) -> str | None:
    """`text` without our base and without a version; None for `#contained`, searches and empty text."""
    prefix = base.rstrip("/") + "/"
    if base and text.startswith(prefix):
        text = text[len(prefix) :]
    text = text.partition(_HISTORY)[0]
    definite = text.startswith("urn:") or "/" in text
    return text if definite and "?" not in text and "#" not in text else None


def type_of(reference: str) -> str:
    """The resource type in a comparable reference; empty where it has none (`urn:`)."""
    return "" if reference.startswith("urn:") else reference.rsplit("/", 2)[-2]


def is_patient(reference: str) -> bool:
    """Whether it names a Patient, here or elsewhere."""
    return type_of(reference) == "Patient"
