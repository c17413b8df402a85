"""SMART scopes (SMART App Launch 2.2, section 3): what a token lets its bearer try, never more than that.

`system/Observation.rs` is for organisations, `patient/*.rs` for a patient's own device. The older `.read`,
`.write` and `.*` are accepted. A scope that does not parse grants nothing. Every read is scope AND consent
(or another named rule).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

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
