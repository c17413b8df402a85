"""FHIR R4 Claim and Coverage as the values that adjudication reads (R4 claim.html, coverage.html).

Some elements would change the meaning of a claim and are not understood here. They are refused by name:
another use than claim, related claims, a prior payer's answer, nested details, modifier extensions.

The readers below take a JSON value of any shape and its path. Each returns the typed content, or raises
`Invalid` with the path. A message must never quote content. Money is read from decimals, never floats, to
whole cents. Dates stay text: the day as its author wrote it.
"""

from calendar import monthrange
from collections.abc import Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

from carevouch.claims.contract import calendar_date
from carevouch.claims.model import UNIT, Authorization, ClaimInput, CoverageInput, Line
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid, Unprocessable
from carevouch.kernel.money import cents

# Above every real quantity, so that price times quantity stays far below what JSON numbers hold.
MAX_UNITS = 1_000_000
MAX_FACTOR = 1000
# Factors are read in millionths.
_FACTOR = 1_000_000
# Longer than any reference, code or plan name of a real claim.
MAX_ELEMENT_TEXT = 256
# 1E+999999 is nine characters of JSON and a million digits of arithmetic.
MAX_EXPONENT = 30


def claim_input(resource: JsonObject) -> ClaimInput:
    """The claim in a FHIR R4 Claim.

    Each item states `net`, or `unitPrice` (times `quantity` and `factor`) in whole cents. A `total` must be
    their sum. Raises `Invalid` for a broken rule, and `Unprocessable` for an unsupported feature.
    """
    require_type(resource, "Claim")
    _refuse_unsupported(resource)
    _entries(_object(resource.get("type"), "Claim.type").get("coding"), "Claim.type.coding")
    payer_order, insurance = _focal_insurance(resource)
    items = _entries(resource.get("item"), "Claim.item")
    lines = tuple(_line(item, resource, f"Claim.item[{at}]") for at, item in enumerate(items))

    total, billed = _money_cents(resource, "total", "Claim"), sum(line.billed_cents for line in lines)
    if total is not None and total != billed:
        word = "more" if total > billed else "less"
        raise Invalid(
            f"Claim.total is {word} than its items' net amounts together; mend the items or the total"
        )
    amounts = [item[name] for item in items for name in ("net", "unitPrice") if name in item]
    amounts += [resource["total"]] if "total" in resource else []
    stated = (amount["currency"] for amount in amounts if amount.get("currency") is not None)
    currencies = {_text(currency, "a currency") for currency in stated}
    if len(currencies) > 1:
        raise Invalid("the amounts of the claim are not all in one currency")
    numbers = insurance.get("preAuthRef", [])
    if not isinstance(numbers, list):
        raise Invalid("Claim.insurance.preAuthRef must be a list")
    return ClaimInput(
        patient=reference(resource.get("patient"), "Claim.patient"),
        provider=reference(resource.get("provider"), "Claim.provider"),
        lines=lines,
        currency=next(iter(currencies), None),
        payer_order=payer_order,
        authorizations=tuple(_text(number, "Claim.insurance.preAuthRef") for number in numbers),
    )


def coverage_input(resource: JsonObject, authorizations: Sequence[Authorization] = ()) -> CoverageInput:
    """The coverage in a FHIR R4 Coverage. `authorizations` are those that the payer gave this member.

    The plan is the `class` of type `plan`. A partial date opens as early and closes as late as it allows.
    """
    require_type(resource, "Coverage")
    payors = _entries(resource.get("payor"), "Coverage.payor")
    if len(payors) != 1:
        raise Unprocessable("Coverage.payor names several payers; state one Coverage for each")
    start, end = _coverage_days(_object(resource.get("period", {}), "Coverage.period"))
    return CoverageInput(
        status=_text(resource.get("status"), "Coverage.status"),
        beneficiary=reference(resource.get("beneficiary"), "Coverage.beneficiary"),
        payer=reference(payors[0], "Coverage.payor[0]"),
        plan=_class_value(resource, "plan"),
        start=start,
        end=end,
        order=_positive(resource.get("order", 1), "Coverage.order"),
        authorizations=tuple(authorizations),
    )


def family_of(resource: JsonObject) -> str | None:
    """The payer's name for the family that a Coverage counts with: its `class` of type `family`, or None.

    R4's coverage classes have no code for a family, but the binding is extensible. A subscriber's number
    would not do: a member insured alone has one too. An aggregate limit would then be the family's.
    """
    return _class_value(resource, "family")


def focal_coverage(resource: JsonObject) -> str:
    """The reference of the Coverage under which a Claim is submitted; raises `Invalid`."""
    return reference(_focal_insurance(resource)[1].get("coverage"), "Claim.insurance.coverage")


