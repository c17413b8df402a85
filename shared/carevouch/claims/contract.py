"""The benefit contract: a payer's promise for one plan, as canonical JSON named by its SHA-256.

A contract is data for a fixed pipeline (`adjudicate.py`): fees, shares, limits, and the order of sharing.
Its bytes are RFC 8785, so anyone computes the hash that a decision names. The payer signs that hash
(`carevouch-contract+jws`). A contract must never be edited after a decision named it. A correction is another
contract with its own range of dates. Amounts are cents, shares are basis points, dates are inclusive.

`encode` and `decode` turn contracts, accumulators and decisions into JSON values and back. Reading is strict:
it names an unknown or missing field by its path and never guesses. A misspelt limit, if ignored, would pay
money. Absent fields are left out; null is never written and never read. The keys of mappings are codes of
services, so a message counts them and never quotes them.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import date
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.errors import IntegrityFault, Invalid, Malformed, TooLarge
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import Jwk, take_apart, verify
from carevouch.kernel.money import MAX_CENTS

CONTRACT_TYP = "carevouch-contract+jws"
# A revision is one DynamoDB row of at most 400 KB; encryption, event and keys need the rest.
MAX_CONTRACT_BYTES = 350_000
# Accumulators count one plan year; a longer one would let a limit be used twice or once too seldom.
MAX_PLAN_YEAR_DAYS = 366
FULL_BP = 10_000

Share = Literal["copay", "deductible", "coinsurance"]
CostSharing = Literal["copay_then_deductible", "deductible_then_copay", "copay_only"]
T = TypeVar("T")

# Longer than any reference, code system URI with code, or plan name that these values hold.
MAX_FIELD_TEXT = 512

_CODE = re.compile(r"[^|\s]+\|[^|\s]+")
# Python also reads ISO weeks and ordinals, which FHIR and our text comparisons do not.
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/\S+")


@dataclass(frozen=True, slots=True)
class Range:
    """Dates from `start` to `end`, both included, as YYYY-MM-DD."""

    start: str
    end: str

    def holds(self, start: str, end: str) -> bool:
        """Whether all days from `start` to `end` lie in the range."""
        return self.start <= start and end <= self.end

    def overlaps(self, other: "Range") -> bool:
        """Whether the two ranges share a day."""
        return self.start <= other.end and other.start <= self.end


@dataclass(frozen=True, slots=True)
class Limit:
    """A deductible or an out-of-pocket limit.

    An `embedded` limit stops at the member's own amount, or when the family's is met. Of an `aggregate` limit
    only the family's amount counts. Without a family accumulator the individual amount is the only one.
    """

    individual_cents: int
    family_cents: int | None = None
    family_rule: Literal["embedded", "aggregate"] = "embedded"


@dataclass(frozen=True, slots=True)
class BenefitLimit:
    """The most visits, or the most allowed cents, in one period. A visit is a distinct service date."""

    period: Literal["plan-year", "month", "day"]
    visits: int | None = None
    amount_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Category:
    """The sharing of one kind of service. Without `coinsurance_bp` the plan's applies."""

    coinsurance_bp: int | None = None
    copay_cents: int = 0
    deductible_waived: bool = False
    limits: tuple[BenefitLimit, ...] = ()


@dataclass(frozen=True, slots=True)
class Fees:
    """Cents per unit of a service, by `system|code`. Without `out_of_network` the plan pays nothing there."""

    in_network: Mapping[str, int]
    out_of_network: Mapping[str, int] | None = None

    def schedule(self, *, in_network: bool) -> Mapping[str, int]:
        """The fees inside or outside the network; empty if the plan has none."""
        return self.in_network if in_network else self.out_of_network or {}


@dataclass(frozen=True, slots=True)
class Terms:
    """The fields of the JSON, one to one. Codes are `system|code`; providers and the payer are `Type/id`."""

    v: Literal[1]
    payer: str
    plan: str
    effective: Range
    currency: str
    rounding: Literal["half-up"]
    cost_sharing: CostSharing
    oop_cut_order: tuple[Share, ...]
    coinsurance_bp: int
    timely_filing_days: int
    fees: Fees
    network: tuple[str, ...]
    plan_year: Range | None = None
    deductible: Limit | None = None
    out_of_pocket: Limit | None = None
    categories: Mapping[str, Category] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    auth_required: tuple[str, ...] = ()

    @property
    def accumulation(self) -> Range:
        """The dates that one set of accumulators counts: the plan year, else the effective range."""
        return self.plan_year or self.effective

    def category_name(self, code: str) -> str | None:
        """The contract's category of a code. It never comes from the claim, whose author is paid by it."""
        return self.codes.get(code)

    def category(self, code: str) -> Category:
        """The sharing of a code. A code without a category has the plan's coinsurance and no copay."""
        return self.categories[self.codes[code]] if code in self.codes else Category()

    def coinsurance_of(self, category: Category) -> int:
        """The basis points that the member owes in a category."""
        return self.coinsurance_bp if category.coinsurance_bp is None else category.coinsurance_bp


