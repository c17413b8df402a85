"""The caller of a request, as its token and its current status describe it."""

from dataclasses import dataclass

from carevouch.identity.scopes import Scope, allows
from carevouch.kernel.errors import Forbidden

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