def _refuse_unsupported(claim: JsonObject) -> None:
    if claim.get("status") != "active":
        raise Invalid("Claim.status must be active; other claims are not adjudicated")
    if claim.get("use") != "claim":
        raise Unprocessable("Claim.use must be claim; only services already given are adjudicated")
    parts = (
        (f"Claim.{name}[{at}]", part)
        for name in ("item", "insurance")
        for at, part in enumerate(objects(claim.get(name), f"Claim.{name}"))
    )
    for where, part in chain([("Claim", claim)], parts):
        if "modifierExtension" in part:
            raise Unprocessable(f"{where}.modifierExtension may change the meaning and is not understood")
        if "claimResponse" in part:
            raise Unprocessable(
                f"{where}.claimResponse: coordination with a prior payer is not supported yet"
            )
    for at, related in enumerate(objects(claim.get("related"), "Claim.related")):
        where = f"Claim.related[{at}]"
        # `associated` is a mere cross-reference; all other relationships change what is to be paid.
        if _code(related.get("relationship"), f"{where}.relationship") != "associated":
            raise Unprocessable(f"{where}: replacing, voiding or continuing a claim is not supported yet")


def _focal_insurance(claim: JsonObject) -> tuple[int, JsonObject]:
    """Our place among the claim's payers, counted from 1, and the insurance that is ours."""
    insurances = _entries(claim.get("insurance"), "Claim.insurance")
    focal = [item for item in insurances if item.get("focal") is True]
    if len(focal) != 1:
        raise Invalid("exactly one Claim.insurance must be focal")
    ranks = [_positive(item.get("sequence"), "Claim.insurance.sequence") for item in insurances]
    return 1 + sum(rank < focal[0]["sequence"] for rank in ranks), focal[0]


def _line(item: JsonObject, claim: JsonObject, where: str) -> Line:
    if "detail" in item:
        raise Unprocessable(f"{where}.detail is not supported; state each service as an item")
    system, code = coding(item.get("productOrService"), f"{where}.productOrService")
    quantity = _object(item.get("quantity", {"value": 1}), f"{where}.quantity").get("value")
    units = _scaled(quantity, UNIT, MAX_UNITS, f"{where}.quantity.value")
    dates = service_dates(item, where)
    if dates is None and "billablePeriod" in claim:
        dates = _period_days(claim["billablePeriod"], "Claim.billablePeriod")
    if dates is None:
        raise Invalid(f"{where} has no date: give servicedDate, or Claim.billablePeriod for all items")
    sequence = _positive(item.get("sequence"), f"{where}.sequence")
    billed = _billed_cents(item, units, where)
    modifiers = objects(item.get("modifier"), f"{where}.modifier")
    place = item.get("locationCodeableConcept")
    return Line(
        sequence=sequence,
        system=system,
        code=code,
        billed_cents=billed,
        start=dates[0],
        end=dates[1],
        units_thousandths=units,
        modifiers=tuple(_code(one, f"{where}.modifier[{at}]") for at, one in enumerate(modifiers)),
        place=None if place is None else _code(place, f"{where}.locationCodeableConcept"),
    )


def _billed_cents(item: JsonObject, units_thousandths: int, where: str) -> int:
    net = _money_cents(item, "net", where)
    price = _money_cents(item, "unitPrice", where)
    if price is None:
        if net is None:
            raise Invalid(f"{where} states no amount: give net, or unitPrice with quantity")
        return net
    factor = _scaled(item.get("factor", 1), _FACTOR, MAX_FACTOR, f"{where}.factor")
    product, scale = price * units_thousandths * factor, UNIT * _FACTOR
    if net is None and product % scale:
        raise Invalid(f"{where}: unitPrice times quantity is not in whole cents; give net")
    # The sender may have rounded half a cent either way. Its `net` is the amount billed.
    if net is not None and 2 * abs(net * scale - product) > scale:
        raise Invalid(f"{where}.net is not unitPrice times quantity and factor")
    return product // scale if net is None else net


def _class_value(coverage: JsonObject, type_: str) -> str | None:
    for at, item in enumerate(objects(coverage.get("class"), "Coverage.class")):
        where = f"Coverage.class[{at}]"
        if _code(item.get("type"), f"{where}.type") == type_:
            return _text(item.get("value"), f"{where}.value")
    return None


