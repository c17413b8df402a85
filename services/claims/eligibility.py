"""CoverageEligibilityRequest/$submit: whether a person is covered, for which services, and how much is left.

Three may ask: a provider linked with the person, the payer about its own member, and the person's device.
Request and response are one act. The response is no promise, because a claim that comes in between may use up
the amounts that it shows as left.
"""

from carevouch.claims.eligibility import MemberCoverage, eligibility_response
from carevouch.claims.fhir import objects, reference, service_dates
from carevouch.door.access import Visit, act_request
from carevouch.door.http import ABSENT, HttpRequest, Reply
from carevouch.identity.caller import ORGANIZATION, PAYER, PROVIDER
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import NotFound, Unprocessable
from carevouch.kernel.jsontext import render
from carevouch.records.resource import stamped
from carevouch.store.documents import ActNames, ActPlan, Draft, NewDocument, Partition, StoredAnswer
from services.claims.coverage import CoverageInForce, coverages_by
from services.claims.inputs import contract_on, load_accumulators
from services.claims.ports import Ports
from services.claims.submission import answer_of, patient_of, require_provider, submitted

REQUEST, RESPONSE = "CoverageEligibilityRequest", "CoverageEligibilityResponse"


def answer(request: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/CoverageEligibilityRequest/$submit; 200 with the CoverageEligibilityResponse."""
    caller = ports.access.caller(request)
    resource = submitted(request, REQUEST, ports.access.base)
    patient = patient_of(resource, "patient")
    with ports.access.visit(request, caller, patient, "operation") as visit:
        if caller.kind == ORGANIZATION:
            caller.require_role(PROVIDER, PAYER)
        caller.require_scope(REQUEST, "c")
        insurer = reference(resource.get("insurer"), f"{REQUEST}.insurer")
        retriable = act_request(request, caller, f"{REQUEST} {patient}")
        _require_party(visit, resource, insurer, ports)
        attempts = ports.store.writer.attempts(retriable, NewDocument(REQUEST, patient))
        for names in attempts:
            with attempts:
                attempts.append(_response_act(names, resource, visit, patient, ports))
        return answer_of(attempts.committed, visit)


def _require_party(visit: Visit, resource: JsonObject, insurer: str, ports: Ports) -> None:
    """Raise `NotFound` unless the caller is the person, the insurer of a member, or a linked provider."""
    caller = visit.caller
    if caller.patient is not None:
        if caller.patient != visit.patient:
            raise NotFound(ABSENT)
        return
    if PAYER in caller.roles and insurer == caller.reference and any(coverages_by(visit.partition, insurer)):
        return
    if PROVIDER not in caller.roles:
        raise NotFound(ABSENT)
    visit.require_enrolment()
    if "provider" in resource:
        require_provider(resource, caller, ports)


def _response_act(names: ActNames, resource: JsonObject, visit: Visit, patient: str, ports: Ports) -> ActPlan:
    """The act: request and response, from the current contracts and accumulators."""
    caller, partition = visit.caller, visit.partition
    request, response = names.doc(0, REQUEST, patient), names.doc(1, RESPONSE, patient)
    day = (service_dates(resource, REQUEST) or (names.time[:10],))[0]
    members = []
    for coverage in _coverages(resource, partition):
        in_force = contract_on(coverage.terms.payer, coverage.plan, day, ports)
        contract, used = None, None
        if in_force is not None:
            contract = in_force.contract
            used = load_accumulators(partition, patient, contract, coverage.family, ports).used
        members.append(MemberCoverage(str(coverage.stored.doc), coverage.terms, contract, used))
    content = eligibility_response(resource, members, names.time, request=str(request))
    if caller.kind == ORGANIZATION:
        content = {**content, "requestor": {"reference": caller.reference}}
    drafts = (
        Draft(doc, render(stamped(body, doc.id, 1, names.time, caller.reference)))
        for doc, body in ((request, resource), (response, content))
    )
    stored_answer = StoredAnswer(200, (str(response), str(request)))
    return ActPlan("eligibility.answered", tuple(drafts), stored_answer, (patient,))


def _coverages(resource: JsonObject, partition: Partition) -> list[CoverageInForce]:
    """The coverages that the request names. For discovery, or if it names none, all of this insurer's."""
    known = {str(item.stored.doc): item for item in coverages_by(partition, resource["insurer"]["reference"])}
    named = [
        reference(item.get("coverage"), f"{REQUEST}.insurance.coverage")
        for item in objects(resource.get("insurance"), f"{REQUEST}.insurance")
    ]
    if not set(named) <= set(known):
        raise Unprocessable(
            "the request names a coverage that this insurer has not registered for this patient"
        )
    if not named or "discovery" in resource["purpose"]:
        return list(known.values())
    return [known[name] for name in dict.fromkeys(named)]
