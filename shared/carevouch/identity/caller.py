"""The caller of a request: roles, scopes, the access token, and the admission of an organisation."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.errors import Forbidden, IntegrityFault, Invalid, Malformed, Unauthenticated
from carevouch.kernel.jws import Jwk, take_apart, verify

PROVIDER, PAYER, APP, SPONSOR, AUDITOR = "provider", "payer", "app", "sponsor", "auditor"
ROLES = (PROVIDER, PAYER, APP, SPONSOR, AUDITOR)


@dataclass(frozen=True, slots=True)
class Role:
    """A role; it may declare `purposes` (of v3-ActReason) and all narrower ones."""

    name: str
    default_purpose: str
    purposes: frozenset[str]


_ROLES = {
    PROVIDER: Role(PROVIDER, "TREAT", frozenset({"TREAT", "HPAYMT", "HOPERAT", "PUBHLTH"})),
    PAYER: Role(PAYER, "HPAYMT", frozenset({"HPAYMT", "HOPERAT"})),
    APP: Role(APP, "PATRQT", frozenset({"PATRQT"})),
    SPONSOR: Role(SPONSOR, "CLINTRCH", frozenset({"HRESCH"})),
    AUDITOR: Role(AUDITOR, "HOPERAT", frozenset({"HOPERAT"})),
}


def role(name: str) -> Role | None:
    """The role of this name, or None."""
    return _ROLES.get(name)


def default_purpose(roles: tuple[str, ...]) -> str:
    """The purpose of a caller that declares none: the default of its first role."""
    known = [_ROLES[name] for name in roles if name in _ROLES]
    return known[0].default_purpose if known else "PATRQT"


def purposes(roles: tuple[str, ...]) -> frozenset[str]:
    """The widest purposes that a caller with these roles may declare."""
    return frozenset().union(*(_ROLES[name].purposes for name in roles if name in _ROLES))


_FORM = re.compile(r"(system|patient)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|c?r?u?d?s?)")
_OLDER = {"read": "rs", "write": "cud", "*": "cruds"}
SYSTEM, PATIENT = "system", "patient"


@dataclass(frozen=True, slots=True)
class Scope:
    """One granted scope, such as `system/Patient.rs`; `letters` are out of c, r, u, d and s."""

    context: str
    type: str
    letters: str


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The scopes in a space-separated list; a word of another form grants nothing and is left out."""
    matches = (_FORM.fullmatch(word) for word in text.split())
    return tuple(
        Scope(match[1], match[2], _OLDER.get(match[3], match[3])) for match in matches if match and match[3]
    )


def render_scopes(scopes: Iterable[Scope]) -> str:
    """The scopes as a space-separated list."""
    return " ".join(f"{scope.context}/{scope.type}.{scope.letters}" for scope in scopes)


def allows(scopes: Iterable[Scope], type_: str, letter: str) -> bool:
    """Whether any scope covers `letter` (c, r, u, d or s) on resources of `type_`."""
    return any(scope.type in ("*", type_) and letter in scope.letters for scope in scopes)


ORGANIZATION, DEVICE = "organization", "device"


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller; `id` is an organisation's directory id, or the patient id of a device.

    `roles` come from the organisation's admission, which is read on every request. A device has none. `token`
    is the jti of the access token, for the audit.
    """

    kind: str
    id: str
    scopes: tuple[Scope, ...]
    token: str
    roles: tuple[str, ...] = ()
    device: str | None = None

    @property
    def reference(self) -> str:
        """The FHIR reference to this caller."""
        return f"Organization/{self.id}" if self.kind == ORGANIZATION else f"Patient/{self.id}"

    @property
    def patient(self) -> str | None:
        """The person, if the caller is a person's device."""
        return self.id if self.kind == DEVICE else None

    def require_scope(self, type_: str, letter: str) -> None:
        """Raise `Forbidden`, naming the scope to ask for, unless a scope covers `letter` on this type."""
        if not allows(self.scopes, type_, letter):
            context = PATIENT if self.kind == DEVICE else SYSTEM
            raise Forbidden(f"the token's scope does not cover this; ask for {context}/{type_}.{letter}")

    def require_role(self, *roles: str) -> None:
        """Raise `Forbidden` unless the organisation has one of these roles."""
        if not set(self.roles) & set(roles):
            raise Forbidden(f"this needs an organisation admitted as {' or '.join(roles)}")


