"""The people that a write concerns: each is opened once, before roles and scopes are looked at.

So a refusal that concerns a person is audited with them, and once, however many entries it refused. A stored
write is its own audit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from carevouch.door.access import PURPOSE_HEADER, Visit, as_heard, purpose_of
from carevouch.door.http import HttpRequest
from carevouch.identity.caller import Caller
from carevouch.kernel.errors import DomainError, Forbidden
from services.records.ports import Ports


class ConcernedPeople:
    """The visits of one request; `people` are those that the act at hand concerns, as far as is known."""

    def __init__(
        self,
        request: HttpRequest,
        caller: Caller,
        ports: Ports,
        interaction: str,
        visits: dict[str, Visit | Forbidden] | None = None,
    ) -> None:
        self.people: list[str] = []
        self._request = request
        self._caller = caller
        self._ports = ports
        self._interaction = interaction
        self._visits = {} if visits is None else visits

    def visit(self, person: str) -> Visit:
        """The visit of this person; raises `Forbidden`, audited once, for an undeclarable purpose."""
        if person not in self._visits:
            try:
                self._visits[person] = self._ports.access.open(
                    self._request, self._caller, person, self._interaction
                )
            except Forbidden as refusal:
                self._visits[person] = refusal
        visit = self._visits[person]
        if isinstance(visit, Forbidden):
            raise visit
        if person not in self.people:
            self.people.append(person)
        return visit

    def require_purpose(self) -> None:
        """Raise `Forbidden` for an undeclarable purpose while nobody is known whom the write concerns.

        The answer must not depend on whether somebody is found later on.
        """
        purpose_of(self._caller, self._request.headers.get(PURPOSE_HEADER))

    def of_entry(self) -> "ConcernedPeople":
        """The same visits for one entry of a batch, with `people` of its own."""
        return ConcernedPeople(self._request, self._caller, self._ports, self._interaction, self._visits)

    @contextmanager
    def audited(self) -> Iterator[None]:
        """Store the audit of a refusal, for each of the people, before it is answered."""
        try:
            yield
        except DomainError as refusal:
            for person in self.people:
                self.visit(person).refuse(refusal.code)
            raise as_heard(refusal) from None
