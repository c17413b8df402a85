"""The one way to a person's documents: who calls, what they may see, and the audit that must be stored
before the answer.

`Access.caller` reads the caller's status row on every request. `Access.visit` opens a person for a caller;
`Visit.see` filters revisions by the one rule of `carevouch.records.access`, with the consents as they stand
now: nothing about a decision is cached, so a revocation counts on the very next read. Absent, refused and
erased are the same answer after the same audit. They may differ in time: where there is something to refuse,
it is read and decided first.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from carevouch.consent.codes import lineage
from carevouch.consent.facts import facts_of
from carevouch.consent.model import Consent
from carevouch.consent.question import AccessRequest
from carevouch.door.consents import Consents
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.events.catalogue import OWN_TYPES, RECORDS
from carevouch.identity.caller import (
    ORGANIZATION,
    Admission,
    Caller,
    default_purpose,
    parse_admission,
    purposes,
)
from carevouch.identity.links import is_active
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import (
    Busy,
    DomainError,
    Erased,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    Unauthenticated,
)
from carevouch.kernel.ids import PART, Doc, audit
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import take_apart
from carevouch.kernel.times import moment
from carevouch.records import audit as audits
from carevouch.records.access import (
    AccessTarget,
    ReadAllowed,
    ReadRefused,
    is_hearsay,
    may_correct,
    may_read,
    may_read_own,
    parties_of,
)
from carevouch.records.resource import author_of, resource_of
from carevouch.store.documents import (
    ActNames,
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    Partition,
    Reader,
    StoredAnswer,
    StoredRevision,
    Writer,
)
from carevouch.store.settings import Store

PURPOSE_HEADER = "purpose-of-use"
EVENT_HEADER = "Carevouch-Event"


@dataclass(frozen=True, slots=True)
class VisibleRevision:
    """A revision the caller may see, with its content and the rule that allowed it."""

    stored: StoredRevision
    resource: JsonObject
    by: ReadAllowed


class Access:
    """Opens people for callers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reader: Reader = store.reader
        self.writer: Writer = store.writer
        self.zone: tzinfo = ZoneInfo(store.zone)
        self.base = f"{store.base_url}/fhir"

    def caller(self, incoming: HttpRequest) -> Caller:
        """The caller with their current roles; raises `Unauthenticated`, `Forbidden` (suspended)."""
        caller = incoming.signed_in()
        if caller.kind == ORGANIZATION:
            admission = self.admission(caller.id)
            if admission is None:
                raise Unauthenticated("the token names an organisation that is not admitted here")
            if not admission.active:
                raise Forbidden("your organisation is suspended; ask the operator")
            return replace(caller, roles=admission.roles)
        self._require_device(caller)
        return caller

    def admission(self, organization: str) -> Admission | None:
        """The current terms of an organisation, or None."""
        stored = self.reader.find(Doc("Admission", organization))
        return parse_admission(stored.body) if stored else None

    def visit(self, incoming: HttpRequest, caller: Caller, patient: str | None, interaction: str) -> "Visit":
        """A caller's request about one person, or about whom nobody knows (None).

        Raises `Forbidden`, audited, for a purpose of use that the caller's role may not declare.
        """
        try:
            return Visit(self, incoming, caller, patient, interaction)
        except Forbidden as refusal:
            known = patient if patient and PART.fullmatch(patient) else None
            purpose = purpose_of(caller, None)
            self.record(
                audits.AccessRecord(
                    caller, purpose, interaction, known, audits.REFUSED, f"{refusal.code}: purpose"
                )
            )
            raise

    def asked(self, caller: Caller, incoming: HttpRequest, action: str = "access") -> AccessRequest:
        """The request as the consents see it: one purpose, and everything the caller is."""
        purpose = purpose_of(caller, incoming.headers.get(PURPOSE_HEADER))
        now = moment(self._store.clock())
        return AccessRequest(purpose, frozenset({caller.reference}), now, action)

    def record(self, access: audits.AccessRecord) -> None:
        """Put the AuditEvent; raises `Busy` when it cannot be put, so that nothing is answered without it."""
        known = access.patient
        if known is not None and not self._alive(known):
            known = None
        try:
            self._put_audit(access, known)
        except (OutcomeUnknown, DomainError) as error:
            raise Busy("the audit of this request could not be stored; try again in a moment") from error

    def _alive(self, patient: str) -> bool:
        try:
            self.reader.keys.person(patient)
        except (NotFound, Erased):
            return False
        return True

    def _put_audit(self, access: audits.AccessRecord, patient: str | None) -> None:
        def first(naming: ActNames) -> Doc:
            return Doc("AuditEvent", audit(patient, naming.part(0), naming.time))

        def build(naming: ActNames) -> ActPlan:
            doc = first(naming)
            body = audits.audit_event(doc, access, naming.time, self._store.deployment)
            subjects = (patient,) if patient else ()
            return ActPlan("access.audited", (Draft(doc, body),), StoredAnswer(201), subjects)

        self.writer.perform(ActRequest(access.caller.id, None, b""), first, build)

    def _require_device(self, caller: Caller) -> None:
        if caller.device is None or caller.patient is None:
            raise Unauthenticated("the token names no device")
        try:
            stored = self.reader.find(Doc("BoundDevice", caller.device))
        except (NotFound, Erased):
            stored = None
        if stored is None or stored.doc.subject != caller.patient or not is_active(stored.body):
            raise Unauthenticated("the device is not, or no longer, bound")


