"""A FHIR R4 (4.0.1) Consent, from its parsed JSON into the model. Reading never raises for its content.

An element of the wrong form becomes the `fault` of its clause. The clause then denies every request that
reaches it. A value that we do not understand becomes a doubt of its element. Its match is then unknown, which
stops a permit and triggers a deny. To leave such an element out would turn a refusal into silence, which must
never happen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeVar

from carevouch.consent.codes import ACT_CODE, CONFIDENTIALITY, RANK, label_token, purpose_token
from carevouch.consent.model import (
    DENY,
    MEANINGS,
    NOT_ABOUT_DATA,
    PERMIT,
    STATUSES,
    Actions,
    Actors,
    Classes,
    Codes,
    Consent,
    Data,
    DataPeriod,
    Doubts,
    Effect,
    Labels,
    Provision,
    Purposes,
    labels_of,
)
from carevouch.consent.question import ACTIONS, Interval, period_of

CONSENT_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
# The roles of a recipient: information recipient and its narrower codes, and grantee.
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


class _FaultyElement(Exception):
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

    `base` is our own FHIR base URL, and `zone` the tenant's, for dates without one. `signed`: the caller
    verified the device's signature over exactly these bytes. `reference`, `version` and `patient` come from
    the key of the stored row, which is trusted over the content. Content that names another patient is a
    fault.
    """
    raw = resource if isinstance(resource, dict) else {}
    subject = reference_of(raw.get("patient"), base)
    meta, status = raw.get("meta"), raw.get("status")
    version_id = meta.get("versionId") if isinstance(meta, dict) else None
    if version is None and isinstance(version_id, str) and version_id.isascii() and version_id.isdigit():
        version = int(version_id)
    scopes = {code for system, code in _codings(raw.get("scope")) if system == CONSENT_SCOPE}
    # A consent of two scopes is about data if one of them is.
    scope = scopes.pop() if len(scopes) == 1 and scopes <= NOT_ABOUT_DATA else None
    policy = _policy_rule(raw.get("policyRule"))
    reader = _ClauseReader(base, zone)
    root = Provision("provision", policy)
    if "provision" in raw:
        root = reader.clause(raw["provision"], "provision", policy)
    is_patient_clear = subject is not None and patient in (None, subject)
    faults = {
        "resourceType": raw.get("resourceType") != "Consent",
        "modifierExtension": "modifierExtension" in raw,
        "implicitRules": "implicitRules" in raw,
        "patient": not is_patient_clear,
    }
    return Consent(
        reference=reference or f"Consent/{raw.get('id', '')}",
        version=version,
        patient=patient or subject,
        status=status if isinstance(status, str) and status in STATUSES else None,
        root=root,
        signed=signed,
        scope=scope,
        policy_rule=policy,
        fault=next((element for element, is_faulty in faults.items() if is_faulty), None),
    )


def unreadable(reference: str, version: int | None, patient: str | None) -> Consent:
    """The model of a revision that could not even be parsed: it refuses everything of its patient."""
    root = Provision("provision", None)
    return Consent(reference, version, patient, "active", root, signed=False, fault="content")


def _policy_rule(value: Any) -> Effect | None:
    codes = {code for system, code in _codings(value) if system == ACT_CODE}
    effects = {_POLICY_RULES[code] for code in codes if code in _POLICY_RULES}
    return effects.pop() if len(effects) == 1 else None


