"""CoverageEligibilityRequest to CoverageEligibilityResponse, FHIR R4, for its four purposes.

`validation` asks whether the coverage is in force, `discovery` which coverages are. `benefits` asks for the
contract's limits and their use, `auth-requirements` for the services that need an authorisation. An answer
must never promise more than its accumulators: a claim received in between may use them up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carevouch.claims.accumulate import counter, fresh
from carevouch.claims.contract import Contract
from carevouch.claims.fhir import coding, reference, require_type, service_dates
from carevouch.claims.model import Accumulators, CoverageInput, FamilyUse, IndividualUse
from carevouch.claims.response import codeable_concept, money
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid
from carevouch.kernel.times import moment

PURPOSES = frozenset({"auth-requirements", "benefits", "discovery", "validation"})
OWN_CATEGORY = "https://carevouch.org/fhir/CodeSystem/benefit-category"
OWN_BENEFIT = "https://carevouch.org/fhir/CodeSystem/benefit-type"
PLAN_CATEGORY = ("http://terminology.hl7.org/CodeSystem/ex-benefitcategory", "30")  # the whole health plan
HL7_BENEFIT = "http://terminology.hl7.org/CodeSystem/benefit-type"
HL7_UNIT = "http://terminology.hl7.org/CodeSystem/benefit-unit"
HL7_TERM = "http://terminology.hl7.org/CodeSystem/benefit-term"
# HL7 has no term for a month.
_TERMS = {"plan-year": (HL7_TERM, "annual"), "month": (OWN_BENEFIT, "month"), "day": (HL7_TERM, "day")}
# A request asks about services, not about a catalogue.
MAX_ITEMS = 100


@dataclass(frozen=True, slots=True)
class MemberCoverage:
    """A coverage, with its contract and its use on the day of the question; `place` is its reference."""

    place: str
    coverage: CoverageInput
    contract: Contract | None
    used: Accumulators | None


@dataclass(frozen=True, slots=True)
class _EligibilityRequest:
    purposes: tuple[str, ...]
    patient: str
    insurer: str
    dates: tuple[str, str]
    services: tuple[tuple[str, str], ...]


def eligibility_response(
    resource: JsonObject, insured: Sequence[MemberCoverage], now_instant: str, *, request: str
) -> JsonObject:
    """The answer to the request `resource`, whose own reference is `request`.

    `insured` are the coverages that it names. For discovery they are all that the payer knows of the patient.
    Raises `Invalid`.
    """
    moment(now_instant, "the instant of the answer")
    question = _read_request(resource, now_instant[:10])
    insurances = [_insurance(question, member) for member in insured]
    active = sum(insurance["inforce"] for insurance in insurances)
    response: JsonObject = {
        "resourceType": "CoverageEligibilityResponse",
        "status": "active",
        "purpose": list(question.purposes),
        "patient": {"reference": question.patient},
        "servicedPeriod": {"start": question.dates[0], "end": question.dates[1]},
        "created": now_instant,
        "request": {"reference": request},
        "outcome": "complete",
        "disposition": f"{active} of {len(insured)} coverages are in force on the dates asked about.",
        "insurer": {"reference": question.insurer},
    }
    # FHIR has no empty lists: without a known coverage there is no `insurance` at all.
    return {**response, "insurance": insurances} if insurances else response


def _read_request(resource: JsonObject, today: str) -> _EligibilityRequest:
    where = "CoverageEligibilityRequest"
    require_type(resource, where)
    if resource.get("status") != "active":
        raise Invalid(f"{where}.status must be active")
    purposes = resource.get("purpose")
    if (
        not isinstance(purposes, list)
        or not purposes
        or not all(isinstance(purpose, str) and purpose in PURPOSES for purpose in purposes)
    ):
        raise Invalid(f"{where}.purpose must list some of: {', '.join(sorted(PURPOSES))}")
    patient = reference(resource.get("patient"), f"{where}.patient")
    insurer = reference(resource.get("insurer"), f"{where}.insurer")
    dates = service_dates(resource, where) or (today, today)
    items = resource.get("item", [])
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise Invalid(f"{where}.item must be a list of at most {MAX_ITEMS} services")
    services = []
    for at, item in enumerate(items):
        if not isinstance(item, dict) or "productOrService" not in item:
            raise Invalid(f"{where}.item[{at}] needs a productOrService: ask about services by their code")
        services.append(coding(item["productOrService"], f"{where}.item[{at}].productOrService"))
    return _EligibilityRequest(tuple(purposes), patient, insurer, dates, tuple(services))


def _insurance(question: _EligibilityRequest, member: MemberCoverage) -> JsonObject:
    coverage, contract = member.coverage, member.contract
    is_in_force = (
        coverage.status == "active"
        and coverage.beneficiary == question.patient
        and coverage.covers(*question.dates)
        and contract is not None
        and contract.terms.effective.holds(*question.dates)
    )
    answer: JsonObject = {"coverage": {"reference": member.place}, "inforce": is_in_force}
    if not is_in_force or contract is None:
        return answer
    period = contract.terms.accumulation
    answer["benefitPeriod"] = {"start": period.start, "end": period.end}
    items: list[JsonObject] = []
    if "benefits" in question.purposes:
        used = member.used or fresh(contract)
        items += [*_plan_items(contract, used), *_category_items(contract, used, question)]
    if question.services or "auth-requirements" in question.purposes:
        items += _service_items(contract, question)
    return {**answer, "item": items} if items else answer


def _plan_items(contract: Contract, used: Accumulators) -> Iterator[JsonObject]:
    """The plan's deductible and out-of-pocket limit, for the member and for the family."""
    terms = contract.terms
    states: list[tuple[str, IndividualUse | FamilyUse]] = [("individual", used.individual)]
    if used.family is not None:
        states.append(("family", used.family))
    for unit, state in states:
        benefits = []
        for concept, limit, spent in (
            ((HL7_BENEFIT, "deductible"), terms.deductible, state.deductible_cents),
            ((OWN_BENEFIT, "out-of-pocket"), terms.out_of_pocket, state.oop_cents),
        ):
            # Under an aggregate limit the member's own amount counts for nothing, so it is not an answer.
            is_aggregate = limit is not None and limit.family_rule == "aggregate" and used.family is not None
            own = None if limit is None or is_aggregate else limit.individual_cents
            allowed = limit.family_cents if limit is not None and unit == "family" else own
            if allowed is not None:
                benefits.append(_money_benefit(concept, allowed, spent, terms.currency))
        if benefits:
            yield {**_benefit_frame(PLAN_CATEGORY, unit, "plan-year"), "benefit": benefits}


