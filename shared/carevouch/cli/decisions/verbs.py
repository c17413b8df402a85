"""The verbs `decide` and `adjudicate`, as data for the parser."""

from carevouch.cli.verb import Option, Verb

DECIDE = Verb(
    "decide",
    "carevouch.cli.decisions.decide",
    """\
Decide whether a request may see a resource under a patient's FHIR R4 Consents, offline, and
say why: which consent, which version, which clause, which element.

Or run a whole file of decision cases, and name every case whose decision is not the expected one:
a test bench for people who write consent policies.

There are no patients' devices here, so every consent counts as signed. The services permit
nothing by a consent that the patient's device did not sign.""",
    """\
one decision:
  --consents  a FHIR R4 Consent, a JSON list of them, or a Bundle; all consents of the patient
  --resource  the FHIR R4 resource asked for; a consent applies if its patient is the
              resource's subject; a resource about several patients needs all of them
  --request   {"purpose": "TREAT", "actors": ["Practitioner/1", "Organization/9"],
               "action": "access", "now": "2026-11-22T10:00:00Z", "btg_ok": false}
              purpose  one v3-ActReason code, or "system|code" for a code of your own
              actors   everything the caller is, groups and organisations included;
                       null if that is unknown
              now      the instant to decide for (default: the clock)
              btg_ok   the caller may declare break-glass (purpose BTG)

many cases, one JSON object per line:
  {"n": "a name", "consents": [{"status": "active", "provision": {"type": "permit",
   "purpose": ["TREAT"], "provision": [{"type": "deny", "label": ["R"]}]}}],
   "rq": {"purpose": "ETREAT"}, "rs": {"conf": "R"}, "exp": "deny", "default": "deny"}
  provision: type period actor purpose action label class code dataPeriod data provision,
             unknown (1: it carries a modifierExtension)
  rq: purpose actors action now btg_ok; by default TREAT, Practitioner/other, access
  rs: type id conf sens date authors related codes; by default an Observation labelled N

the rules in short:
  unknown facts stop a permit and trigger a deny; a deny of any consent wins, then a permit,
  then "outside what was permitted" (deny), then --default

output: JSON on standard output with decision, reasons and every clause; with --cases
  the counts and each disagreement. A summary for people goes to standard error.

exit status:
  0  permitted; with --cases, every case agrees
  1  denied; with --cases, at least one disagrees
  2  a file cannot be read or does not make sense; the sentence says how to mend it

examples:
  carevouch decide --consents consent.json --request request.json --resource observation.json
  carevouch decide --cases cases.jsonl --through-fhir""",
    options=(
        Option("--consents", metavar="FILE", help="FHIR R4 Consent, list or Bundle"),
        Option("--request", metavar="FILE", help="the request, JSON as below"),
        Option("--resource", metavar="FILE", help="the FHIR R4 resource asked for"),
        Option("--cases", metavar="FILE", help="decision cases, one JSON object per line"),
        Option(
            "--through-fhir",
            action="store_true",
            help="with --cases: also render each case as FHIR R4 and read it back",
        ),
        Option(
            "--default",
            choices=("permit", "deny"),
            default="deny",
            help="where no consent speaks (default: deny)",
        ),
        Option("--zone", default="UTC", help="time zone of dates without one (default: UTC)"),
        Option(
            "--base",
            default="",
            metavar="URL",
            help="base URL of the server, so that absolute references match",
        ),
    ),
)
ADJUDICATE = Verb(
    "adjudicate",
    "carevouch.cli.decisions.adjudicate",
    """\
Adjudicate a FHIR R4 Claim under a benefit contract, offline.

For each item, compute the amount that the contract allows, the member's share (copay, deductible,
coinsurance, up to the out-of-pocket limit) and the amount that the plan pays. Every cent that is
not paid has a group and CARC number, the rule that decided, and the values which that rule read.""",
    """\
output: one JSON object on standard output
  claimResponse   the FHIR R4 ClaimResponse
  accumulators    the amounts that member and family have used afterwards; give them as
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
  2  a file cannot be read or does not make sense; the sentence says how to mend it

example:
  carevouch adjudicate --contract plan.json --claim claim.json --coverage coverage.json \\
      --at 2026-04-01T10:00:00.000Z > answer.json""",
    options=(
        Option("--contract", metavar="FILE", required=True, help="the benefit contract, JSON"),
        Option("--claim", metavar="FILE", required=True, help="a FHIR R4 Claim"),
        Option("--coverage", metavar="FILE", required=True, help="the FHIR R4 Coverage it names"),
        Option("--accumulators", metavar="FILE", help="amounts used before (default: nothing yet)"),
        Option("--at", metavar="INSTANT", help="when the claim was received (default: now)"),
        Option("--quiet", action="store_true", help="no summary on standard error"),
    ),
)
