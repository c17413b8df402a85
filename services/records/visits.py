"""The people that a write concerns: each is visited once, before roles and scopes are looked at.

So a refusal that concerns a person is audited with them, and once however many entries it refused. What is
written is its own audit.
"""

from collections.abc import Callable
from typing import TypeVar

from carevouch.door.access import PURPOSE_HEADER, Visit, purpose_of
from carevouch.door.http import ABSENT, HttpRequest
from carevouch.identity.caller import Caller
from carevouch.kernel.errors import DomainError, Erased, Forbidden, NotFound
from services.records.ports import Ports

Result = TypeVar("Result")


class Visits:
    """The visits of one request; `people` are those that the act at hand concerns, as far as is known."""

    def __init__(
        self,
        incoming: HttpRequest,
        caller: Caller,
        ports: Ports,
        kind: str,
        known: dict[str, Visit | Forbidden] | None = None,
    ) -> None:
        self.people: list[str] = []
        self._incoming = incoming
        self._caller = caller
        self._ports = ports
        self._kind = kind
        self._known = {} if known is None else known

    def of(self, person: str) -> Visit:
        """The visit of this person; raises `Forbidden`, audited once, for an undeclarable purpose."""
        if person not in self._known:
            self._known[person] = self._open(person)
        visit = self._known[person]
        if isinstance(visit, Forbidden):
            raise visit
        if person not in self.people:
            self.people.append(person)
        return visit

    def require_purpose(self) -> None:
        """Raise `Forbidden` for an undeclarable purpose where nobody is known whom it concerns.

        The answer must not depend on whether somebody is found later on.
        """
        purpose_of(self._caller, self._incoming.headers.get(PURPOSE_HEADER))

    def apart(self) -> "Visits":
        """The same visits for one entry of a batch, with `people` of its own."""
        return Visits(self._incoming, self._caller, self._ports, self._kind, self._known)

    def refuse(self, because: str) -> None:
        """Store the audit of a refusal, for each of the people."""
        for person in self.people:
            self.of(person).refuse(because)

    def attempt(self, work: Callable[[], Result]) -> Result:
        """Do the work; a refusal is audited before it is answered."""
        try:
            return work()
        except DomainError as refusal:
            self.refuse(refusal.code)
            raise told(refusal) from None

    def _open(self, person: str) -> Visit | Forbidden:
        try:
            return self._ports.access.visit(self._incoming, self._caller, person, self._kind)
        except Forbidden as refusal:
            return refusal


def told(refusal: DomainError) -> DomainError:
    """The refusal as its caller may hear it: absent, erased and not to be seen are one sentence."""
    return NotFound(ABSENT) if isinstance(refusal, (NotFound, Erased)) else refusal
