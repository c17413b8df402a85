"""What an admitted organisation may do: its roles, the scopes they may ask for, the purposes they may
declare.

Nothing known means no: a role or purpose that is not listed here allows nothing. A sponsor reads for research
(HRESCH and below) and never as treatment, or a plain treatment consent would open records to a trial.
"""

from dataclasses import dataclass

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
