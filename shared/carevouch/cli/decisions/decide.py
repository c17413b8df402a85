"""`carevouch decide`: decides one request, or a file of decision cases, offline and with reasons.

It reads FHIR JSON and writes JSON, without an account or a network. It reads the clock only if the request
states no instant. `carevouch.consent` does the rest. Here every consent counts as signed by the patient's
device. The services permit nothing by an unsigned consent. Standard output has only the JSON.
"""

import sys
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from carevouch.cli.frame import NEGATIVE, OK
from carevouch.consent.decide import Decision, decide
from carevouch.consent.facts import facts_of
from carevouch.consent.lint import lint
from carevouch.consent.model import DENY, PERMIT
from carevouch.consent.read import normal, read_consent
from carevouch.consent.render import render_consents, render_resource
from carevouch.consent.shorthand import DecisionCase, read_cases, read_request
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import DomainError, Invalid
from carevouch.kernel.jsontext import parse, render

# The invented server of rendered cases.
_CASE_BASE = "https://cases.example/fhir"


def run(args: Namespace) -> int:
    """Decide, and return the exit status."""
    try:
        zone = ZoneInfo(args.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("--zone is not the name of a time zone, such as Europe/Berlin") from None
    return _run_cases(args) if args.cases else _run_one(args, zone)


def _run_one(args: Namespace, zone: tzinfo) -> int:
    if not (args.consents and args.request and args.resource):
        raise Invalid("give --consents, --request and --resource, or give --cases (--help explains them)")
    base = args.base
    consents = [
        read_consent(resource, base=base, zone=zone, signed=True)
        for resource in _consents(parse(Path(args.consents).read_bytes(), args.consents), args.consents)
    ]
    question = parse(Path(args.request).read_bytes(), args.request)
    request = read_request(question, now=datetime.now(UTC), zone=zone)
    if request.actors is not None:
        actors = frozenset(normal(actor, base) or actor for actor in request.actors)
        request = replace(request, actors=actors)
    resource = parse(Path(args.resource).read_bytes(), args.resource)
    if not isinstance(resource, dict):
        raise Invalid(f"{args.resource} is not a FHIR resource")
    facts = facts_of(resource, base=base, zone=zone)
    decision = decide(consents, request, facts, PERMIT if args.default == "permit" else DENY)
    warnings = [
        {"consent": consent.reference, **finding.json()} for consent in consents for finding in lint(consent)
    ]
    explained = decision.explain()
    print(render({**explained, "warnings": warnings}).decode())
    print(f"{PERMIT if decision.permitted else DENY}: {_reasons(explained)}", file=sys.stderr)
    elsewhere = sum(consent.patient not in (*facts.subjects, None) for consent in consents)
    if elsewhere:
        print(f"not applied, because about another patient: {elsewhere} consent(s)", file=sys.stderr)
    return OK if decision.permitted else NEGATIVE


def _run_cases(args: Namespace) -> int:
    if args.consents or args.request or args.resource:
        raise Invalid("give --cases alone: each case has its own consents, request and resource")
    cases = read_cases(Path(args.cases).read_bytes())
    if not cases:
        raise Invalid(f"{args.cases} has no case")
    wrong: list[JsonObject] = []
    for case in cases:
        ways = {"model": decide(case.consents, case.request, case.resource, case.default)}
        if args.through_fhir:
            ways["fhir"] = _through_fhir(case)
        for way, decision in ways.items():
            effect = PERMIT if decision.permitted else DENY
            if effect != case.expected:
                wrong.append(
                    {
                        "line": case.line,
                        "name": case.name,
                        "through": way,
                        "expected": case.expected,
                        "decided": effect,
                        "why": decision.explain(),
                    }
                )
    agreeing = len(cases) - len({one["line"] for one in wrong})
    print(render({"cases": len(cases), "agree": agreeing, "disagreements": wrong}).decode())
    for one in wrong:
        through = " (through FHIR)" if one["through"] == "fhir" else ""
        print(
            f"line {one['line']}: {one['name']}{through}: expected {one['expected']}, "
            f"decided {one['decided']}: {_reasons(one['why'])}",
            file=sys.stderr,
        )
    print(f"{agreeing} of {len(cases)} cases agree", file=sys.stderr)
    return NEGATIVE if wrong else OK


def _through_fhir(case: DecisionCase) -> Decision:
    try:
        rendered, resource = render_consents(case), render_resource(case)
    except DomainError as error:
        raise Invalid(f"line {case.line}: {error.message}") from error
    consents = [read_consent(raw, base=_CASE_BASE, zone=UTC, signed=True) for raw in rendered]
    return decide(consents, case.request, facts_of(resource, base=_CASE_BASE, zone=UTC), case.default)


def _consents(value: Any, name: str) -> list[Any]:
    """The Consents in a file. The other resources of a Bundle are ignored."""
    if isinstance(value, dict) and value.get("resourceType") == "Bundle":
        entries = value.get("entry", [])
        resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
        return [one for one in resources if isinstance(one, dict) and one.get("resourceType") == "Consent"]
    consents = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) and item.get("resourceType") == "Consent" for item in consents):
        raise Invalid(
            f"{name} has a resource that is not a FHIR Consent; give a Consent, a list of them, or a Bundle"
        )
    return consents


def _reasons(explained: JsonObject) -> str:
    parts = ("consent", "clause", "element")
    return "; ".join(
        " ".join((reason["rule"], *(str(reason[part]) for part in parts if part in reason)))
        for reason in explained["reasons"]
    )
