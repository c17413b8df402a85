"""`carevouch adjudicate`: one claim under one contract, offline, with every reason.

FHIR JSON in, JSON out; no account and no network. A door: it reads files, and the clock only when the
instant is not given, then leaves everything to `carevouch.claims`. Standard output holds the JSON alone.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carevouch.claims.accumulate import fresh
from carevouch.claims.adjudicate import adjudicate
from carevouch.claims.contract import Contract, canonical_contract, parse_contract
from carevouch.claims.decision import accumulators_body, decision_object, parse_accumulators
from carevouch.claims.fhir import claim_input, coverage_input
from carevouch.claims.lint import lint
from carevouch.claims.model import Accumulators, Adjudication
from carevouch.claims.response import claim_response
from carevouch.kernel.errors import DomainError
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.money import decimal_text
from carevouch.kernel.times import instant

PAYABLE, DENIED, BAD_INPUT = 0, 1, 2

_DESCRIPTION = """\
Adjudicate a FHIR R4 Claim under a benefit contract, offline.

Works out, item by item, what the contract allows, what the member owes (copay, deductible,
coinsurance, up to the out-of-pocket limit) and what the plan pays. Every cent that is not
paid has a group and CARC number, the rule that decided, and what that rule read."""

_EPILOG = """\
output: one JSON object on standard output
  claimResponse   the FHIR R4 ClaimResponse
  accumulators    what the member (and family) have used afterwards; give it as
                  --accumulators with the next claim
  decision        all inputs, amounts and the trace, as a ledger records them; the same
                  inputs and --at give the same bytes
A summary for people goes to standard error; --quiet leaves it out.

the contract is JSON like this (amounts in cents, shares in basis points, codes as system|code):
  {"v": 1, "payer": "Organization/insurer", "plan": "SILVER",
   "effective": {"start": "2026-01-01", "end": "2026-12-31"},
   "currency": "USD", "rounding": "half-up", "cost_sharing": "copay_then_deductible",
   "oop_cut_order": ["coinsurance", "copay", "deductible"], "coinsurance_bp": 2000,
   "timely_filing_days": 365, "network": ["Organization/clinic"],
   "deductible": {"individual_cents": 15000}, "out_of_pocket": {"individual_cents": 12000},
   "fees": {"in_network": {"https://example.org/codes|LAB": 4000}}}
  optional: plan_year, categories (copay_cents, coinsurance_bp, deductible_waived, limits),
  codes (code to category), excluded, auth_required, fees.out_of_network

exit status:
  0  adjudicated (the plan may still pay nothing, for instance below the deductible)
  1  every item is denied
  2  a file cannot be read or does not make sense; the sentence says what to mend

example:
  carevouch adjudicate --contract plan.json --claim claim.json --coverage coverage.json \\
      --at 2026-04-01T10:00:00.000Z > answer.json"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "adjudicate",
        help="adjudicate a FHIR Claim under a benefit contract, with every reason",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--contract", metavar="FILE", required=True, help="the benefit contract, JSON")
    parser.add_argument("--claim", metavar="FILE", required=True, help="a FHIR R4 Claim")
    parser.add_argument("--coverage", metavar="FILE", required=True, help="the FHIR R4 Coverage it names")
    parser.add_argument("--accumulators", metavar="FILE", help="what was used before (default: nothing yet)")
    parser.add_argument("--at", metavar="INSTANT", help="when the claim was received (default: now)")
    parser.add_argument("--quiet", action="store_true", help="no summary on standard error")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Adjudicate as asked; the exit status."""
    try:
        result, answer = _answer(args)
    except DomainError as error:
        print(f"carevouch adjudicate: {error.message}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        print(f"carevouch adjudicate: {error.filename}: {error.strerror}", file=sys.stderr)
        return BAD_INPUT
    print(render(answer).decode("utf-8"))
    if not args.quiet:
        print(_summary(result), file=sys.stderr)
    return DENIED if result.denied else PAYABLE


def _answer(args: argparse.Namespace) -> tuple[Adjudication, dict[str, Any]]:
    contract = parse_contract(canonical_contract(Path(args.contract).read_bytes()))
    if not args.quiet:
        _warn(contract)
    resource = parse(Path(args.claim).read_bytes(), "the claim")
    claim = claim_input(resource)
    coverage = coverage_input(parse(Path(args.coverage).read_bytes(), "the coverage"))
    at = args.at or instant(datetime.now(UTC))
    result = adjudicate(claim, coverage, contract, _used(args.accumulators, contract), (), at)
    request = f"Claim/{resource['id']}" if isinstance(resource.get("id"), str) else "Claim/unnamed"
    return result, {
        "claimResponse": claim_response(resource, result, request=request, insurer=contract.terms.payer),
        "accumulators": accumulators_body(result.after),
        "decision": decision_object(result, claim, coverage, {}),
    }


def _used(path: str | None, contract: Contract) -> Accumulators:
    if path is None:
        return fresh(contract)
    return parse_accumulators(parse(Path(path).read_bytes(), "the accumulators"))


def _warn(contract: Contract) -> None:
    for finding in lint(contract):
        print(f"note: {finding.where}: {finding.message}", file=sys.stderr)


def _summary(result: Adjudication) -> str:
    rows = []
    for line in result.lines:
        reasons = ", ".join(
            f"{item.group}-{item.carc} {decimal_text(item.cents)}" for item in line.adjustments
        )
        billed, paid = decimal_text(line.billed_cents), decimal_text(line.paid_cents)
        rows.append(
            f"item {line.sequence}: billed {billed}, paid {paid}" + (f" ({reasons})" if reasons else "")
        )
    totals = result.totals
    rows.append(
        f"billed {decimal_text(totals.billed_cents)} = paid {decimal_text(totals.paid_cents)}"
        f" + contractual {decimal_text(totals.contractual_cents)}"
        f" + patient {decimal_text(totals.patient_cents)} + other {decimal_text(totals.other_cents)}"
    )
    return "\n".join(rows)
