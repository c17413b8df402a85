"""CoverageEligibilityRequest/$submit: is this person covered, for what, and how much of it is used?

A provider linked with the person may ask, the payer itself about its own member, and the person's device.
Question and answer are one act. The answer promises nothing: a claim received in between may use up what it
shows as left.
"""

from carevouch.claims.eligibility import MemberCoverage, eligibility_response
from carevouch.claims.fhir import objects, reference, service_dates
from carevouch.door.access import Visit
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import ORGANIZATION, PAYER, PROVIDER, Caller
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import NotFound, Unprocessable
from carevouch.kernel.ids import Doc, about
from carevouch.kernel.jsontext import render
from carevouch.records.resource import stamped
from carevouch.store.documents import ActNames, ActPlan, Draft, Partition, StoredAnswer
from services.claims import accumulators
from services.claims.coverage import CoverageInForce, coverages_by
from services.claims.plans import contract_on
from services.claims.ports import Ports
from services.claims.submission import (
    answered,
    patient_of,
    require_enrolment,
    require_provider,
    retriable,
    submitted,
)

REQUEST, RESPONSE = "CoverageEligibilityRequest", "CoverageEligibilityResponse"


def answer(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/CoverageEligibilityRequest/$submit; 200 with the CoverageEligibilityResponse."""
    caller = ports.access.caller(incoming)
    resource = submitted(incoming, REQUEST, ports.access.base)
    patient = patient_of(resource, "patient")

    def first(naming: ActNames) -> Doc:
        return Doc(REQUEST, about(patient, naming.part(0)))

    def work(visit: Visit) -> Reply:
        if caller.kind == ORGANIZATION:
            caller.require_role(PROVIDER, PAYER)
        caller.require_scope(REQUEST, "c")
        insurer = reference(resource.get("insurer"), f"{REQUEST}.insurer")
        request = retriable(incoming, caller, f"{REQUEST} {patient}")
        _require_asker(visit, resource, insurer, ports)

        def build(naming: ActNames) -> ActPlan:
            return _answered(naming, resource, visit, ports)

        return answered(ports.store.writer.perform(request, first, build), visit)

    return ports.access.visit(incoming, caller, patient, "operation").run(work)


def _require_asker(visit: Visit, resource: JsonObject, insurer: str, ports: Ports) -> None:
    caller = visit.caller
    if caller.patient is not None:
        if caller.patient != visit.patient:
            raise NotFound(ABSENT)
        return
    if PAYER in caller.roles and insurer == caller.reference and _is_member(visit, insurer):
        return
    if PROVIDER not in caller.roles:
        raise NotFound(ABSENT)
    require_enrolment(visit, ports)
    if "provider" in resource:
        require_provider(resource, caller, ports)


def _is_member(visit: Visit, insurer: str) -> bool:
    return next(coverages_by(visit.partition, insurer), None) is not None


def _answered(naming: ActNames, resource: JsonObject, visit: Visit, ports: Ports) -> ActPlan:
    patient, caller = visit.patient or "", visit.caller
    request = Doc(REQUEST, about(patient, naming.part(0)))
    response = Doc(RESPONSE, about(patient, naming.part(1)))
    insured = _insured(resource, naming.time, patient, visit.partition, ports)
    told = eligibility_response(resource, insured, naming.time, request=str(request))

    def stored(doc: Doc, content: JsonObject) -> Draft:
        return Draft(doc, render(stamped(content, doc.id, 1, naming.time, caller.reference)))

    return ActPlan(
        "eligibility.answered",
        (stored(request, resource), stored(response, {**told, **_requestor(caller)})),
        StoredAnswer(200, (str(response), str(request))),
        (patient,),
    )


def _requestor(caller: Caller) -> JsonObject:
    return {"requestor": {"reference": caller.reference}} if caller.kind == ORGANIZATION else {}


def _insured(
    resource: JsonObject, now: str, patient: str, partition: Partition, ports: Ports
) -> list[MemberCoverage]:
    day = (service_dates(resource, REQUEST) or (now[:10],))[0]
    covered = _asked_about(resource, partition)
    return [_one(item, day, patient, partition, ports) for item in covered]


def _asked_about(resource: JsonObject, partition: Partition) -> list[CoverageInForce]:
    """The coverages that the request names; for discovery, or when it names none, all of this insurer."""
    known = {str(item.stored.doc): item for item in coverages_by(partition, resource["insurer"]["reference"])}
    named = [
        reference(item.get("coverage"), f"{REQUEST}.insurance.coverage")
        for item in objects(resource.get("insurance"), f"{REQUEST}.insurance")
    ]
    if not set(named) <= set(known):
        raise Unprocessable("a coverage named is none that this insurer registered here for this patient")
    if not named or "discovery" in resource["purpose"]:
        return list(known.values())
    return [known[name] for name in dict.fromkeys(named)]


def _one(
    covered: CoverageInForce, day: str, patient: str, partition: Partition, ports: Ports
) -> MemberCoverage:
    place = str(covered.stored.doc)
    held = contract_on(covered.terms.payer, covered.plan, day, ports)
    if held is None:
        return MemberCoverage(place, covered.terms, None, None)
    loaded = accumulators.load(partition, patient, held.contract, covered.family, ports)
    return MemberCoverage(place, covered.terms, held.contract, loaded.used)
