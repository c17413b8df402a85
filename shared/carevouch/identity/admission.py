"""An organisation's admission: its roles, its keys and whether it is active, on the operator's signature.

The body of an `Admission` document. The event that carries it is signed by the operator's key of genesis,
so no service can admit anybody. Keys are public P-256 JWKs with a `kid`; the assertion that asks for a
token may also be ES384 or RS384 (SMART Backend Services), so other public keys are kept as they are.
"""

from dataclasses import dataclass
from typing import Any

from carevouch.identity.roles import ROLES
from carevouch.kernel.canonical import jcs, parse_jcs
from carevouch.kernel.errors import Invalid

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
