"""FHIR R4 Claim and Coverage into the values that adjudication reads (R4 claim.html, coverage.html).

Money is read from decimals, never floats, to whole cents. What would change the meaning of a claim and is
not understood here is refused by name: another use than claim, related claims, a prior payer's answer,
nested details, modifier extensions. Messages name element paths, never their content.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from carevouch.claims import fhir as elements
from carevouch.claims.contract import calendar_date
from carevouch.claims.model import UNIT, Authorization, ClaimInput, CoverageInput, Line
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid, Unprocessable
from carevouch.kernel.money import cents

# Above every real quantity, so that price times quantity stays far below what JSON numbers hold.
MAX_UNITS = 1_000_000
MAX_FACTOR = 1000
_FACTOR = 1_000_000  # factors are read in millionths


def claim_input(resource: JsonObject) -> ClaimInput:
    """The claim in a FHIR R4 Claim.

    Each item states `net`, or `unitPrice` (times `quantity` and `factor`) in whole cents; `total`, where
    given, is their sum. Raises `Invalid` for what breaks a rule, `Unprocessable` for what is not done here.
    """
    _expect(resource, "Claim")
    _refuse_unknown(resource)
    elements.entries(elements.mapping(resource.get("type"), "Claim.type").get("coding"), "Claim.type.coding")
    order, insurance = _focal(resource)
    items = elements.entries(resource.get("item"), "Claim.item")
    lines = tuple(_line(item, resource, f"Claim.item[{at}]") for at, item in enumerate(items))
    _check_total(resource, lines)
    return ClaimInput(
        patient=elements.reference(resource.get("patient"), "Claim.patient"),
        provider=elements.reference(resource.get("provider"), "Claim.provider"),
        lines=lines,
        currency=_currency(resource, items),
        payer_order=order,
        authorizations=_authorizations(insurance),
    )


def coverage_input(resource: JsonObject, authorizations: Sequence[Authorization] = ()) -> CoverageInput:
    """The coverage in a FHIR R4 Coverage; `authorizations` are those the payer gave this member.

    The plan is the `class` of type `plan`. A partial date opens as early and closes as late as it allows.
    """
    _expect(resource, "Coverage")
    payors = elements.entries(resource.get("payor"), "Coverage.payor")
    if len(payors) != 1:
        raise Unprocessable("Coverage.payor names several payers; state one Coverage for each")
    period = elements.mapping(resource.get("period", {}), "Coverage.period")
    start, end = period.get("start"), period.get("end")
    return CoverageInput(
        status=elements.text(resource.get("status"), "Coverage.status"),
        beneficiary=elements.reference(resource.get("beneficiary"), "Coverage.beneficiary"),
        payer=elements.reference(payors[0], "Coverage.payor[0]"),
        plan=_class(resource, "plan"),
        start=None if start is None else elements.first_day(start, "Coverage.period.start"),
        end=None if end is None else elements.last_day(end, "Coverage.period.end"),
        order=elements.positive(resource.get("order", 1), "Coverage.order"),
        authorizations=tuple(authorizations),
    )


def family_of(resource: JsonObject) -> str | None:
    """The payer's name for the family that a Coverage counts with: its `class` of type `family`, or None.

    R4's coverage classes have no code for it (the binding is extensible). A subscriber's number would not do:
    a member insured alone has one too, and an aggregate limit would then be the family's.
    """
    return _class(resource, "family")


def focal_coverage(resource: JsonObject) -> str:
    """The reference of the Coverage that a Claim is submitted under; raises `Invalid`."""
    return elements.reference(_focal(resource)[1].get("coverage"), "Claim.insurance.coverage")


def _line(item: JsonObject, claim: JsonObject, where: str) -> Line:
    if "detail" in item:
        raise Unprocessable(f"{where}.detail is not supported; state each service as an item")
    system, code = elements.coding(item.get("productOrService"), f"{where}.productOrService")
    quantity = elements.mapping(item.get("quantity", {"value": 1}), f"{where}.quantity").get("value")
    units = elements.scaled(quantity, UNIT, MAX_UNITS, f"{where}.quantity.value")
    start, end = _dates(item, claim, where)
    return Line(
        sequence=elements.positive(item.get("sequence"), f"{where}.sequence"),
        system=system,
        code=code,
        billed_cents=_billed(item, units, where),
        start=start,
        end=end,
        units_thousandths=units,
        modifiers=_modifiers(item, where),
        place=_place(item, where),
    )


def _dates(item: JsonObject, claim: JsonObject, where: str) -> tuple[str, str]:
    found = elements.service_dates(item, where)
    if found is None and "billablePeriod" in claim:
        found = elements.period(claim["billablePeriod"], "Claim.billablePeriod")
    if found is None:
        raise Invalid(f"{where} has no date: give servicedDate, or Claim.billablePeriod for all items")
    return found


def _billed(item: JsonObject, units_thousandths: int, where: str) -> int:
    net = elements.amount_cents(item, "net", where)
    price = elements.amount_cents(item, "unitPrice", where)
    if price is None:
        if net is None:
            raise Invalid(f"{where} states no amount: give net, or unitPrice with quantity")
        return net
    factor = elements.scaled(item.get("factor", 1), _FACTOR, MAX_FACTOR, f"{where}.factor")
    product, scale = price * units_thousandths * factor, UNIT * _FACTOR
    if net is None and product % scale:
        raise Invalid(f"{where}: unitPrice times quantity is not in whole cents; give net")
    # Half a cent may have been rounded either way by the sender; what the sender states is what was billed.
    if net is not None and 2 * abs(net * scale - product) > scale:
        raise Invalid(f"{where}.net is not unitPrice times quantity and factor")
    return product // scale if net is None else net


def _modifiers(item: JsonObject, where: str) -> tuple[str, ...]:
    concepts = elements.objects(item.get("modifier"), f"{where}.modifier")
    return tuple(elements.code(concept, f"{where}.modifier[{at}]") for at, concept in enumerate(concepts))


def _place(item: JsonObject, where: str) -> str | None:
    given = item.get("locationCodeableConcept")
    return None if given is None else elements.code(given, f"{where}.locationCodeableConcept")


def _check_total(claim: JsonObject, lines: tuple[Line, ...]) -> None:
    total, billed = elements.amount_cents(claim, "total", "Claim"), sum(line.billed_cents for line in lines)
    if total is None or total == billed:
        return
    word = "more" if total > billed else "less"
    raise Invalid(f"Claim.total is {word} than its items' net amounts together; mend the items or the total")


def _currency(claim: JsonObject, items: list[JsonObject]) -> str | None:
    found = [item[name].get("currency") for item in items for name in ("net", "unitPrice") if name in item]
    if "total" in claim:
        found.append(claim["total"].get("currency"))
    named = {elements.text(currency, "a currency") for currency in found if currency is not None}
    if len(named) > 1:
        raise Invalid("the amounts of the claim are not all in one currency")
    return next(iter(named), None)


def _focal(claim: JsonObject) -> tuple[int, JsonObject]:
    """Our place among the claim's payers, counted from 1, and the insurance that is ours."""
    insurances = elements.entries(claim.get("insurance"), "Claim.insurance")
    focal = [item for item in insurances if item.get("focal") is True]
    if len(focal) != 1:
        raise Invalid("exactly one Claim.insurance is focal")
    ranks = [elements.positive(item.get("sequence"), "Claim.insurance.sequence") for item in insurances]
    return 1 + sum(rank < focal[0]["sequence"] for rank in ranks), focal[0]


