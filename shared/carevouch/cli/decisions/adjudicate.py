"""`carevouch adjudicate`: adjudicates a claim under a contract, offline, with every reason.

It reads FHIR JSON and writes JSON, without an account or a network. It reads the clock only if no instant is
given. `carevouch.claims` does the rest. Standard output has only the JSON.
"""

import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from carevouch.claims.accumulate import fresh
from carevouch.claims.adjudicate import adjudicate
from carevouch.claims.contract import canonical_contract, parse_contract
from carevouch.claims.decision import accumulators_body, decision_object, parse_accumulators
from carevouch.claims.fhir import claim_input, coverage_input
from carevouch.claims.lint import lint
from carevouch.claims.model import Adjudication
from carevouch.claims.response import claim_response
from carevouch.cli.frame import NEGATIVE, OK
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.money import decimal_text
from carevouch.kernel.times import instant


def run(args: Namespace) -> int:
    """Adjudicate, and return the exit status."""
    contract = parse_contract(canonical_contract(Path(args.contract).read_bytes()))
    if not args.quiet:
        for finding in lint(contract):
            print(f"note: {finding.where}: {finding.message}", file=sys.stderr)
    resource = parse(Path(args.claim).read_bytes(), "the claim")
    claim = claim_input(resource)
    coverage = coverage_input(parse(Path(args.coverage).read_bytes(), "the coverage"))
    at = args.at or instant(datetime.now(UTC))
    used = fresh(contract)
    if args.accumulators is not None:
        used = parse_accumulators(parse(Path(args.accumulators).read_bytes(), "the accumulators"))
    result = adjudicate(claim, coverage, contract, used, (), at)
    request = f"Claim/{resource['id']}" if isinstance(resource.get("id"), str) else "Claim/unnamed"
    answer = {
        "claimResponse": claim_response(resource, result, request=request, insurer=contract.terms.payer),
        "accumulators": accumulators_body(result.after),
        "decision": decision_object(result, claim, coverage, {}),
    }
    print(render(answer).decode("utf-8"))
    if not args.quiet:
        print(_summary(result), file=sys.stderr)
    return NEGATIVE if result.denied else OK


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
