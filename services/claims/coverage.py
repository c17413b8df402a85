"""Coverage: a payer's statement that it insures a person.

A payer has no enrolment link with its members. It learns a member's patient id when the member registers with
it. With that id it may write one document: a Coverage that names the payer as payor. The payer is then a
party to this coverage and to claims under it, and to no other document of the person. A Coverage in a Bundle
is a record like others. No payer registered it, so no claim is adjudicated under it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from carevouch.claims.fhir import coverage_input, family_of
from carevouch.claims.model import CoverageInput
from carevouch.door.access import act_request
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import PAYER
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Forbidden, IntegrityFault, Invalid, Malformed, NotFound, Unprocessable
from carevouch.kernel.ids import Doc, parse_reference
from carevouch.kernel.jsontext import parse, render
from carevouch.records.resource import stamped
from carevouch.store.documents import ActPlan, Draft, NewDocument, Partition, StoredAnswer, StoredRevision
from services.claims.ports import Ports
from services.claims.submission import answer_of, patient_of, submitted

COVERAGE, REGISTERED = "Coverage", "coverage.registered"


@dataclass(frozen=True, slots=True)
class CoverageInForce:
    """A registered coverage and its terms. `family` is None for a member insured alone."""

    stored: StoredRevision
    terms: CoverageInput
    plan: str
    family: str | None


def register(request: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Coverage, by the payer that it names; 201 with the Coverage."""
    caller = ports.access.caller(request)
    resource = submitted(request, COVERAGE, ports.access.base)
    patient = patient_of(resource, "beneficiary")
    with ports.access.visit(request, caller, patient, "operation") as visit:
        caller.require_role(PAYER)
        caller.require_scope(COVERAGE, "c")
        terms = coverage_input(resource)
        if terms.payer != caller.reference:
            raise Forbidden(f"Coverage.payor must be the payer that registers it, {caller.reference}")
        if terms.plan is None:
            raise Invalid("Coverage.class needs an entry of type plan, whose value is the contract's plan")
        family_of(resource)
        retriable = act_request(request, caller, f"{COVERAGE} {patient}")
        if visit.partition.get(Doc("Patient", patient)) is None:
            raise NotFound(ABSENT)
        attempts = ports.store.writer.attempts(retriable, NewDocument(COVERAGE, patient))
        for names in attempts:
            with attempts:
                doc = names.doc(0, COVERAGE, patient)
                body = render(stamped(resource, doc.id, 1, names.time, caller.reference))
                answer = StoredAnswer(201, (str(doc),))
                attempts.append(ActPlan(REGISTERED, (Draft(doc, body),), answer, (patient,)))
        return answer_of(attempts.committed, visit)


def covering(partition: Partition, reference: str) -> CoverageInForce:
    """The coverage that `reference` names; raises `Unprocessable` if no payer registered it for this person.

    Another person's coverage lies in another partition, so it is not found.
    """
    try:
        doc: Doc | None = parse_reference(reference)
    except Malformed:
        doc = None
    stored = partition.get(doc) if doc is not None and doc.type == COVERAGE else None
    coverage = _in_force(stored) if stored else None
    if coverage is None:
        raise Unprocessable("the claim names a coverage that no payer has registered for this patient")
    return coverage


def coverages_by(partition: Partition, payer: str) -> Iterator[CoverageInForce]:
    """All coverages of the person that this payer registered."""
    for stored in partition.latest(COVERAGE):
        coverage = _in_force(stored)
        if coverage is not None and coverage.terms.payer == payer:
            yield coverage


def _in_force(stored: StoredRevision) -> CoverageInForce | None:
    """The coverage in this revision; None if no payer registered it."""
    if stored.event.type != REGISTERED:
        return None
    resource: JsonObject = parse(stored.body, "a stored Coverage")
    terms = coverage_input(resource)
    if terms.plan is None:
        raise IntegrityFault("a registered coverage has no plan")
    return CoverageInForce(stored, terms, terms.plan, family_of(resource))
