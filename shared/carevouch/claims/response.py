"""An adjudication as a FHIR R4 ClaimResponse (hl7.org/fhir/R4/claimresponse.html).

For each item, `submitted` is `benefit` plus the sum of all other adjudications but `eligible`. `eligible` is
the allowed amount, for information only. Reasons are group, CARC and RARC by number; the sentences in
`processNote` are our own. HL7's adjudication codes are used where they exist, and ours for the rest. Amounts
are decimals with two digits. This file must never compute a new amount. Its answer is stored, so its texts
and the order of its members must not change.
"""

from carevouch.claims.decision import trace_digest
from carevouch.claims.model import COINSURANCE, COPAY, DEDUCTIBLE, OUTCOME_TEXTS, Adjudication, LineResult
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
# The adjudication codes of the member's shares; every other reduction is an `adjustment`.
_SHARES = {
    ("PR", DEDUCTIBLE.carc): "deductible",
    ("PR", COINSURANCE.carc): "coinsurance",
    ("PR", COPAY.carc): "copay",
}


def claim_response(claim: JsonObject, result: Adjudication, *, request: str, insurer: str) -> JsonObject:
    """The ClaimResponse to the FHIR `claim`, without id and meta, which the store adds.

    `request` is the claim's own reference, `insurer` the payer's.
    """
    reasons = [(item.group, item.carc) for line in result.lines for item in line.adjustments]
    notes = {reason: at + 1 for at, reason in enumerate(dict.fromkeys(reasons))}
    totals, currency = result.totals, result.currency
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
        "disposition": _disposition(result),
        "item": [_item(line, notes, currency) for line in result.lines],
        "total": [_amount(name, cents, currency) for name, cents in amounts.items()],
    }
    if totals.paid_cents:
        code = "complete" if totals.paid_cents == totals.billed_cents else "partial"
        payment_type = codeable_concept((PAYMENT_TYPE, code))
        response["payment"] = {"type": payment_type, "amount": money(totals.paid_cents, currency)}
    if notes:
        response["processNote"] = [
            {"number": number, "type": "display", "text": OUTCOME_TEXTS[reason]}
            for reason, number in notes.items()
        ]
    focal = next(item for item in claim["insurance"] if item.get("focal") is True)
    insurance = {name: focal[name] for name in ("sequence", "focal", "coverage") if name in focal}
    return {**response, "insurance": [insurance]}


def money(amount_cents: int, currency: str) -> JsonObject:
    """A FHIR Money with two digits."""
    return {"value": Number(decimal_text(amount_cents)), "currency": currency}


def codeable_concept(*codings: tuple[str, str]) -> JsonObject:
    """A FHIR CodeableConcept with these codings, each a system and a code."""
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def _disposition(result: Adjudication) -> str:
    """One sentence of our own about the whole claim."""
    denied = sum(line.denied for line in result.lines)
    if result.denied:
        return "Denied: no item is covered. Each item states its reason."
    if not result.totals.paid_cents:
        return "Adjudicated: the member's share takes up the whole allowed amount."
    if denied:
        return f"Adjudicated: {denied} of {len(result.lines)} items are denied."
    return "Adjudicated: paid."


def _item(line: LineResult, notes: dict[tuple[str, str], int], currency: str) -> JsonObject:
    item: JsonObject = {"itemSequence": line.sequence}
    if line.adjustments:
        item["noteNumber"] = [notes[(reason.group, reason.carc)] for reason in line.adjustments]
    adjudications = [
        _amount("submitted", line.billed_cents, currency),
        _amount("eligible", line.allowed_cents, currency),
    ]
    for reason in line.adjustments:
        name = _SHARES.get((reason.group, reason.carc), "adjustment")
        rarcs = ((X12_RARC, code) for code in reason.rarc)
        codes = codeable_concept((X12_GROUP, reason.group), (X12_CARC, reason.carc), *rarcs)
        adjudications.append(_amount(name, reason.cents, currency, codes))
    adjudications.append(_amount("benefit", line.paid_cents, currency))
    return {**item, "adjudication": adjudications}


def _amount(name: str, amount_cents: int, currency: str, reason: JsonObject | None = None) -> JsonObject:
    system = HL7_ADJUDICATION if name in _HL7_CODES else OWN_ADJUDICATION
    reasons = {} if reason is None else {"reason": reason}
    return {"category": codeable_concept((system, name)), **reasons, "amount": money(amount_cents, currency)}
