"""What is asked: who wants what, for which purpose and when, and the facts about the resource that matter.

`None` and `unresolved` mean "we do not know", which is not "there is none": the rules let an unknown fact
stop a permit and trigger a deny. Nothing here reads JSON, a clock or a directory; group membership is
expanded before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from carevouch.consent.periods import Interval
from carevouch.consent.purposes import lineage

ACTIONS = ("access", "collect", "use", "disclose", "correct")


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One request with exactly one purpose (a `purposes.token`).

    `actors`: everything the caller is, as comparable references: the person, their organisations and
    groups; None where that could not be found out. `btg_ok`: the caller is entitled to declare
    break-glass (purpose BTG). `now` is the instant to decide for, aware.
    """

    purpose: str
    actors: frozenset[str] | None
    now: datetime
    action: str = "access"
    btg_ok: bool = False

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("the instant of a request needs a time zone")


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """What the rules need to know about one resource.

    `date`: the time the data are about (never the import time). `authors`, `related` (what it refers to) and
    `dependents` (what refers to it, as far as the caller knows) are comparable references, `codes` are
    `system|code`. `purposes`: purpose-of-use tags on the data. `subjects`: the patients it is about.
    `unresolved` names those of authors, related, codes, subjects that are there but say nothing definite.
    """

    type: str
    reference: str
    subjects: tuple[str, ...] = ()
    confidentiality: str | None = None
    sensitivities: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    date: Interval | None = None
    authors: frozenset[str] = frozenset()
    related: frozenset[str] = frozenset()
    dependents: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    unresolved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """A request for one resource, with what is worth computing once."""

    request: AccessRequest
    resource: ResourceFacts
    purposes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "purposes", lineage(self.request.purpose))


Directory = Mapping[str, tuple[str, ...]]
"""Known actors: reference -> members (empty for whatever is not a Group); used by lint only."""
