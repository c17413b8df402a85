"""An adjudication as a FHIR R4 ClaimResponse (hl7.org/fhir/R4/claimresponse.html).

For each item: submitted = benefit + the sum of all other adjudications but `eligible`, which is the
allowed amount and for information. Reasons are group, CARC and RARC by number; the sentences in
`processNote` are our own. HL7's adjudication codes are used where they exist, ours for the rest. Amounts
are decimals with two digits.
"""

from carevouch.claims.decision import trace_digest
from carevouch.claims.model import COINSURANCE, COPAY, DEDUCTIBLE, WORDS, Adjudication, Adjustment, LineResult
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.jsontext import Number
from carevouch.kernel.money import decimal_text

HL7_ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
OWN_ADJUDICATION = "https://carevouch.org/fhir/CodeSystem/adjudication"
PAYMENT_TYPE = "http://terminology.hl7.org/CodeSystem/ex-paymenttype"
X12_GROUP = "https://x12.org/codes/claim-adjustment-group-codes"
X12_CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
X12_RARC = "https://x12.org/codes/remittance-advice-remark-codes"
CONTRACT_HASH = "https://carevouch.org/fhir/StructureDefinition/contract-hash"
TRACE_DIGEST = "https://carevouch.org/fhir/StructureDefinition/trace-digest"

_HL7_CODES = frozenset({"submitted", "eligible", "deductible", "copay", "benefit"})
_SHARES = {DEDUCTIBLE.carc: "deductible", COINSURANCE.carc: "coinsurance", COPAY.carc: "copay"}


def claim_response(claim: JsonObject, result: Adjudication, *, request: str, insurer: str) -> JsonObject:
    """The ClaimResponse to the FHIR `claim`, whose own reference is `request`; the store adds id and meta."""
    notes = _notes(result)
    response: JsonObject = {
        "resourceType": "ClaimResponse",
        "extension": [
            {"url": CONTRACT_HASH, "valueString": result.contract},
            {"url": TRACE_DIGEST, "valueString": trace_digest(result)},
        ],
        "status": "active",
        "type": claim["type"],
        "use": "claim",
        "patient": {"reference": claim["patient"]["reference"]},
        "created": result.at,
        "insurer": {"reference": insurer},
        "requestor": {"reference": claim["provider"]["reference"]},
        "request": {"reference": request},
        "outcome": "complete",
        "disposition": disposition(result),
        "item": [_item(line, notes, result.currency) for line in result.lines],
        "total": _totals(result),
    }
    if result.totals.paid_cents:
        response["payment"] = _payment(result)
    if notes:
        response["processNote"] = [
            {"number": number, "type": "display", "text": WORDS[reason]} for reason, number in notes.items()
        ]
    focal = next(item for item in claim["insurance"] if item.get("focal") is True)
    shown = {name: focal[name] for name in ("sequence", "focal", "coverage") if name in focal}
    return {**response, "insurance": [shown]}


def disposition(result: Adjudication) -> str:
    """One sentence, in our own words, about the whole claim."""
    denied = sum(line.denied for line in result.lines)
    if result.denied:
        return "Denied: no item is covered. Each item states its reason."
    if not result.totals.paid_cents:
        return "Adjudicated: the member's share takes up the whole allowed amount."
    return (
        f"Adjudicated: {denied} of {len(result.lines)} items are denied." if denied else "Adjudicated: paid."
    )


def money(amount_cents: int, currency: str) -> JsonObject:
    """A FHIR Money with two digits."""
    return {"value": Number(decimal_text(amount_cents)), "currency": currency}


def _notes(result: Adjudication) -> dict[tuple[str, str], int]:
    reasons = [(item.group, item.carc) for line in result.lines for item in line.adjustments]
    return {reason: at + 1 for at, reason in enumerate(dict.fromkeys(reasons))}


def _item(line: LineResult, notes: dict[tuple[str, str], int], currency: str) -> JsonObject:
    item: JsonObject = {"itemSequence": line.sequence}
    if numbers := [notes[(reason.group, reason.carc)] for reason in line.adjustments]:
        item["noteNumber"] = numbers
    amounts = [
        _amount("submitted", line.billed_cents, currency),
        _amount("eligible", line.allowed_cents, currency),
        *(_adjustment(reason, currency) for reason in line.adjustments),
        _amount("benefit", line.paid_cents, currency),
    ]
    return {**item, "adjudication": amounts}


def _adjustment(item: Adjustment, currency: str) -> JsonObject:
    name = _SHARES.get(item.carc, "adjustment") if item.group == "PR" else "adjustment"
    codes = [(X12_GROUP, item.group), (X12_CARC, item.carc), *((X12_RARC, code) for code in item.rarc)]
    reason = {"coding": [{"system": system, "code": code} for system, code in codes]}
    return {"category": _category(name), "reason": reason, "amount": money(item.cents, currency)}


def _amount(name: str, amount_cents: int, currency: str) -> JsonObject:
    return {"category": _category(name), "amount": money(amount_cents, currency)}


def _category(name: str) -> JsonObject:
    system = HL7_ADJUDICATION if name in _HL7_CODES else OWN_ADJUDICATION
    return {"coding": [{"system": system, "code": name}]}


def _totals(result: Adjudication) -> list[JsonObject]:
    totals = result.totals
    amounts = {
        "submitted": totals.billed_cents,
        "eligible": totals.allowed_cents,
        "deductible": totals.deductible_cents,
        "copay": totals.copay_cents,
        "coinsurance": totals.coinsurance_cents,
        "contractual": totals.contractual_cents,
        "patient": totals.patient_cents,
        "benefit": totals.paid_cents,
    }
    return [_amount(name, cents, result.currency) for name, cents in amounts.items()]


def _payment(result: Adjudication) -> JsonObject:
    code = "complete" if result.totals.paid_cents == result.totals.billed_cents else "partial"
    return {
        "type": {"coding": [{"system": PAYMENT_TYPE, "code": code}]},
        "amount": money(result.totals.paid_cents, result.currency),
    }
