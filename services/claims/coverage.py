"""Coverage: that a payer insures a person, on the payer's word alone.

A payer has no enrolment link with its members. It is told a member's patient id when the member registers
with it, and what it may write with that id is one thing: a Coverage that names itself as payor. That makes
it a party to this coverage and to claims under it, and to nothing else of the person. A Coverage that came
in with somebody's Bundle is a record like others: it is no payer's word, and nothing is adjudicated under
it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from carevouch.claims.fhir import coverage_input, family_of
from carevouch.claims.model import CoverageInput
from carevouch.door.access import Visit
from carevouch.door.http import HttpRequest, Reply
from carevouch.identity.caller import PAYER, Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Forbidden, IntegrityFault, Invalid, Malformed, Unprocessable
from carevouch.kernel.ids import Doc, about, parse_reference
from carevouch.kernel.jsontext import parse, render
from carevouch.records.resource import stamped
from carevouch.store.documents import (
    ActNames,
    ActPlan,
    ActRequest,
    Draft,
    Partition,
    StoredAnswer,
    StoredRevision,
)
from services.claims.ports import Ports
from services.claims.submission import answered, patient_of, require_person, retriable, submitted

COVERAGE, REGISTERED = "Coverage", "coverage.registered"


@dataclass(frozen=True, slots=True)
class CoverageInForce:
    """A payer's word: the stored revision and what it says. `family` is None for a member insured alone."""

    stored: StoredRevision
    terms: CoverageInput
    plan: str
    family: str | None


def register(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Coverage, by the payer that it names; 201 with the Coverage."""
    caller = ports.access.caller(incoming)
    resource = submitted(incoming, COVERAGE, ports.access.base)
    patient = patient_of(resource, "beneficiary")

    def work(visit: Visit) -> Reply:
        caller.require_role(PAYER)
        caller.require_scope(COVERAGE, "c")
        _require_word(resource, caller)
        request = retriable(incoming, caller, f"{COVERAGE} {patient}")
        require_person(visit)
        return _stored(request, resource, visit, ports)

    return ports.access.visit(incoming, caller, patient, "operation").run(work)


def _require_word(resource: JsonObject, caller: Caller) -> None:
    """Raise unless the Coverage says what a payer can promise, in the calling payer's own name."""
    terms = coverage_input(resource)
    if terms.payer != caller.reference:
        raise Forbidden(f"Coverage.payor must be the payer that registers it, {caller.reference}")
    if terms.plan is None:
        raise Invalid("Coverage.class needs an entry of type plan, whose value is the contract's plan")
    family_of(resource)


def covering(partition: Partition, reference: str) -> CoverageInForce:
    """The coverage that `reference` names; raises `Unprocessable` if no payer registered it for this person.

    Somebody else's coverage lies in another partition, and is as unknown as none.
    """
    try:
        doc: Doc | None = parse_reference(reference)
    except Malformed:
        doc = None
    if doc is not None and doc.type == COVERAGE:
        stored = partition.get(doc)
        covered = _word(stored) if stored else None
        if covered is not None:
            return covered
    raise Unprocessable("the coverage named is none that a payer registered here for this patient")


def coverages_by(partition: Partition, payer: str) -> Iterator[CoverageInForce]:
    """All coverages of the person that this payer registered."""
    for stored in partition.latest(COVERAGE):
        covered = _word(stored)
        if covered is not None and covered.terms.payer == payer:
            yield covered


def _word(stored: StoredRevision) -> CoverageInForce | None:
    """What a payer said in this revision; None if no payer did."""
    if stored.event.type != REGISTERED:
        return None
    resource: JsonObject = parse(stored.body, "a stored Coverage")
    terms = coverage_input(resource)
    if terms.plan is None:
        raise IntegrityFault("a coverage was registered without a plan")
    return CoverageInForce(stored, terms, terms.plan, family_of(resource))


def _stored(request: ActRequest, resource: JsonObject, visit: Visit, ports: Ports) -> Reply:
    patient, caller = visit.patient or "", visit.caller

    def first(naming: ActNames) -> Doc:
        return Doc(COVERAGE, about(patient, naming.part(0)))

    def build(naming: ActNames) -> ActPlan:
        return _plan(first(naming), resource, naming.time, caller, patient)

    return answered(ports.store.writer.perform(request, first, build), visit)


def _plan(doc: Doc, resource: JsonObject, time: str, caller: Caller, patient: str) -> ActPlan:
    body = render(stamped(resource, doc.id, 1, time, caller.reference))
    return ActPlan(REGISTERED, (Draft(doc, body),), StoredAnswer(201, (str(doc),)), (patient,))
