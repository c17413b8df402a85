"""CoverageEligibilityRequest to CoverageEligibilityResponse, FHIR R4, for its four purposes.

validation: is the coverage in force; discovery: which are; benefits: what the contract allows and what is
used, from the accumulators; auth-requirements: which services need an authorisation. An answer promises
nothing beyond the accumulators it was given: a claim received in between may use them up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carevouch.claims import accumulate
from carevouch.claims.contract import BenefitLimit, Contract, Limit
from carevouch.claims.fhir import coding, reference, service_dates
from carevouch.claims.model import Accumulators, CoverageInput, FamilyUse, IndividualUse
from carevouch.claims.response import money
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid
from carevouch.kernel.times import moment

PURPOSES = frozenset({"auth-requirements", "benefits", "discovery", "validation"})
OWN_CATEGORY = "https://carevouch.org/fhir/CodeSystem/benefit-category"
OWN_BENEFIT = "https://carevouch.org/fhir/CodeSystem/benefit-type"
PLAN_CATEGORY = ("http://terminology.hl7.org/CodeSystem/ex-benefitcategory", "30")  # the whole health plan
_HL7 = "http://terminology.hl7.org/CodeSystem/"
_TERM = {"plan-year": "annual", "month": "month", "day": "day"}
# A request asks about services, not about a catalogue.
MAX_ITEMS = 100


@dataclass(frozen=True, slots=True)
class MemberCoverage:
    """A coverage with what the payer knows of it on the day asked about; `place` is its reference."""

    place: str
    coverage: CoverageInput
    contract: Contract | None
    used: Accumulators | None


@dataclass(frozen=True, slots=True)
class _Asked:
    purposes: tuple[str, ...]
    patient: str
    insurer: str
    dates: tuple[str, str]
    codes: tuple[tuple[str, str], ...]


def eligibility_response(
    resource: JsonObject, insured: Sequence[MemberCoverage], now_instant: str, *, request: str
) -> JsonObject:
    """The answer to the request `resource`, whose own reference is `request`.

    `insured`: the coverages it names, or for discovery all the payer knows of the patient. Raises `Invalid`.
    """
    moment(now_instant, "the instant of the answer")
    asked = _asked(resource, now_instant)
    return {
        "resourceType": "CoverageEligibilityResponse",
        "status": "active",
        "purpose": list(asked.purposes),
        "patient": {"reference": asked.patient},
        "servicedPeriod": {"start": asked.dates[0], "end": asked.dates[1]},
        "created": now_instant,
        "request": {"reference": request},
        "outcome": "complete",
        "disposition": _disposition(asked, insured),
        "insurer": {"reference": asked.insurer},
        **_insurances(asked, insured),
    }


def in_force(one: MemberCoverage, patient: str, start: str, end: str) -> bool:
    """Whether the coverage and its contract hold for this patient on all days from `start` to `end`."""
    cover, contract = one.coverage, one.contract
    if cover.status != "active" or cover.beneficiary != patient or contract is None:
        return False
    covered = (cover.start or "") <= start and (not cover.end or end <= cover.end)
    return covered and contract.terms.effective.holds(start, end)


def _asked(resource: JsonObject, now: str) -> _Asked:
    if not isinstance(resource, dict) or resource.get("resourceType") != "CoverageEligibilityRequest":
        raise Invalid("a CoverageEligibilityRequest resource is needed here")
    if resource.get("status") != "active":
        raise Invalid("CoverageEligibilityRequest.status must be active")
    purposes = resource.get("purpose")
    if not isinstance(purposes, list) or not purposes or not all(_known(item) for item in purposes):
        raise Invalid(f"CoverageEligibilityRequest.purpose lists some of: {', '.join(sorted(PURPOSES))}")
    where = "CoverageEligibilityRequest"
    return _Asked(
        purposes=tuple(purposes),
        patient=reference(resource.get("patient"), f"{where}.patient"),
        insurer=reference(resource.get("insurer"), f"{where}.insurer"),
        dates=service_dates(resource, where) or (now[:10], now[:10]),
        codes=_codes(resource, f"{where}.item"),
    )


def _known(purpose: object) -> bool:
    return isinstance(purpose, str) and purpose in PURPOSES


def _codes(resource: JsonObject, where: str) -> tuple[tuple[str, str], ...]:
    items = resource.get("item", [])
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise Invalid(f"{where} is a list of at most {MAX_ITEMS} services")
    return tuple(_code(item, f"{where}[{at}]") for at, item in enumerate(items))


def _code(item: object, where: str) -> tuple[str, str]:
    if not isinstance(item, dict) or "productOrService" not in item:
        raise Invalid(f"{where} needs a productOrService: ask about services by their code")
    return coding(item["productOrService"], f"{where}.productOrService")


def _disposition(asked: _Asked, insured: Sequence[MemberCoverage]) -> str:
    active = sum(in_force(one, asked.patient, *asked.dates) for one in insured)
    return f"{active} of {len(insured)} coverages are in force on the dates asked about."


def _insurances(asked: _Asked, insured: Sequence[MemberCoverage]) -> JsonObject:
    # FHIR has no empty lists: nothing known is no `insurance` at all.
    return {"insurance": [_insurance(asked, one) for one in insured]} if insured else {}


def _insurance(asked: _Asked, one: MemberCoverage) -> JsonObject:
    active = in_force(one, asked.patient, *asked.dates)
    answer: JsonObject = {"coverage": {"reference": one.place}, "inforce": active}
    if not active or one.contract is None:
        return answer
    period = one.contract.terms.accumulation
    answer["benefitPeriod"] = {"start": period.start, "end": period.end}
    items: list[JsonObject] = []
    if "benefits" in asked.purposes:
        used = one.used or accumulate.fresh(one.contract)
        items += [*_plan_items(one.contract, used), *_category_items(one.contract, used, asked)]
    if asked.codes or "auth-requirements" in asked.purposes:
        items += _service_items(one.contract, asked)
    return {**answer, "item": items} if items else answer


def _plan_items(contract: Contract, used: Accumulators) -> Iterator[JsonObject]:
    terms = contract.terms
    limits = (("deductible", terms.deductible), ("out-of-pocket", terms.out_of_pocket))
    states: list[tuple[str, IndividualUse | FamilyUse]] = [("individual", used.individual)]
    if used.family is not None:
        states.append(("family", used.family))
    for unit, state in states:
        benefits = [
            _plan_benefit(name, limit, unit, state, terms.currency)
            for name, limit in limits
            if limit is not None and _counts(limit, unit, used)
        ]
        if benefits:
            yield {**_frame(*PLAN_CATEGORY, unit, "annual"), "benefit": benefits}


def _counts(limit: Limit, unit: str, used: Accumulators) -> bool:
    if unit == "family":
        return limit.family_cents is not None
    return not (limit.family_rule == "aggregate" and used.family is not None)


def _plan_benefit(
    name: str, limit: Limit, unit: str, state: IndividualUse | FamilyUse, currency: str
) -> JsonObject:
    allowed = limit.individual_cents if unit == "individual" else limit.family_cents or 0
    spent = state.deductible_cents if name == "deductible" else state.oop_cents
    return {
        "type": _concept(_HL7 + "benefit-type" if name == "deductible" else OWN_BENEFIT, name),
        "allowedMoney": money(allowed, currency),
        "usedMoney": money(min(spent, allowed), currency),
    }


def _category_items(contract: Contract, used: Accumulators, asked: _Asked) -> Iterator[JsonObject]:
    terms = contract.terms
    wanted = (
        {terms.category_of("|".join(code)) for code in asked.codes} if asked.codes else set(terms.categories)
    )
    for name in sorted(set(terms.categories) & wanted):
        category = terms.categories[name]
        bp = terms.coinsurance_bp if category.coinsurance_bp is None else category.coinsurance_bp
        shares: list[JsonObject] = [
            {
                "type": _concept(_HL7 + "benefit-type", "copay"),
                "allowedMoney": money(category.copay_cents, terms.currency),
            },
            {
                "type": _concept(_HL7 + "benefit-type", "copay-percent"),
                "allowedString": f"{bp // 100}.{bp % 100:02d}",
            },
        ]
        yield {**_frame(OWN_CATEGORY, name, "individual", "annual"), "benefit": shares}
        for limit in category.limits:
            seen = accumulate.counter(used.individual, name, accumulate.period_of(limit, asked.dates[0]))
            benefits = list(_limit_benefits(limit, len(seen.dates), seen.amount_cents, terms.currency))
            yield {**_frame(OWN_CATEGORY, name, "individual", _TERM[limit.period]), "benefit": benefits}


def _limit_benefits(limit: BenefitLimit, visits: int, amount: int, currency: str) -> Iterator[JsonObject]:
    if limit.visits is not None:
        kind = _concept(_HL7 + "benefit-type", "visit")
        yield {"type": kind, "allowedUnsignedInt": limit.visits, "usedUnsignedInt": min(visits, limit.visits)}
    if limit.amount_cents is not None:
        kind = _concept(_HL7 + "benefit-type", "benefit")
        yield {
            "type": kind,
            "allowedMoney": money(limit.amount_cents, currency),
            "usedMoney": money(min(amount, limit.amount_cents), currency),
        }


def _service_items(contract: Contract, asked: _Asked) -> Iterator[JsonObject]:
    terms = contract.terms
    # With no service named, the answer to "what needs an authorisation" is the contract's list.
    codes = asked.codes or tuple(_split(token) for token in terms.auth_required)
    for system, code in codes:
        token = f"{system}|{code}"
        priced = token in terms.fees.in_network or token in (terms.fees.out_of_network or {})
        item: JsonObject = {
            "productOrService": _concept(system, code),
            "excluded": token in terms.excluded or not priced,
        }
        if "auth-requirements" in asked.purposes:
            item["authorizationRequired"] = token in terms.auth_required
        yield item


def _split(token: str) -> tuple[str, str]:
    system, _, code = token.partition("|")
    return system, code


def _frame(system: str, code: str, unit: str, term: str) -> JsonObject:
    return {
        "category": _concept(system, code),
        "unit": _concept(_HL7 + "benefit-unit", unit),
        "term": _concept(_HL7 + "benefit-term" if term != "month" else OWN_BENEFIT, term),
    }


def _concept(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}