@dataclass(frozen=True, slots=True)
class Contract:
    """Checked terms and the hash of the bytes they were read from."""

    hash: str
    terms: Terms


def contract_hash(data: bytes) -> str:
    """The contract's id: SHA-256 of its bytes, in hex."""
    return sha256(data).hex()


def canonical_contract(data: bytes) -> bytes:
    """The canonical bytes of a contract in any JSON layout, for instance a file that a person wrote."""
    return jcs(parse(data, "the contract"))


def parse_contract(data: bytes) -> Contract:
    """The contract whose canonical bytes are `data`.

    Raises `Malformed` for bytes that are not RFC 8785, and `TooLarge`. Raises `Invalid` with the name of a
    field that is unknown, missing or against a rule.
    """
    if len(data) > MAX_CONTRACT_BYTES:
        raise TooLarge(f"a contract has at most {MAX_CONTRACT_BYTES} bytes; split the plan's fee schedule")
    given = parse_jcs(data, "the contract")
    if "guards" in given:
        raise Invalid("contract.guards are not supported yet; leave the field out, no guard would be applied")
    terms = decode(Terms, given, "contract")
    _check(terms)
    return Contract(contract_hash(data), terms)


def overlaps(a: Contract, b: Contract) -> bool:
    """Whether two contracts of the same payer and plan share a day."""
    if (a.terms.payer, a.terms.plan) != (b.terms.payer, b.terms.plan):
        return False
    return (
        a.terms.effective.start <= b.terms.effective.end and b.terms.effective.start <= a.terms.effective.end
    )


def contract_payload(data: bytes) -> JsonObject:
    """The payload of the payer's signature, a `carevouch-contract+jws`."""
    return {"v": 1, "contract": b64u(sha256(data))}


def verify_contract(signature: str, jwk: Jwk, data: bytes) -> str:
    """The hash of the contract `data`. Raises `IntegrityFault` unless the holder of `jwk` signed it."""
    try:
        payload = verify(take_apart(signature), jwk, CONTRACT_TYP)
    except Malformed as error:
        raise IntegrityFault(f"the contract's signature cannot be read: {error.message}") from error
    if payload != contract_payload(data):
        raise IntegrityFault("the signature is over another contract")
    return contract_hash(data)


def calendar_date(text: Any, where: str) -> date:
    """The day that `text` writes as YYYY-MM-DD; raises `Invalid`."""
    try:
        if not isinstance(text, str) or not _DATE.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{where} is not a date that exists, written YYYY-MM-DD") from None


def _check(terms: Terms) -> None:
    _check_range(terms.effective, "contract.effective")
    _check_range(terms.accumulation, "contract.plan_year")
    if not terms.accumulation.holds(terms.effective.start, terms.effective.end):
        raise Invalid("contract.effective must lie inside contract.plan_year")
    if not _CURRENCY.fullmatch(terms.currency):
        raise Invalid("contract.currency must be three capital letters (ISO 4217)")
    for where, reference in (("payer", terms.payer), *(("network", item) for item in terms.network)):
        if not _REFERENCE.fullmatch(reference):
            raise Invalid(f"contract.{where} must name organisations and people as Type/id")
    _check_sharing(terms)
    codes: dict[str, Collection[str]] = {
        "codes": terms.codes,
        "excluded": terms.excluded,
        "auth_required": terms.auth_required,
        "fees.in_network": terms.fees.in_network,
        "fees.out_of_network": terms.fees.out_of_network or (),
    }
    for name, tokens in codes.items():
        for at, token in enumerate(tokens):
            if not _CODE.fullmatch(token):
                raise Invalid(f"contract.{name} (entry {at + 1}) must be a code written system|code")
    for at, category in enumerate(terms.codes.values()):
        if category not in terms.categories:
            raise Invalid(f"contract.codes (entry {at + 1}) names a category that contract.categories lacks")