def _authorizations(insurance: JsonObject) -> tuple[str, ...]:
    numbers = insurance.get("preAuthRef", [])
    if not isinstance(numbers, list):
        raise Invalid("Claim.insurance.preAuthRef is not a list")
    return tuple(elements.text(number, "Claim.insurance.preAuthRef") for number in numbers)


def _class(coverage: JsonObject, type_: str) -> str | None:
    for at, item in enumerate(elements.objects(coverage.get("class"), "Coverage.class")):
        where = f"Coverage.class[{at}]"
        if elements.code(item.get("type"), f"{where}.type") == type_:
            return elements.text(item.get("value"), f"{where}.value")
    return None


def _expect(resource: Any, kind: str) -> None:
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise Invalid(f"a {kind} resource is needed here")


def _refuse_unknown(claim: JsonObject) -> None:
    if claim.get("status") != "active":
        raise Invalid("Claim.status must be active; other claims are not adjudicated")
    if claim.get("use") != "claim":
        raise Unprocessable("Claim.use must be claim; only services already given are adjudicated")
    for where, holder in _holders(claim):
        if "modifierExtension" in holder:
            raise Unprocessable(f"{where}.modifierExtension may change the meaning and is not understood")
        if "claimResponse" in holder:
            raise Unprocessable(
                f"{where}.claimResponse: coordination with a prior payer is not supported yet"
            )
    for at, related in enumerate(elements.objects(claim.get("related"), "Claim.related")):
        where = f"Claim.related[{at}]"
        # `associated` is a mere cross-reference; all other relationships change what is to be paid.
        if elements.code(related.get("relationship"), f"{where}.relationship") != "associated":
            raise Unprocessable(f"{where}: replacing, voiding or continuing a claim is not supported yet")


