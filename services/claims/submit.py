"""Claim/$submit: the final answer to a claim, in one act.

The use case loads, decides and commits. The act holds the claim, the response, the decision and the changed
accumulators, all or none. The decisions of one payer about one person are the versions of one document. Each
claim appends the next version, so the order is proved, no decision can be left out, and only one of two
claims can be the next. The claim that loses this race, or one for a family's accumulator, reads and decides
again. So no claim is paid twice, and no deductible is counted from a stale state.
"""

from carevouch.claims.adjudicate import adjudicate
from carevouch.claims.decision import decision_body
from carevouch.claims.fhir import claim_input, focal_coverage
from carevouch.claims.model import ClaimInput
from carevouch.claims.response import claim_response
from carevouch.door.access import act_request
from carevouch.door.http import HttpRequest, Reply
from carevouch.events.act import commit
from carevouch.identity.caller import PROVIDER
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Unprocessable
from carevouch.kernel.ids import Doc, about, part
from carevouch.kernel.jsontext import parse, render
from carevouch.records.resource import stamped
from carevouch.store.documents import ActNames, ActPlan, Draft, NewDocument, Partition, StoredAnswer
from services.claims.coverage import covering
from services.claims.inputs import MAX_CONFLICTS, accumulator_drafts, contract_on, load_accumulators
from services.claims.ports import Ports
from services.claims.submission import answer_of, patient_of, require_provider, submitted

CLAIM, RESPONSE, DECISION = "Claim", "ClaimResponse", "Decision"
DECISION_REFERENCE = "https://carevouch.org/fhir/StructureDefinition/decision"


def submit(request: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Claim/$submit, by the provider that the claim names; 200 with the final ClaimResponse."""
    caller = ports.access.caller(request)
    resource = submitted(request, CLAIM, ports.access.base)
    patient = patient_of(resource, "patient")
    with ports.access.visit(request, caller, patient, "operation") as visit:
        caller.require_role(PROVIDER)
        caller.require_scope(CLAIM, "c")
        claim = claim_input(resource)
        retriable = act_request(request, caller, f"{CLAIM} {patient}")
        visit.require_enrolment()
        require_provider(resource, caller, ports)
        attempts = ports.store.writer.attempts(
            retriable, NewDocument(CLAIM, patient), max_conflicts=MAX_CONFLICTS
        )
        for names in attempts:
            with attempts:
                attempts.append(
                    _claim_act(names, resource, claim, visit.partition, patient, caller.reference, ports)
                )
        return answer_of(attempts.committed, visit)


def _claim_act(
    names: ActNames,
    resource: JsonObject,
    claim: ClaimInput,
    partition: Partition,
    patient: str,
    author: str,
    ports: Ports,
) -> ActPlan:
    """The act: the decision on the claim, from the current coverage, contract and accumulators."""
    coverage = covering(partition, focal_coverage(resource))
    payer = coverage.terms.payer
    if resource.get("insurer", {}).get("reference", payer) != payer:
        raise Unprocessable("Claim.insurer must be the payor of the coverage that the claim names")
    in_force = contract_on(payer, coverage.plan, min(line.start for line in claim.lines), ports)
    if in_force is None:
        raise Unprocessable("the payer has no contract in force for this plan on the first day of service")
    contract = in_force.contract
    used = load_accumulators(partition, patient, contract, coverage.family, ports)
    derived = ports.store.reader.keys.deployment().derive("decision", patient, payer)
    decision_doc = Doc(DECISION, about(patient, part(derived)))
    decisions = partition.history(decision_doc)
    bodies = (parse(stored.body, "a stored decision") for stored in decisions)
    answered_before = frozenset(key for body in bodies for key in body["keys"])

    result = adjudicate(claim, coverage.terms, contract, used.used, answered_before, names.time)

    # The claim is not a named input of the decision, because it is in the same event.
    sources = {
        "coverage": coverage.stored,
        "contract": in_force.stored,
        "accumulator": used.own_stored,
        "family": used.family_stored,
    }
    inputs = {
        name: {"event": stored.event.id, "commit": b64u(commit(stored.revision.nonce, stored.body))}
        for name, stored in sources.items()
        if stored is not None
    }
    body = decision_body(result, claim, coverage.terms, inputs)
    decision = Draft(decision_doc, body, decisions[-1] if decisions else None)
    claim_doc, response_doc = names.doc(0, CLAIM, patient), names.doc(1, RESPONSE, patient)
    insured = {**resource, "insurer": {**resource.get("insurer", {}), "reference": payer}}
    response = claim_response(insured, result, request=str(claim_doc), insurer=payer)
    version = f"{decision.doc}/_history/{decision.version}"
    response["extension"].append({"url": DECISION_REFERENCE, "valueString": version})
    documents = (
        Draft(doc, render(stamped(content, doc.id, 1, names.time, author)))
        for doc, content in ((claim_doc, insured), (response_doc, response))
    )
    return ActPlan(
        "claim.adjudicated",
        (*documents, decision, *accumulator_drafts(used, result.after)),
        StoredAnswer(200, (str(response_doc), str(claim_doc))),
        (patient,),
        contract=contract.hash,
    )