def _codings(concept: Any) -> list[tuple[str | None, str]]:
    """The (system, code) of each coding of a CodeableConcept that has a code."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    pairs = (_coding(coding) for coding in codings) if isinstance(codings, list) else ()
    return [pair for pair in pairs if pair is not None]


def _coding(value: Any) -> tuple[str | None, str] | None:
    if not isinstance(value, dict) or not isinstance(value.get("code"), str):
        return None
    system = value.get("system")
    return (system if isinstance(system, str) else None, value["code"])


@dataclass(frozen=True, slots=True)
class _ClauseReader:
    """Reads clauses, with the base URL and the time zone of the tenant."""

    base: str
    zone: tzinfo

    def clause(self, value: Any, path: str, inherited: Effect | None) -> Provision:
        """The clause at `path`; the root's type defaults to `inherited`."""
        try:
            raw = _object(value, path.rpartition(".")[2], _ELEMENTS)
            type_ = inherited
            if "type" in raw or "." in path:
                if not isinstance(raw.get("type"), str) or raw["type"] not in _EFFECTS:
                    raise _FaultyElement("type")
                type_ = _EFFECTS[raw["type"]]
            return Provision(
                path=path,
                type=type_,
                period=self._period(raw, "period"),
                actor=self._if_present(raw, "actor", self._actors),
                purpose=self._if_present(raw, "purpose", _purposes),
                action=self._if_present(raw, "action", _actions),
                label=self._if_present(raw, "securityLabel", _labels),
                class_=self._if_present(raw, "class", _classes),
                code=self._if_present(raw, "code", _codes),
                data_period=DataPeriod(period) if (period := self._period(raw, "dataPeriod")) else None,
                data=self._if_present(raw, "data", self._data),
                provision=tuple(
                    self.clause(child, f"{path}.provision[{at}]", None)
                    for at, child in enumerate(self._if_present(raw, "provision", list) or ())
                ),
            )
        except _FaultyElement as faulty:
            return Provision(path, None, fault=faulty.element)

    def _period(self, raw: dict[str, Any], element: str) -> Interval | None:
        if element not in raw:
            return None
        value = _object(raw[element], element, _PLAIN | {"start", "end"})
        try:
            return period_of(value.get("start"), value.get("end"), self.zone)
        except ValueError as error:
            raise _FaultyElement(element) from error

    @staticmethod
    def _if_present(raw: dict[str, Any], element: str, read: Callable[[list[Any]], _T]) -> _T | None:
        if element not in raw:
            return None
        values = raw[element]
        if not isinstance(values, list) or not values:
            raise _FaultyElement(element)
        return read(values)

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
    unknown = (
        f"securityLabel[{at}]"
        for at, (system, code) in enumerate(pairs)
        if system == CONFIDENTIALITY and code not in RANK
    )
    return labels_of(frozenset(label_token(*pair) for pair in pairs), (*doubts, *unknown))


def _classes(values: list[Any]) -> Classes:
    pairs, doubts = _all_codings(values, "class")
    types = frozenset(code for system, code in pairs if system == RESOURCE_TYPES)
    # The facts about a resource have no MIME type, profile or document class, so their match is unknown.
    others = tuple(
        f"class[{at}]" for at, (system, _) in enumerate(pairs) if system not in (RESOURCE_TYPES, None)
    )
    return Classes(types, (*doubts, *others))


def _actions(values: list[Any]) -> Actions:
    codes, doubts = set(), []
    for at, value in enumerate(values):
        found = {code for system, code in _codings(value) if system == CONSENT_ACTION and code in ACTIONS}
        codes |= found
        if not found:
            doubts.append(f"action[{at}]")
    return Actions(frozenset(codes), tuple(doubts))


def _codes(values: list[Any]) -> Codes:
    codes, doubts = set(), []
    for at, value in enumerate(values):
        found = {f"{system}|{code}" for system, code in _codings(value) if system is not None}
        codes |= found
        if not found:
            doubts.append(f"code[{at}]")
    return Codes(frozenset(codes), tuple(doubts))


def _all_codings(values: list[Any], element: str) -> tuple[list[tuple[str | None, str]], Doubts]:
    """The (system, code) of each Coding, and the doubts: each Coding without system or code is one."""
    pairs, doubts = [], []
    for at, value in enumerate(values):
        pair = _coding(value)
        if pair is not None:
            pairs.append(pair)
        if pair is None or pair[0] is None:
            doubts.append(f"{element}[{at}]")
    return pairs, tuple(doubts)


def _object(value: Any, element: str, allowed: frozenset[str]) -> dict[str, Any]:
    """`value` as an object with only these members, because an unknown member may change the meaning."""
    if not isinstance(value, dict):
        raise _FaultyElement(element)
    if "modifierExtension" in value:
        raise _FaultyElement("modifierExtension")
    if not value.keys() <= allowed:
        raise _FaultyElement(element)
    return value


def reference_of(value: Any, base: str) -> str | None:
    """The comparable text of a FHIR Reference, or None if it has no definite target.

    >>> reference_of({"reference": "https://x.test/fhir/Practitioner/1/_history/2"}, "https://x.test/fhir")
    'Practitioner/1'
    """
    text = value.get("reference") if isinstance(value, dict) else None
    return normal(text, base) if isinstance(text, str) else None


def normal(text: str, base: str) -> str | None:
    """`text` without our base URL and without a version; None for `#contained`, searches and empty text."""
    prefix = base.rstrip("/") + "/"
    if base and text.startswith(prefix):
        text = text[len(prefix) :]
    text = text.partition("/_history/")[0]
    definite = text.startswith("urn:") or "/" in text
    return text if definite and "?" not in text and "#" not in text else None


def type_of(reference: str) -> str:
    """The resource type in a comparable reference; empty for a `urn:`."""
    return "" if reference.startswith("urn:") else reference.rsplit("/", 2)[-2]
