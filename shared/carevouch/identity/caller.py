"""The caller of a request, as its token and its current status describe it."""

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
    """`purposes` are roots of v3-ActReason: the role may declare them and what is below them."""

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
    """The role of that name, or None."""
    return _ROLES.get(name)


def default_purpose(roles: tuple[str, ...]) -> str:
    """The purpose of a caller that declares none: that of its first role."""
    known = [_ROLES[name] for name in roles if name in _ROLES]
    return known[0].default_purpose if known else "PATRQT"


def purposes(roles: tuple[str, ...]) -> frozenset[str]:
    """The roots of the purposes that a caller with these roles may declare."""
    return frozenset().union(*(_ROLES[name].purposes for name in roles if name in _ROLES))


_FORM = re.compile(r"(system|patient)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|c?r?u?d?s?)")
_OLDER = {"read": "rs", "write": "cud", "*": "cruds"}
SYSTEM, PATIENT = "system", "patient"


@dataclass(frozen=True, slots=True)
class Scope:
    """One granted scope: `letters` are out of c, r, u, d, s."""

    context: str
    type: str
    letters: str


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The scopes of a space-separated list that parse; others grant nothing and are left out."""
    matches = (_FORM.fullmatch(word) for word in text.split())
    return tuple(
        Scope(match[1], match[2], _OLDER.get(match[3], match[3])) for match in matches if match and match[3]
    )


def render_scopes(scopes: Iterable[Scope]) -> str:
    """The list as it stands in a token."""
    return " ".join(f"{scope.context}/{scope.type}.{scope.letters}" for scope in scopes)


def allows(scopes: Iterable[Scope], type_: str, letter: str) -> bool:
    """Whether any scope covers `letter` (c, r, u, d or s) on resources of `type_`."""
    return any(scope.type in ("*", type_) and letter in scope.letters for scope in scopes)


ORGANIZATION, DEVICE = "organization", "device"


@dataclass(frozen=True, slots=True)
class Caller:
    """`id` is the client: an organisation's directory id, or the patient id of a device.

    `roles` come from the organisation's status row, read on every request; a device has none. `token` is
    the jti of the access token, for the audit.
    """

    kind: str
    id: str
    scopes: tuple[Scope, ...]
    token: str
    roles: tuple[str, ...] = ()
    device: str | None = None

    @property
    def reference(self) -> str:
        """How resources name this caller."""
        return f"Organization/{self.id}" if self.kind == ORGANIZATION else f"Patient/{self.id}"

    @property
    def patient(self) -> str | None:
        """The person, if the caller is a person's device."""
        return self.id if self.kind == DEVICE else None

    def require_scope(self, type_: str, letter: str) -> None:
        """Raise `Forbidden`, naming the scope to ask for."""
        if not allows(self.scopes, type_, letter):
            context = "patient" if self.kind == DEVICE else "system"
            raise Forbidden(f"the token's scope does not cover this; ask for {context}/{type_}.{letter}")

    def require_role(self, *roles: str) -> None:
        """Raise `Forbidden` unless the organisation has one of these roles."""
        if not set(self.roles) & set(roles):
            raise Forbidden(f"this needs an organisation admitted as {' or '.join(roles)}")


TOKEN_TYP = "at+jwt"  # noqa: S105 - the media type of RFC 9068
LIFE_SECONDS = 300
# Clocks of API Gateway's authorizer and the token service may differ a little.
LEEWAY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """Whom a token is for. `kind` is organization or device; `device` the id of the BoundDevice document."""

    kind: str
    client: str
    scope: str
    jti: str
    device: str | None = None


def token_payload(facts: TokenFacts, base_url: str, now_seconds: int) -> JsonObject:
    """The payload to sign with typ `TOKEN_TYP`; times are NumericDates (RFC 7519)."""
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
    """The facts of a valid token; raises `Unauthenticated` saying what is wrong with it."""
    try:
        payload = verify(take_apart(text), jwk, TOKEN_TYP)
    except (Malformed, IntegrityFault) as error:
        raise Unauthenticated("the token is not one of this server's; get one from /auth/token") from error
    if payload.get("iss") != base_url or payload.get("aud") != f"{base_url}/fhir":
        raise Unauthenticated("the token was issued for another server")
    if not now_seconds - LEEWAY_SECONDS <= int(payload.get("exp", 0)):
        raise Unauthenticated("the token has expired; get a new one from /auth/token")
    if payload.get("kind") not in (ORGANIZATION, DEVICE):
        raise Unauthenticated("the token names no kind of caller")
    return TokenFacts(
        str(payload["kind"]),
        str(payload["sub"]),
        str(payload["scope"]),
        str(payload["jti"]),
        payload.get("device"),
    )


def caller_of(facts: TokenFacts) -> Caller:
    """The caller a token speaks for, its roles not yet read."""
    return Caller(facts.kind, facts.client, parse_scopes(facts.scope), facts.jti, (), facts.device)


ACTIVE, SUSPENDED = "active", "suspended"
# An organisation rotates keys; more than this at once is a mistake, and slows every token request.
MAX_KEYS = 10
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


@dataclass(frozen=True, slots=True)
class Admission:
    """The current terms of an organisation; `organization` is its directory id."""

    organization: str
    roles: tuple[str, ...]
    keys: tuple[dict[str, Any], ...]
    status: str

    @property
    def active(self) -> bool:
        """Whether it may call at all."""
        return self.status == ACTIVE

    def key(self, kid: str) -> dict[str, Any] | None:
        """The public JWK with that kid, or None."""
        return next((key for key in self.keys if key.get("kid") == kid), None)


def admission_body(admission: Admission) -> bytes:
    """The bytes of the document's body."""
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
    """The admission in a body; raises `Invalid` saying which member is wrong."""
    value = parse_jcs(body, "the admission")
    if set(value) != {"v", "organization", "roles", "keys", "status"} or value["v"] != 1:
        raise Invalid("an admission has exactly v, organization, roles, keys and status")
    roles, keys = value["roles"], value["keys"]
    if not isinstance(roles, list) or not roles or not set(roles) <= set(ROLES):
        raise Invalid(f"roles is a non-empty list out of {', '.join(ROLES)}")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS or not all(map(_is_public, keys)):
        raise Invalid(f"keys is a list of 1 to {MAX_KEYS} public JWKs, each with a kid")
    if value["status"] not in (ACTIVE, SUSPENDED):
        raise Invalid("status is active or suspended")
    return Admission(str(value["organization"]), tuple(roles), tuple(keys), value["status"])


def _is_public(key: Any) -> bool:
    return isinstance(key, dict) and isinstance(key.get("kid"), str) and not _PRIVATE & set(key)
