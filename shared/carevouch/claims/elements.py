"""Reading elements of FHIR R4 JSON whose shape nobody has promised yet.

Each reader takes a value and its path, and returns the typed content or raises `Invalid` naming the path,
never quoting what stood there. Amounts become whole cents; dates stay text, the day as its author wrote
it.
"""

from calendar import monthrange
from decimal import Decimal
from typing import Any

from carevouch.claims.contract import calendar_date
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import Invalid
from carevouch.kernel.money import cents

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