class Visit:
    """One request about one person: what it may see, and the audit of what came of it."""

    def __init__(
        self, access: Access, incoming: HttpRequest, caller: Caller, patient: str | None, interaction: str
    ) -> None:
        self.access = access
        self.caller = caller
        self.patient = patient
        self.asked = access.asked(caller, incoming)
        self._incoming = incoming
        self._interaction = interaction
        self._shown: list[VisibleRevision] = []
        self._withheld: set[str] = set()
        self._concluded: str | None = None

    def run(self, work: Callable[["Visit"], Reply]) -> Reply:
        """Do the work and store the audit of its outcome, refusals too, before anything is answered.

        A write that succeeded carries an event of its own, which is its audit; it gets no second one.
        """
        try:
            reply = work(self)
        except (NotFound, Erased):
            # One sentence for all: who never was, who was erased, and what may not be seen.
            self._record(audits.REFUSED, "not-found")
            raise NotFound(ABSENT) from None
        except DomainError as refusal:
            self._record(audits.REFUSED, refusal.code)
            raise
        if EVENT_HEADER not in reply.headers:
            refused = self._withheld and not self._shown and self._concluded is None
            self._record(audits.REFUSED if refused else audits.SUCCESS, self._concluded or self._rules())
        return reply

    def refuse(self, because: str) -> None:
        """Store the audit of a refused write whose person was known only on the way."""
        self._record(audits.REFUSED, because)

    def conclude(self, because: str) -> None:
        """Note in the audit what a decision came to, instead of the rules by which something was shown."""
        self._concluded = because

    @cached_property
    def partition(self) -> Partition:
        """The person's documents; raises `NotFound`, `Erased`."""
        if self.patient is None or not PART.fullmatch(self.patient):
            raise NotFound(ABSENT)
        return self.access.reader.person(self.patient)

    @cached_property
    def consents(self) -> tuple[Consent, ...]:
        """The consents of the person as they stand now, each with the verdict on its device signature.

        What providers recorded counts if `is_hearsay` says so; it is looked up only where there is any.
        """
        found = Consents(self.access.reader, self.access.base, self.access.zone).of(self.partition)
        if all(consent.signed for consent in found):
            return found
        silent = set(self._hearsay())
        return tuple(consent for consent in found if (consent.reference, consent.version) not in silent)

    def _hearsay(self) -> Iterator[tuple[str, int | None]]:
        recorded = [one for one in self.partition.latest("Consent") if one.event.producer == RECORDS]
        if not recorded:
            return
        first = self.partition.version(Doc("Patient", str(self.patient)), 1)
        patient = resource_of("Patient", first.body) if first else None
        for stored in recorded:
            with suppress(DomainError):  # what cannot be read denies
                if is_hearsay(resource_of("Consent", stored.body), patient):
                    yield str(stored.doc), stored.version

    def decide(
        self, stored: StoredRevision, letter: str = "r"
    ) -> tuple[JsonObject, ReadAllowed | ReadRefused]:
        """The content of a revision and whether the caller may see it."""
        type_ = stored.doc.type
        resource = resource_of(type_, stored.body)
        if type_ in OWN_TYPES:
            return resource, may_read_own(self.caller, type_, stored.doc.subject, resource, letter)
        target = self._target(stored, resource, author_of(resource))
        consents = self.consents if target.subject and self.caller.patient is None else ()
        return resource, may_read(self.caller, self.asked, target, consents, letter)

    def may_correct(self, current: StoredRevision, author: str | None) -> ReadAllowed | ReadRefused:
        """Whether the caller may write the next version; `author` is that of the document's version 1."""
        resource = resource_of(current.doc.type, current.body)
        target = self._target(current, resource, author)
        return may_correct(self.caller, self.asked, target, self.consents)

    def _target(self, stored: StoredRevision, resource: JsonObject, author: str | None) -> AccessTarget:
        subject = stored.doc.subject
        facts = facts_of(
            resource,
            base=self.access.base,
            zone=self.access.zone,
            subject=f"Patient/{subject}" if subject else None,
        )
        return AccessTarget(stored.doc.type, subject, author, parties_of(resource), facts)

    def see(self, revisions: Iterable[StoredRevision], letter: str = "r") -> list[VisibleRevision]:
        """Those of the revisions that the caller may see; they count as shown in the audit."""
        seen = []
        for stored in revisions:
            resource, decision = self.decide(stored, letter)
            if isinstance(decision, ReadAllowed):
                seen.append(VisibleRevision(stored, resource, decision))
            else:
                self._withheld.add(decision.because)
        return seen

    def show(self, seen: Iterable[VisibleRevision]) -> None:
        """Note in the audit what is really answered (one page, not all that would be visible)."""
        self._shown.extend(seen)

    def one(self, stored: StoredRevision | None) -> VisibleRevision:
        """The revision, if it exists and the caller may see it; raises `NotFound` either way."""
        seen = self.see([stored]) if stored is not None else []
        if not seen:
            raise NotFound(ABSENT)
        self.show(seen)
        return seen[0]

    def _rules(self) -> str:
        rules = ", ".join(sorted({seen.by.rule for seen in self._shown})) or "nothing shown"
        return f"{rules}; withheld: {', '.join(sorted(self._withheld))}" if self._withheld else rules

    def _record(self, outcome: str, because: str) -> None:
        shown = tuple(str(seen.stored.doc) for seen in self._shown)
        consents = tuple(sorted({consent for seen in self._shown for consent in seen.by.consents}))
        self.access.record(
            audits.AccessRecord(
                self.caller,
                self.asked.purpose,
                self._interaction,
                self.patient if self.patient and PART.fullmatch(self.patient) else None,
                outcome,
                because,
                shown,
                consents,
                audits.told_query(self._incoming.query),
                self._incoming.request_id,
                len(shown),
            )
        )


