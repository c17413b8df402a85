"""Claim/$submit: a claim in, its final answer out, in one act.

Load, decide, commit. The act holds the claim, the response, the decision and the accumulators it changed,
or nothing at all. The decisions of one payer about one person are the versions of one document: each claim
appends the next, so their order is proved, none can be left out, and two claims cannot both be the next.
Whoever loses that race, or one for a family's accumulator, reads again and decides again: nothing is paid
twice and no deductible is counted from a stale state.
"""

from dataclasses import dataclass

from carevouch.claims.adjudicate import adjudicate
from carevouch.claims.decision import decision_body
from carevouch.claims.fhir import claim_input, focal_coverage
from carevouch.claims.model import Adjudication, ClaimInput
from carevouch.claims.response import claim_response
from carevouch.door.access import Visit
from carevouch.door.http import HttpRequest, Reply
from carevouch.events.act import commit
from carevouch.identity.caller import PROVIDER
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Unprocessable
from carevouch.kernel.ids import Doc, about, part
from carevouch.kernel.jsontext import parse, render
from carevouch.records.resource import stamped
from carevouch.store.documents import ActNames, ActPlan, Draft, Partition, StoredAnswer, StoredRevision
from services.claims import accumulators
from services.claims.accumulators import MemberAccumulators
from services.claims.coverage import CoverageInForce, covering
from services.claims.plans import ContractInForce, contract_on
from services.claims.ports import Ports
from services.claims.race import settled
from services.claims.submission import (
    answered,
    patient_of,
    require_enrolment,
    require_provider,
    retriable,
    submitted,
)

CLAIM, RESPONSE, DECISION = "Claim", "ClaimResponse", "Decision"
DECISION_REFERENCE = "https://carevouch.org/fhir/StructureDefinition/decision"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A claim as submitted: the resource, what adjudication reads of it, and for whom."""

    resource: JsonObject
    claim: ClaimInput
    patient: str
    author: str


@dataclass(frozen=True, slots=True)
class _Case:
    """All that is on file for a claim at this moment."""

    covered: CoverageInForce
    held: ContractInForce
    loaded: MemberAccumulators
    decision: Doc
    decisions: list[StoredRevision]

    @property
    def history(self) -> frozenset[str]:
        """The duplicate keys of the services that this payer has answered before."""
        bodies = (parse(stored.body, "a stored decision") for stored in self.decisions)
        return frozenset(key for body in bodies for key in body["keys"])


def submit(incoming: HttpRequest, ports: Ports) -> Reply:
    """POST /fhir/Claim/$submit, by the provider that the claim names; 200 with the final ClaimResponse."""
    caller = ports.access.caller(incoming)
    resource = submitted(incoming, CLAIM, ports.access.base)
    patient = patient_of(resource, "patient")

    def first(naming: ActNames) -> Doc:
        return Doc(CLAIM, about(patient, naming.part(0)))

    def work(visit: Visit) -> Reply:
        caller.require_role(PROVIDER)
        caller.require_scope(CLAIM, "c")
        asked = _Asked(resource, claim_input(resource), patient, caller.reference)
        request = retriable(incoming, caller, f"{CLAIM} {patient}")
        require_enrolment(visit, ports)
        require_provider(resource, caller, ports)

        def build(naming: ActNames) -> ActPlan:
            return _decided(naming, asked, _load(asked, visit.partition, ports))

        return answered(settled(lambda: ports.store.writer.perform(request, first, build)), visit)

    return ports.access.visit(incoming, caller, patient, "operation").run(work)


def _load(asked: _Asked, partition: Partition, ports: Ports) -> _Case:
    covered = covering(partition, focal_coverage(asked.resource))
    payer = covered.terms.payer
    if asked.resource.get("insurer", {}).get("reference", payer) != payer:
        raise Unprocessable("Claim.insurer must be the payor of the coverage that the claim names")
    day = min(line.start for line in asked.claim.lines)
    held = contract_on(payer, covered.plan, day, ports)
    if held is None:
        raise Unprocessable("the payer has no contract for this plan on the first day of service")
    derived = ports.store.reader.keys.deployment().derive("decision", asked.patient, payer)
    decision = Doc(DECISION, about(asked.patient, part(derived)))
    return _Case(
        covered,
        held,
        accumulators.load(partition, asked.patient, held.contract, covered.family, ports),
        decision,
        partition.history(decision),
    )


def _decided(naming: ActNames, asked: _Asked, case: _Case) -> ActPlan:
    """The act: what is decided about the claim as things stand."""
    covered, contract = case.covered, case.held.contract
    result = adjudicate(asked.claim, covered.terms, contract, case.loaded.used, case.history, naming.time)
    claim = Doc(CLAIM, about(asked.patient, naming.part(0)))
    response = Doc(RESPONSE, about(asked.patient, naming.part(1)))
    decision = _decision(asked, case, result)
    insurer = {**asked.resource.get("insurer", {}), "reference": covered.terms.payer}
    insured = {**asked.resource, "insurer": insurer}
    answer = claim_response(insured, result, request=str(claim), insurer=covered.terms.payer)
    answer["extension"].append(
        {"url": DECISION_REFERENCE, "valueString": f"{decision.doc}/_history/{decision.version}"}
    )

    def stored(doc: Doc, resource: JsonObject) -> Draft:
        return Draft(doc, render(stamped(resource, doc.id, 1, naming.time, asked.author)))

    return ActPlan(
        "claim.adjudicated",
        (
            stored(claim, insured),
            stored(response, answer),
            decision,
            *accumulators.drafts(case.loaded, result.after),
        ),
        StoredAnswer(200, (str(response), str(claim))),
        (asked.patient,),
        contract=contract.hash,
    )


def _decision(asked: _Asked, case: _Case, result: Adjudication) -> Draft:
    """The recorded decision. The claim is not among its named inputs: it stands in the same event."""
    sources = {
        "coverage": case.covered.stored,
        "contract": case.held.stored,
        "accumulator": case.loaded.own_stored,
        "family": case.loaded.family_stored,
    }
    inputs = {name: _named(stored) for name, stored in sources.items() if stored is not None}
    body = decision_body(result, asked.claim, case.covered.terms, inputs)
    return Draft(case.decision, body, case.decisions[-1] if case.decisions else None)


def _named(stored: StoredRevision) -> dict[str, str]:
    """How an opening shows the revision."""
    revision = stored.revision
    return {"event": stored.event.id, "commit": b64u(commit(revision.nonce, revision.body))}
