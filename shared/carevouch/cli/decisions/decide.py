"""`carevouch decide`: one consent decision, or a whole file of decision cases, offline and explained.

FHIR JSON in, JSON out; no account and no network. A door: it reads files, and the clock only when the
request states no instant, then leaves everything to `carevouch.consent`. Here every consent counts as signed
by the patient's device; the services themselves never permit by an unsigned one. Standard output holds
the JSON alone.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from carevouch.consent.criteria import DENY, PERMIT, Effect
from carevouch.consent.decide import Decision, decide
from carevouch.consent.facts import facts_of
from carevouch.consent.lint import lint
from carevouch.consent.model import Consent
from carevouch.consent.question import AccessRequest, ResourceFacts
from carevouch.consent.read import normal, read_consent
from carevouch.consent.render import render_consents, render_resource
from carevouch.consent.shorthand import DecisionCase, read_cases, read_request
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import DomainError, Invalid
from carevouch.kernel.jsontext import parse, render

YES, NO, BAD_INPUT = 0, 1, 2
# The fictitious server that rendered cases live on.
_CASE_BASE = "https://cases.example/fhir"

_DESCRIPTION = """\
Decide whether a request may see a resource under a patient's FHIR R4 Consents, offline, and
say why: which consent, which version, which clause, which element.

Or run a whole file of decision cases, and name every case that comes out otherwise than it
should: a test bench for people who write consent policies.

There are no patients' devices here, so every consent counts as signed. The services permit
nothing by a consent that the patient's device did not sign."""

_EPILOG = """\
one decision:
  --consents  a FHIR R4 Consent, a JSON list of them, or a Bundle; all consents of the patient
  --resource  the FHIR R4 resource asked for; a consent applies if its patient is the
              resource's subject; a resource about several patients needs all of them
  --request   {"purpose": "TREAT", "actors": ["Practitioner/1", "Organization/9"],
               "action": "access", "now": "2026-11-22T10:00:00Z", "btg_ok": false}
              purpose  one v3-ActReason code, or "system|code" for a code of your own
              actors   everything the caller is, groups and organisations included;
                       null if that could not be found out
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
  2  a file cannot be read or does not make sense; the sentence says what to mend

examples:
  carevouch decide --consents consent.json --request request.json --resource observation.json
  carevouch decide --cases cases.jsonl --through-fhir"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "decide",
        help="decide a request under a patient's consents, or run a file of decision cases",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--consents", metavar="FILE", help="FHIR R4 Consent, list or Bundle")
    parser.add_argument("--request", metavar="FILE", help="the request, JSON as below")
    parser.add_argument("--resource", metavar="FILE", help="the FHIR R4 resource asked for")
    parser.add_argument("--cases", metavar="FILE", help="decision cases, one JSON object per line")
    parser.add_argument(
        "--through-fhir",
        action="store_true",
        help="with --cases: also render each case as FHIR R4 and read it back",
    )
    parser.add_argument(
        "--default",
        choices=("permit", "deny"),
        default="deny",
        help="where no consent speaks (default: deny)",
    )
    parser.add_argument("--zone", default="UTC", help="time zone of dates without one (default: UTC)")
    parser.add_argument(
        "--base", default="", metavar="URL", help="base URL of the server, so that absolute references match"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Decide as asked; the exit status."""
    try:
        return _run_cases(args) if args.cases else _run_one(args)
    except DomainError as error:
        print(f"carevouch decide: {error.message}", file=sys.stderr)
    except OSError as error:
        print(f"carevouch decide: {error.filename}: {error.strerror}", file=sys.stderr)
    return BAD_INPUT


def _run_one(args: argparse.Namespace) -> int:
    if not (args.consents and args.request and args.resource):
        raise Invalid("give --consents, --request and --resource, or --cases (--help explains them)")
    zone, base = _zone(args.zone), args.base
    consents = [
        read_consent(resource, base=base, zone=zone, signed=True)
        for resource in _consents(_json(args.consents), args.consents)
    ]
    request = _request(_json(args.request), base, zone)
    resource = _json(args.resource)
    if not isinstance(resource, dict):
        raise Invalid(f"{args.resource} is not a FHIR resource")
    facts = facts_of(resource, base=base, zone=zone)
    decision = decide(consents, request, facts, _effect(args.default))
    warnings = [
        {"consent": consent.reference, **finding.json()} for consent in consents for finding in lint(consent)
    ]
    _print({**decision.explain(), "warnings": warnings})
    _tell_one(decision, consents, facts)
    return YES if decision.permitted else NO


