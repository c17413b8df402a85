"""The one way to a person's documents: who calls, what they may see, and the audit before the answer.

`Access.caller` reads the caller's status row on every request. `Access.visit` opens a person for a caller
and audits every outcome. `Visit.see` filters revisions by the one rule of `carevouch.records.access`, under
the present consents. No decision is cached, so a revocation counts on the next read. Absent, refused and
erased get the same answer after the same audit. Their times may differ, because a document must be read
before it is refused.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from carevouch.consent.codes import lineage
from carevouch.consent.facts import facts_of
from carevouch.consent.model import Consent
from carevouch.consent.question import AccessRequest
from carevouch.door.consents import Consents
from carevouch.door.http import ABSENT, HttpRequest
from carevouch.events.catalogue import OWN_TYPES, RECORDS
from carevouch.identity.caller import (
    ORGANIZATION,
    Admission,
    Caller,
    default_purpose,
    parse_admission,
    purposes,
)
from carevouch.identity.links import check_enrolment, enrolment_doc, is_active
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
from carevouch.kernel.ids import PART, Doc
from carevouch.kernel.times import moment
from carevouch.records import audit as audits
from carevouch.records.access import (
    AccessTarget,
    ReadAllowed,
    ReadRefused,
    is_unverified_record,
    may_correct,
    may_read,
    may_read_own,
    parties_of,
)
from carevouch.records.resource import author_of, resource_of
from carevouch.store.documents import (
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    NewDocument,
    Partition,
    StoredAnswer,
    StoredRevision,
)
from carevouch.store.settings import Store

PURPOSE_HEADER = "purpose-of-use"


@dataclass(frozen=True, slots=True)
class VisibleRevision:
    """A revision the caller may see, with its content and the rule that allowed it."""

    stored: StoredRevision
    resource: JsonObject
    by: ReadAllowed

    @property
    def page_bytes(self) -> int:
        """The bytes that the document adds to a page, with its entry around it."""
        return len(self.stored.body) + 400


class Access:
    """Opens people for callers."""

    def __init__(self, store: Store) -> None:
        self.reader = store.reader
        self.zone: tzinfo = ZoneInfo(store.zone)
        self.base = f"{store.base_url}/fhir"
        self._store = store

    def caller(self, request: HttpRequest) -> Caller:
        """The caller with their current roles; raises `Unauthenticated`, `Forbidden` (suspended)."""
        caller = request.signed_in()
        if caller.kind == ORGANIZATION:
            admission = self.admission(caller.id)
            if admission is None:
                raise Unauthenticated("the token names an organisation that is not admitted here")
            if not admission.active:
                raise Forbidden("your organisation is suspended; ask the operator")
            return replace(caller, roles=admission.roles)
        if caller.device is None or caller.patient is None:
            raise Unauthenticated("the token names no device")
        try:
            device = self.reader.find(Doc("BoundDevice", caller.device))
        except (NotFound, Erased):
            device = None
        if device is None or device.doc.subject != caller.patient or not is_active(device.body):
            raise Unauthenticated("the device is not bound to the person, or no longer")
        return caller

    def admission(self, organization: str) -> Admission | None:
        """The current terms of an organisation, or None."""
        stored = self.reader.find(Doc("Admission", organization))
        return parse_admission(stored.body) if stored else None

    def is_enrolled(self, caller: Caller, patient: str, partition: Partition | None = None) -> bool:
        """Whether the caller has a link with the person; an absent or erased person has none.

        `partition` is the person's, if it is open already.
        """
        try:
            documents = self.reader.person(patient) if partition is None else partition
        except (NotFound, Erased):
            return False
        link = documents.get(enrolment_doc(self.reader.keys.deployment(), patient, caller.id))
        if link is not None:
            check_enrolment(link.body, patient, caller.id)
        return link is not None

    def open(self, request: HttpRequest, caller: Caller, patient: str | None, interaction: str) -> "Visit":
        """A visit to one person, or to an unknown one (None), without an audit yet.

        Raises `Forbidden`, audited, for a purpose of use that the caller's role may not declare.
        """
        try:
            purpose = purpose_of(caller, request.headers.get(PURPOSE_HEADER))
        except Forbidden as refusal:
            purpose = purpose_of(caller, None)
            because = f"{refusal.code}: purpose"
            known = patient if patient and PART.fullmatch(patient) else None
            self._audit(audits.AccessRecord(caller, purpose, interaction, known, audits.REFUSED, because))
            raise
        question = AccessRequest(
            purpose, frozenset({caller.reference}), moment(self._store.clock()), "access"
        )
        return Visit(self, request, caller, patient, interaction, question)

    @contextmanager
    def visit(
        self,
        request: HttpRequest,
        caller: Caller,
        patient: str | None,
        interaction: str,
        *,
        is_audited: bool = True,
    ) -> Iterator["Visit"]:
        """Open a person for a caller, and store the audit of the outcome before the answer.

        The event of a stored write is its audit. Reads of the directory are about nobody and leave no audit.
        Raises as `open` does, and `Busy` if the audit cannot be stored.
        """
        visit = self.open(request, caller, patient, interaction)
        if not is_audited:
            yield visit
            return
        try:
            yield visit
        except DomainError as refusal:
            heard = as_heard(refusal)
            self._audit(visit.record(audits.REFUSED, heard.code))
            if heard is refusal:
                raise
            raise heard from None
        visit.conclude()

    def audit(self, visit: "Visit", outcome: str, because: str) -> None:
        """Store the AuditEvent of a visit; raises `Busy` if it cannot, so that no answer goes out without
        it."""
        self._audit(visit.record(outcome, because))

    def _audit(self, record: audits.AccessRecord) -> None:
        person = record.patient
        if person is not None:
            try:
                self.reader.keys.person(person)
            except (NotFound, Erased):
                person = None
        try:
            attempts = self._store.writer.attempts(
                ActRequest(record.caller.id, None, b""), NewDocument("AuditEvent", person)
            )
            for names in attempts:
                with attempts:
                    doc = names.doc(0, "AuditEvent", person)
                    body = audits.audit_event(doc, record, names.time, self._store.deployment)
                    subjects = (person,) if person else ()
                    attempts.append(
                        ActPlan("access.audited", (Draft(doc, body),), StoredAnswer(201), subjects)
                    )
        except (OutcomeUnknown, DomainError) as error:
            raise Busy("the audit of this request could not be stored; try again in a moment") from error


class Visit:
    """One request about one person: the documents that it may see, and the audit of its outcome.

    `question` is the request that the consents decide: one purpose, and all identities of the caller.
    """

    def __init__(
        self,
        access: Access,
        request: HttpRequest,
        caller: Caller,
        patient: str | None,
        interaction: str,
        question: AccessRequest,
    ) -> None:
        self.access = access
        self.caller = caller
        self.patient = patient
        self.question = question
        self._request = request
        self._interaction = interaction
        self._shown: list[VisibleRevision] = []
        self._withheld: set[str] = set()
        self._decision: str | None = None
        self._committed: CommittedAct | None = None

    def decided(self, decision: str) -> None:
        """Put the outcome of a decision into the audit, in place of the rules that showed documents."""
        self._decision = decision

    def receipt(self, committed: CommittedAct) -> dict[str, str]:
        """The headers of an answer to a stored act, whose event is the audit of this visit."""
        self._committed = committed
        return receipt_headers(committed)

    def refuse(self, because: str) -> None:
        """Store the audit of a refusal whose person became known during the request."""
        self.access.audit(self, audits.REFUSED, because)

    def conclude(self) -> None:
        """Store the audit of an answered visit. A stored act is its own audit."""
        if self._committed is not None:
            return
        rules = ", ".join(sorted({one.by.rule for one in self._shown})) or "nothing shown"
        if self._withheld:
            rules = f"{rules}; withheld: {', '.join(sorted(self._withheld))}"
        is_refused = self._withheld and not self._shown and self._decision is None
        self.access.audit(self, audits.REFUSED if is_refused else audits.SUCCESS, self._decision or rules)

    @cached_property
    def partition(self) -> Partition:
        """The person's documents; raises `NotFound`, `Erased`."""
        if self.patient is None or not PART.fullmatch(self.patient):
            raise NotFound(ABSENT)
        return self.access.reader.person(self.patient)

    def require_enrolment(self) -> None:
        """Raise `NotFound` unless the caller has a link with the person: absent and refused look alike."""
        if not self.access.is_enrolled(self.caller, self.patient or "", self.partition):
            raise NotFound(ABSENT)

    @cached_property
    def consents(self) -> tuple[Consent, ...]:
        """The present consents of the person, each with the verdict on its device signature.

        A consent that a provider recorded is left out if `is_unverified_record` says so. The Patient is read
        for this check only if a consent is unsigned.
        """
        consents = Consents(self.access.reader, self.access.base, self.access.zone).of(self.partition)
        if all(consent.signed for consent in consents):
            return consents
        recorded = [one for one in self.partition.latest("Consent") if one.event.producer == RECORDS]
        registered = self.partition.version(Doc("Patient", str(self.patient)), 1) if recorded else None
        patient = resource_of("Patient", registered.body) if registered else None
        left_out = set()
        for stored in recorded:
            with suppress(DomainError):  # A consent that cannot be read stays, and denies.
                if is_unverified_record(resource_of("Consent", stored.body), patient):
                    left_out.add((str(stored.doc), stored.version))
        return tuple(one for one in consents if (one.reference, one.version) not in left_out)

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
        return resource, may_read(self.caller, self.question, target, consents, letter)

    def may_correct(self, current: StoredRevision, author: str | None) -> ReadAllowed | ReadRefused:
        """Whether the caller may write the next version; `author` is that of the document's version 1."""
        target = self._target(current, resource_of(current.doc.type, current.body), author)
        return may_correct(self.caller, self.question, target, self.consents)

    def _target(self, stored: StoredRevision, resource: JsonObject, author: str | None) -> AccessTarget:
        subject = stored.doc.subject
        reference = f"Patient/{subject}" if subject else None
        facts = facts_of(resource, base=self.access.base, zone=self.access.zone, subject=reference)
        return AccessTarget(stored.doc.type, subject, author, parties_of(resource), facts)

    def see(self, revisions: Iterable[StoredRevision], letter: str = "r") -> list[VisibleRevision]:
        """The revisions that the caller may see; the rules that withheld others are noted for the audit."""
        seen = []
        for stored in revisions:
            resource, decision = self.decide(stored, letter)
            if isinstance(decision, ReadAllowed):
                seen.append(VisibleRevision(stored, resource, decision))
            else:
                self._withheld.add(decision.because)
        return seen

    def show(self, seen: Iterable[VisibleRevision]) -> None:
        """Note for the audit the documents in the answer, which may be one page of those that are visible."""
        self._shown.extend(seen)

    def one(self, stored: StoredRevision | None) -> VisibleRevision:
        """The revision, if it exists and the caller may see it; raises `NotFound` either way."""
        seen = self.see([stored]) if stored is not None else []
        if not seen:
            raise NotFound(ABSENT)
        self.show(seen)
        return seen[0]

    def record(self, outcome: str, because: str) -> audits.AccessRecord:
        """The facts of this visit, for its AuditEvent."""
        shown = tuple(str(one.stored.doc) for one in self._shown)
        return audits.AccessRecord(
            self.caller,
            self.question.purpose,
            self._interaction,
            self.patient if self.patient and PART.fullmatch(self.patient) else None,
            outcome,
            because,
            shown,
            tuple(sorted({consent for one in self._shown for consent in one.by.consents})),
            audits.audited_query(self._request.query),
            self._request.request_id,
            len(shown),
        )


def as_heard(refusal: DomainError) -> DomainError:
    """The refusal that the caller gets: absent, erased and forbidden documents have one message."""
    return NotFound(ABSENT) if isinstance(refusal, (NotFound, Erased)) else refusal


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


def act_request(request: HttpRequest, caller: Caller, target: str) -> ActRequest:
    """The request, in the form in which a retry finds it again.

    An Idempotency-Key counts for one `target`: a document, or a type of document and a person. A retry looks
    only there for its rows. So the same key for another target must not name the same event.
    """
    key = request.idempotency_key
    return ActRequest(caller.id, None if key is None else f"{target} {key}", request.content())


def receipt_headers(committed: CommittedAct) -> dict[str, str]:
    """`Carevouch-Event`: the event's id. `Carevouch-Receipt`: the event and the certificate of its key."""
    receipt = " ".join(filter(None, (committed.event, committed.certificate)))
    return {"Carevouch-Event": committed.event_id, "Carevouch-Receipt": receipt}


def receipt_json(committed: CommittedAct) -> JsonObject:
    """The event and the certificate of its key, for JSON answers."""
    return {"receipt": {"event": committed.event, "certificate": committed.certificate}}