def parsed(stored: StoredRevision) -> JsonObject:
    """The JSON of a document of our own types."""
    value: JsonObject = parse(stored.body, f"a stored {stored.doc.type}")
    return value


def purpose_of(caller: Caller, declared: str | None) -> str:
    """The one purpose of a request: the declared one, if the caller's role may declare it, else its default.

    Raises `Forbidden` for a purpose that the role may not declare. A person's own device asks as PATRQT.
    """
    if caller.patient is not None:
        return "PATRQT"
    if declared is None:
        return default_purpose(caller.roles)
    if lineage(declared).isdisjoint(purposes(caller.roles)):
        raise Forbidden(
            "your role may not declare this purpose of use; leave it out or take one of your role's"
        )
    return declared


def receipt_headers(committed: CommittedAct) -> dict[str, str]:
    """`Carevouch-Event`: the event's id. `Carevouch-Receipt`: the event and the certificate of its key."""
    receipt = " ".join(filter(None, (committed.event, committed.certificate)))
    return {"Carevouch-Event": event_id(committed), "Carevouch-Receipt": receipt}


def receipt_json(committed: CommittedAct) -> JsonObject:
    """The same for JSON answers."""
    return {"receipt": {"event": committed.event, "certificate": committed.certificate}}


def event_id(committed: CommittedAct) -> str:
    """The act's name in the log."""
    return str(take_apart(committed.event).payload["id"])