def _run_cases(args: argparse.Namespace) -> int:
    if args.consents or args.request or args.resource:
        raise Invalid("--cases stands alone: each case brings its own consents, request and resource")
    _zone(args.zone)  # Cases state their instants in full, but a slip is told all the same.
    cases = read_cases(Path(args.cases).read_bytes())
    if not cases:
        raise Invalid(f"{args.cases} holds no case")
    wrong = [told for case in cases for told in _disagreements(case, through_fhir=args.through_fhir)]
    agreeing = len(cases) - len({told["line"] for told in wrong})
    _print({"cases": len(cases), "agree": agreeing, "disagreements": wrong})
    for told in wrong:
        print(_in_words(told), file=sys.stderr)
    print(f"{agreeing} of {len(cases)} cases agree", file=sys.stderr)
    return NO if wrong else YES


def _disagreements(case: DecisionCase, *, through_fhir: bool) -> list[JsonObject]:
    ways = {"model": decide(case.consents, case.request, case.resource, case.default)}
    if through_fhir:
        ways["fhir"] = _through_fhir(case)
    return [
        {
            "line": case.line,
            "name": case.name,
            "through": way,
            "expected": case.expected,
            "decided": _decided(decision),
            "why": decision.explain(),
        }
        for way, decision in ways.items()
        if _decided(decision) != case.expected
    ]


def _through_fhir(case: DecisionCase) -> Decision:
    try:
        rendered, resource = render_consents(case), render_resource(case)
    except DomainError as error:
        raise Invalid(f"line {case.line}: {error.message}") from error
    consents = [read_consent(raw, base=_CASE_BASE, zone=UTC, signed=True) for raw in rendered]
    return decide(consents, case.request, facts_of(resource, base=_CASE_BASE, zone=UTC), case.default)


def _consents(value: Any, name: str) -> list[Any]:
    """The Consents of a file; a Bundle's other resources are not about consent and are passed over."""
    if isinstance(value, dict) and value.get("resourceType") == "Bundle":
        entries = value.get("entry", [])
        resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
        return [
            found for found in resources if isinstance(found, dict) and found.get("resourceType") == "Consent"
        ]
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) and item.get("resourceType") == "Consent" for item in found):
        raise Invalid(f"{name} holds something that is no FHIR Consent; give a Consent, a list or a Bundle")
    return found


def _request(value: Any, base: str, zone: tzinfo) -> AccessRequest:
    request = read_request(value, now=datetime.now(UTC), zone=zone)
    if request.actors is None:
        return request
    actors = frozenset(normal(actor, base) or actor for actor in request.actors)
    return AccessRequest(request.purpose, actors, request.now, request.action, request.btg_ok)


def _effect(word: str) -> Effect:
    return PERMIT if word == "permit" else DENY


def _decided(decision: Decision) -> Effect:
    return PERMIT if decision.permitted else DENY


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("--zone is not the name of a time zone, such as Europe/Berlin") from None


def _json(name: str) -> Any:
    return parse(Path(name).read_bytes(), name)


def _print(value: JsonObject) -> None:
    print(render(value).decode())


def _tell_one(decision: Decision, consents: Sequence[Consent], facts: ResourceFacts) -> None:
    print(f"{_decided(decision)}: {_reasons(decision.explain())}", file=sys.stderr)
    elsewhere = sum(consent.patient not in (*facts.subjects, None) for consent in consents)
    if elsewhere:
        print(f"not applied, because about another patient: {elsewhere} consent(s)", file=sys.stderr)


def _in_words(told: JsonObject) -> str:
    through = " (through FHIR)" if told["through"] == "fhir" else ""
    head = f"line {told['line']}: {told['name']}{through}"
    return f"{head}: expected {told['expected']}, decided {told['decided']}: {_reasons(told['why'])}"


def _reasons(explained: JsonObject) -> str:
    parts = ("consent", "clause", "element")
    return "; ".join(
        " ".join((reason["rule"], *(str(reason[part]) for part in parts if part in reason)))
        for reason in explained["reasons"]
    )