def _coverage_days(period: JsonObject) -> tuple[str | None, str | None]:
    """The first and last day of a coverage whose dates may be partial; None where it is open.

    2026 lasts from 2026-01-01 to 2026-12-31, 2024-02 to 2024-02-29.
    """
    start: str | None = None
    end: str | None = None
    if period.get("start") is not None:
        where = "Coverage.period.start"
        start = _text(period["start"], where)
        start = _day(start + {4: "-01-01", 7: "-01"}.get(len(start), ""), where)
    if period.get("end") is not None:
        where = "Coverage.period.end"
        end = _text(period["end"], where)
        if len(end) == 7:
            month = calendar_date(f"{end}-01", where)
            end = f"{end}-{monthrange(month.year, month.month)[1]}"
        end = _day(end + ("-12-31" if len(end) == 4 else ""), where)
    return start, end


def require_type(resource: Any, type_: str) -> None:
    """Raise `Invalid` unless this is a resource of the type."""
    if not isinstance(resource, dict) or resource.get("resourceType") != type_:
        raise Invalid(f"a {type_} resource is needed here")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ELEMENT_TEXT:
        raise Invalid(f"{where} is missing, or is not a text of at most {MAX_ELEMENT_TEXT} characters")
    return value


def _object(value: Any, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise Invalid(f"{where} is missing or not an object")
    return value


def objects(value: Any, where: str) -> list[JsonObject]:
    """A list of objects; an absent one is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Invalid(f"{where} must be a list")
    return [_object(item, f"{where}[{at}]") for at, item in enumerate(value)]


def _entries(value: Any, where: str) -> list[JsonObject]:
    entries = objects(value, where)
    if not entries:
        raise Invalid(f"{where} needs at least one entry")
    return entries


def _positive(value: Any, where: str) -> int:
    """A FHIR positiveInt."""
    if type(value) is not int or not 0 < value < 2**31:
        raise Invalid(f"{where} must be a positive whole number")
    return value


def reference(value: Any, where: str) -> str:
    """The literal reference of a Reference."""
    return _text(_object(value, where).get("reference"), f"{where}.reference")


def coding(concept: Any, where: str) -> tuple[str, str]:
    """System and code of the first coding that has both."""
    for item in objects(_object(concept, where).get("coding"), f"{where}.coding"):
        if "system" in item and "code" in item:
            system, code = _text(item["system"], where), _text(item["code"], where)
            if any(char == "|" or char.isspace() for char in system + code):
                raise Invalid(f"{where}: a system and a code hold no bar and no white space")
            return system, code
    raise Invalid(f"{where} needs a coding with system and code")


def _code(concept: Any, where: str) -> str:
    """The code of the first coding of any system."""
    first = _entries(_object(concept, where).get("coding"), f"{where}.coding")[0]
    return _text(first.get("code"), f"{where}.coding[0].code")


def service_dates(resource: JsonObject, where: str) -> tuple[str, str] | None:
    """First and last day of `servicedDate` or `servicedPeriod`; None where neither is given."""
    if "servicedDate" in resource:
        day = _day(resource["servicedDate"], f"{where}.servicedDate")
        return day, day
    if "servicedPeriod" in resource:
        return _period_days(resource["servicedPeriod"], f"{where}.servicedPeriod")
    return None


def _period_days(value: Any, where: str) -> tuple[str, str]:
    """First and last day of a Period with a start; without an end it is one day."""
    period = _object(value, where)
    start = _day(period.get("start"), f"{where}.start")
    end = _day(period.get("end", start), f"{where}.end")
    if end < start:
        raise Invalid(f"{where}.end is before its start")
    return start, end


def _day(value: Any, where: str) -> str:
    """The day of a FHIR date or dateTime as its author wrote it; partial dates are refused."""
    return calendar_date(_text(value, where)[:10], where).isoformat()


def _money_cents(holder: JsonObject, name: str, where: str) -> int | None:
    """The whole cents of the Money in the field `name`; None where it is absent."""
    if name not in holder:
        return None
    money = _object(holder[name], f"{where}.{name}")
    whole = cents(_decimal(money.get("value"), f"{where}.{name}.value"), f"{where}.{name}")
    if whole < 0:
        raise Invalid(f"{where}.{name} is negative")
    return whole


def _scaled(value: Any, scale: int, limit: int, where: str) -> int:
    """A positive value of at most `limit`, times `scale`. Raises `Invalid` if digits would be lost."""
    exact = _decimal(value, where)
    if not (0 < exact <= limit) or exact * scale != (exact * scale).to_integral_value():
        raise Invalid(
            f"{where} must be above 0, at most {limit}, with at most {len(str(scale)) - 1} decimals"
        )
    return int(exact * scale)


def _decimal(value: Any, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Invalid(f"{where} is missing or not a decimal number")
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact.adjusted()) > MAX_EXPONENT:
        raise Invalid(f"{where} is not a number of everyday size")
    return exact