def _holders(claim: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    yield "Claim", claim
    for name in ("item", "insurance"):
        for at, item in enumerate(elements.objects(claim.get(name), f"Claim.{name}")):
            yield f"Claim.{name}[{at}]", item


# Longer than any reference, code or plan name of a real claim.
MAX_TEXT = 256
# 1E+999999 is six characters of JSON and a million digits of arithmetic.
MAX_EXPONENT = 30


def text(value: Any, where: str) -> str:
    """A text that is there and not absurdly long."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise Invalid(f"{where} is missing, or is not a text of at most {MAX_TEXT} characters")
    return value


def mapping(value: Any, where: str) -> JsonObject:
    """An object."""
    if not isinstance(value, dict):
        raise Invalid(f"{where} is missing or not an object")
    return value


def objects(value: Any, where: str) -> list[JsonObject]:
    """A list of objects; an absent one is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Invalid(f"{where} is not a list")
    return [mapping(item, f"{where}[{at}]") for at, item in enumerate(value)]


def entries(value: Any, where: str) -> list[JsonObject]:
    """A list of at least one object."""
    found = objects(value, where)
    if not found:
        raise Invalid(f"{where} needs at least one entry")
    return found


def positive(value: Any, where: str) -> int:
    """A FHIR positiveInt."""
    if type(value) is not int or not 0 < value < 2**31:
        raise Invalid(f"{where} is a positive whole number")
    return value


def reference(value: Any, where: str) -> str:
    """The literal reference of a Reference."""
    return text(mapping(value, where).get("reference"), f"{where}.reference")


def coding(concept: Any, where: str) -> tuple[str, str]:
    """System and code of the first coding that has both."""
    for item in objects(mapping(concept, where).get("coding"), f"{where}.coding"):
        if "system" in item and "code" in item:
            return _token_part(item["system"], where), _token_part(item["code"], where)
    raise Invalid(f"{where} needs a coding with system and code")


def code(concept: Any, where: str) -> str:
    """The code of the first coding, whatever its system."""
    first = entries(mapping(concept, where).get("coding"), f"{where}.coding")[0]
    return text(first.get("code"), f"{where}.coding[0].code")


def day(value: Any, where: str) -> str:
    """The day of a FHIR date or dateTime, as its author wrote it; partial dates are refused."""
    return calendar_date(text(value, where)[:10], where).isoformat()


def first_day(value: Any, where: str) -> str:
    """The earliest day of a date that may be partial: 2026 and 2026-01 are 2026-01-01."""
    written = text(value, where)
    return day(written + {4: "-01-01", 7: "-01"}.get(len(written), ""), where)


def last_day(value: Any, where: str) -> str:
    """The latest day of a date that may be partial: 2024-02 is 2024-02-29."""
    written = text(value, where)
    if len(written) == 7:
        start = calendar_date(f"{written}-01", where)
        return start.replace(day=monthrange(start.year, start.month)[1]).isoformat()
    return day(written + ("-12-31" if len(written) == 4 else ""), where)


def period(value: Any, where: str) -> tuple[str, str]:
    """First and last day of a Period with a start; without an end it is one day."""
    given = mapping(value, where)
    start = day(given.get("start"), f"{where}.start")
    end = day(given.get("end", start), f"{where}.end")
    if end < start:
        raise Invalid(f"{where}.end is before its start")
    return start, end


def service_dates(resource: JsonObject, where: str) -> tuple[str, str] | None:
    """First and last day of `servicedDate` or `servicedPeriod`; None where neither is given."""
    if "servicedDate" in resource:
        only = day(resource["servicedDate"], f"{where}.servicedDate")
        return only, only
    if "servicedPeriod" in resource:
        return period(resource["servicedPeriod"], f"{where}.servicedPeriod")
    return None


def decimal(value: Any, where: str) -> Decimal:
    """A number read without passing through a float."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Invalid(f"{where} is missing or not a decimal number")
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact.adjusted()) > MAX_EXPONENT:
        raise Invalid(f"{where} is not a number of everyday size")
    return exact


def scaled(value: Any, scale: int, limit: int, where: str) -> int:
    """`value` times `scale`, for a positive value of at most `limit`; raises where digits would be lost."""
    exact = decimal(value, where)
    if not (0 < exact <= limit) or exact * scale != (exact * scale).to_integral_value():
        raise Invalid(f"{where} is above 0, at most {limit}, with at most {len(str(scale)) - 1} decimals")
    return int(exact * scale)


def amount_cents(holder: JsonObject, name: str, where: str) -> int | None:
    """Whole cents of the Money in the field `name`; None where it is absent."""
    if name not in holder:
        return None
    amount = mapping(holder[name], f"{where}.{name}")
    whole = cents(decimal(amount.get("value"), f"{where}.{name}.value"), f"{where}.{name}")
    if whole < 0:
        raise Invalid(f"{where}.{name} is negative")
    return whole


def _token_part(value: Any, where: str) -> str:
    part = text(value, where)
    if "|" in part or any(char.isspace() for char in part):
        raise Invalid(f"{where}: a system and a code hold no bar and no white space")
    return part