def _category_items(
    contract: Contract, used: Accumulators, question: _EligibilityRequest
) -> Iterator[JsonObject]:
    """The copay, the coinsurance and the limits of the categories of the services asked about, or of all."""
    terms = contract.terms
    wanted = {terms.category_name("|".join(service)) for service in question.services} or set(
        terms.categories
    )
    for name in sorted(set(terms.categories) & wanted):
        category = terms.categories[name]
        bp = terms.coinsurance_of(category)
        benefits: list[JsonObject] = [
            {
                "type": codeable_concept((HL7_BENEFIT, "copay")),
                "allowedMoney": money(category.copay_cents, terms.currency),
            },
            {
                "type": codeable_concept((HL7_BENEFIT, "copay-percent")),
                "allowedString": f"{bp // 100}.{bp % 100:02d}",
            },
        ]
        yield {**_benefit_frame((OWN_CATEGORY, name), "individual", "plan-year"), "benefit": benefits}
        for limit in category.limits:
            count, benefits = counter(used.individual, name, limit, question.dates[0]), []
            if limit.visits is not None:
                benefits.append({
                    "type": codeable_concept((HL7_BENEFIT, "visit")),
                    "allowedUnsignedInt": limit.visits,
                    "usedUnsignedInt": min(len(count.dates), limit.visits),
                })  # fmt: skip
            if limit.amount_cents is not None:
                concept, spent = (HL7_BENEFIT, "benefit"), count.amount_cents
                benefits.append(_money_benefit(concept, limit.amount_cents, spent, terms.currency))
            yield {**_benefit_frame((OWN_CATEGORY, name), "individual", limit.period), "benefit": benefits}


def _service_items(contract: Contract, question: _EligibilityRequest) -> Iterator[JsonObject]:
    """Each service asked about: whether the plan excludes it, and whether it needs an authorisation."""
    terms = contract.terms
    # A question without a service asks for the contract's whole list of services that need one.
    tokens = ["|".join(service) for service in question.services] or terms.auth_required
    for token in tokens:
        system, _, code = token.partition("|")
        is_priced = any(token in terms.fees.schedule(in_network=inside) for inside in (True, False))
        item: JsonObject = {
            "productOrService": codeable_concept((system, code)),
            "excluded": token in terms.excluded or not is_priced,
        }
        if "auth-requirements" in question.purposes:
            item["authorizationRequired"] = token in terms.auth_required
        yield item


def _money_benefit(
    concept: tuple[str, str], allowed_cents: int, used_cents: int, currency: str
) -> JsonObject:
    return {
        "type": codeable_concept(concept),
        "allowedMoney": money(allowed_cents, currency),
        "usedMoney": money(min(used_cents, allowed_cents), currency),
    }


def _benefit_frame(category: tuple[str, str], unit: str, period: str) -> JsonObject:
    return {
        "category": codeable_concept(category),
        "unit": codeable_concept((HL7_UNIT, unit)),
        "term": codeable_concept(_TERMS[period]),
    }