def _check_range(dates: Range, where: str) -> None:
    start, end = calendar_date(dates.start, f"{where}.start"), calendar_date(dates.end, f"{where}.end")
    if end < start:
        raise Invalid(f"{where}.end is before its start")
    if (end - start).days >= MAX_PLAN_YEAR_DAYS:
        raise Invalid(
            f"{where} is longer than {MAX_PLAN_YEAR_DAYS} days; write another contract for the next year"
        )


def _check_sharing(terms: Terms) -> None:
    if sorted(terms.oop_cut_order) != ["coinsurance", "copay", "deductible"]:
        raise Invalid("contract.oop_cut_order must list coinsurance, copay and deductible, each once")
    _check_bp(terms.coinsurance_bp, "contract.coinsurance_bp")
    for where, limit in (
        ("contract.deductible", terms.deductible),
        ("contract.out_of_pocket", terms.out_of_pocket),
    ):
        if limit is not None and limit.family_cents is None and limit.family_rule == "aggregate":
            raise Invalid(f"{where}.family_rule is aggregate, yet there is no family_cents")
        if limit and limit.family_cents is not None and limit.family_cents < limit.individual_cents:
            raise Invalid(f"{where}.family_cents is less than individual_cents")
    for at, category in enumerate(terms.categories.values()):
        where = f"contract.categories (entry {at + 1})"
        _check_bp(category.coinsurance_bp, f"{where}.coinsurance_bp")
        if any(limit.visits is None and limit.amount_cents is None for limit in category.limits):
            raise Invalid(f"{where}.limits: each limit must state visits or amount_cents")
        if len({limit.period for limit in category.limits}) != len(category.limits):
            raise Invalid(
                f"{where}.limits: write one limit for a period; it may have visits and amount_cents"
            )
    shares_more = (
        terms.coinsurance_bp
        or terms.deductible
        or any(category.coinsurance_bp for category in terms.categories.values())
    )
    if terms.cost_sharing == "copay_only" and shares_more:
        raise Invalid("contract.cost_sharing is copay_only, yet there is a deductible or a coinsurance")


def _check_bp(share_bp: int | None, where: str) -> None:
    if share_bp is not None and share_bp > FULL_BP:
        raise Invalid(f"{where} must be at most {FULL_BP} basis points")


def encode(value: Any) -> Any:
    """The JSON value of a dataclass, tuple, mapping or scalar. Fields that are None are left out."""
    if is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: encode(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {name: encode(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], value: Any, where: str) -> T:
    """The value of type `kind` in the JSON `value`. Raises `Invalid` with the path of what does not fit."""
    read: T = _read(kind, value, where)
    return read


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return _read(next(arm for arm in arguments if arm is not NoneType), value, where)
    if origin is Literal:
        # By type too: True == 1 in Python, and a version of `true` is not version 1.
        if not any(type(value) is type(one) and value == one for one in arguments):
            raise Invalid(f"{where} must be one of: {', '.join(str(one) for one in arguments)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise Invalid(f"{where} must be a list")
        return tuple(_read(arguments[0], item, f"{where}[{at}]") for at, item in enumerate(value))
    if origin is None and not is_dataclass(kind):
        return _scalar(kind, value, where)
    if not isinstance(value, dict):
        raise Invalid(f"{where} must be an object")
    if origin is None:
        return _object(kind, value, where)
    return {
        _scalar(str, name, where): _read(arguments[1], item, f"{where} (entry {at + 1})")
        for at, (name, item) in enumerate(value.items())
    }


def _object(kind: Any, value: Mapping[str, Any], where: str) -> Any:
    shape = _shape(kind)
    for name in value:
        if name not in shape:
            raise Invalid(f"{where} has no field {name[:40]!r}; its fields are {', '.join(shape)}")
    missing = [name for name, (_, is_required) in shape.items() if is_required and name not in value]
    if missing:
        raise Invalid(f"{where} lacks {', '.join(missing)}")
    return kind(**{name: _read(shape[name][0], item, f"{where}.{name}") for name, item in value.items()})


@lru_cache(maxsize=64)
def _shape(kind: Any) -> dict[str, tuple[Any, bool]]:
    """The fields of a dataclass by name: the type, and whether it must be given."""
    hints = get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(kind)
    }


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if type(value) is not kind:
        words = {str: "text", int: "a whole number", bool: "true or false"}
        raise Invalid(f"{where} must be {words[kind]}")
    if kind is int and not 0 <= value <= MAX_CENTS:
        raise Invalid(f"{where} must lie between 0 and {MAX_CENTS}")
    if kind is str and not 0 < len(value) <= MAX_FIELD_TEXT:
        raise Invalid(f"{where} must hold 1 to {MAX_FIELD_TEXT} characters")
    return value