TOKEN_TYP = "at+jwt"  # noqa: S105 - the media type of RFC 9068
LIFE_SECONDS = 300
# The clocks of the authorizer and of the token service may differ a little.
LEEWAY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """The client of a token: `kind` is organization or device, `device` the id of a BoundDevice document."""

    kind: str
    client: str
    scope: str
    jti: str
    device: str | None = None


def token_payload(facts: TokenFacts, base_url: str, now_seconds: int) -> JsonObject:
    """The payload of a token, to sign with typ `TOKEN_TYP`; times are NumericDates (RFC 7519)."""
    payload: JsonObject = {
        "iss": base_url,
        "aud": f"{base_url}/fhir",
        "sub": facts.client,
        "client_id": facts.client,
        "kind": facts.kind,
        "scope": facts.scope,
        "iat": now_seconds,
        "exp": now_seconds + LIFE_SECONDS,
        "jti": facts.jti,
    }
    return payload if facts.device is None else {**payload, "device": facts.device}


def read_token(text: str, jwk: Jwk, base_url: str, now_seconds: int) -> TokenFacts:
    """The facts in a valid token; raises `Unauthenticated`, which says why the token is refused."""
    try:
        payload = verify(take_apart(text), jwk, TOKEN_TYP)
    except (Malformed, IntegrityFault) as error:
        raise Unauthenticated("this server did not issue the token; get one from /auth/token") from error
    if payload.get("iss") != base_url or payload.get("aud") != f"{base_url}/fhir":
        raise Unauthenticated("the token was issued for another server; get one from /auth/token")
    if not now_seconds - LEEWAY_SECONDS <= int(payload.get("exp", 0)):
        raise Unauthenticated("the token has expired; get a new one from /auth/token")
    if payload.get("kind") not in (ORGANIZATION, DEVICE):
        raise Unauthenticated("the token names no kind of caller; get a new one from /auth/token")
    return TokenFacts(
        str(payload["kind"]),
        str(payload["sub"]),
        str(payload["scope"]),
        str(payload["jti"]),
        payload.get("device"),
    )


def caller_of(facts: TokenFacts) -> Caller:
    """The caller whom a token names, before its roles are read."""
    return Caller(facts.kind, facts.client, parse_scopes(facts.scope), facts.jti, (), facts.device)


ACTIVE, SUSPENDED = "active", "suspended"
# An organisation rotates its keys. More keys at once are a mistake and slow every token request.
MAX_KEYS = 10
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


@dataclass(frozen=True, slots=True)
class Admission:
    """The terms of an organisation; `organization` is its directory id."""

    organization: str
    roles: tuple[str, ...]
    keys: tuple[dict[str, Any], ...]
    status: str

    @property
    def active(self) -> bool:
        """Whether the organisation may call at all."""
        return self.status == ACTIVE

    def key(self, kid: str) -> dict[str, Any] | None:
        """The public JWK with this kid, or None."""
        return next((key for key in self.keys if key.get("kid") == kid), None)


def admission_body(admission: Admission) -> bytes:
    """The bytes of an Admission document's body."""
    return jcs(
        {
            "v": 1,
            "organization": admission.organization,
            "roles": list(admission.roles),
            "keys": list(admission.keys),
            "status": admission.status,
        }
    )


def parse_admission(body: bytes) -> Admission:
    """The admission in a body; raises `Invalid`, which names the member to mend."""
    value = parse_jcs(body, "the admission")
    if set(value) != {"v", "organization", "roles", "keys", "status"} or value["v"] != 1:
        raise Invalid("an admission must have exactly v, organization, roles, keys and status")
    roles, keys = value["roles"], value["keys"]
    if not isinstance(roles, list) or not roles or not set(roles) <= set(ROLES):
        raise Invalid(f"roles must be a list of one or more of {', '.join(ROLES)}")
    are_public = isinstance(keys, list) and all(
        isinstance(key, dict) and isinstance(key.get("kid"), str) and not _PRIVATE & set(key) for key in keys
    )
    if not are_public or not 1 <= len(keys) <= MAX_KEYS:
        raise Invalid(f"keys must be a list of 1 to {MAX_KEYS} public JWKs, each with a kid")
    if value["status"] not in (ACTIVE, SUSPENDED):
        raise Invalid("status must be active or suspended")
    return Admission(str(value["organization"]), tuple(roles), tuple(keys), value["status"])
