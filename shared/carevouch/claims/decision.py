"""The recorded decision: canonical bytes with all that a replay needs, and the replay itself.

Inputs are named as the openings that show them (event id and commitment); the values read from them stand
beside the names, so that whoever holds the body and the contract re-runs the engine and compares bytes.
The bytes must never depend on a clock, a dictionary's order or a machine. Members are pinned by `v`; a
change is a new version.
"""

from collections.abc import Mapping

from carevouch.claims.adjudicate import ENGINE, adjudicate
from carevouch.claims.contract import decode, encode, parse_contract
from carevouch.claims.model import Accumulators, Adjudication, ClaimInput, CoverageInput
from carevouch.kernel.canonical import JsonObject, jcs, parse_jcs
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import IntegrityFault, Invalid

KIND = "claim-adjudication"


def decision_body(
    result: Adjudication,
    claim: ClaimInput,
    coverage: CoverageInput,
    inputs: Mapping[str, Mapping[str, str]],
) -> bytes:
    """RFC 8785 bytes of the decision.

    `inputs` maps a name (claim, coverage, accumulator, contract…) to `{"event": id, "commit": b64u}`, as an
    opening shows them. Raises `Invalid` for an input of another form.
    """
    return jcs(decision_object(result, claim, coverage, inputs))


def decision_object(
    result: Adjudication,
    claim: ClaimInput,
    coverage: CoverageInput,
    inputs: Mapping[str, Mapping[str, str]],
) -> JsonObject:
    """The decision as a JSON object; see `decision_body`."""
    for name, source in inputs.items():
        if set(source) != {"event", "commit"} or not all(isinstance(item, str) for item in source.values()):
            raise Invalid(f"the input {name} is not named by exactly event and commit")
    return {
        "v": 1,
        "kind": KIND,
        "engine": dict(ENGINE),
        "at": result.at,
        "contract": result.contract,
        "inputs": {name: dict(source) for name, source in inputs.items()},
        "claim": encode(claim),
        "coverage": encode(coverage),
        "history": list(result.matched),
        "accumulators": {"before": encode(result.before), "after": encode(result.after)},
        "currency": result.currency,
        "network": result.network,
        "lines": encode(result.lines),
        "totals": encode(result.totals),
        "keys": list(result.keys),
        "trace": encode(result.trace),
    }


def trace_digest(result: Adjudication) -> str:
    """SHA-256, in hex, of the canonical trace: what a ClaimResponse names."""
    return sha256(jcs(encode(result.trace))).hex()


def replay(body: bytes, contract: bytes) -> Adjudication:
    """Re-run a recorded decision under its contract and compare bytes.

    Returns the adjudication; raises `IntegrityFault` naming the first member that differs, `Malformed` or
    `Invalid` for a body that is not a decision.
    """
    given = parse_jcs(body, "the decision")
    if given.get("kind") != KIND or given.get("v") != 1 or given.get("engine") != ENGINE:
        raise Invalid(f"the decision is not one that {ENGINE['name']} {ENGINE['version']} can replay")
    terms = parse_contract(contract)
    if given.get("contract") != terms.hash:
        raise IntegrityFault("the decision was made under another contract")
    claim, coverage, before = _inputs(given)
    result = adjudicate(claim, coverage, terms, before, _texts(given, "history"), str(given.get("at")))
    again = decision_object(result, claim, coverage, _sources(given))
    for name in sorted({*given, *again}):
        if given.get(name) != again.get(name):
            raise IntegrityFault(f"the replay differs from the recorded decision in {name}")
    return result


def accumulators_body(used: Accumulators) -> JsonObject:
    """The JSON object of accumulators, as they are stored and shown."""
    value: JsonObject = encode(used)
    return value


def parse_accumulators(value: JsonObject) -> Accumulators:
    """The inverse of `accumulators_body`; raises `Invalid` naming the field that does not fit."""
    return decode(Accumulators, value, "accumulators")


def _inputs(given: JsonObject) -> tuple[ClaimInput, CoverageInput, Accumulators]:
    states = given.get("accumulators")
    before = states.get("before") if isinstance(states, dict) else None
    return (
        decode(ClaimInput, given.get("claim"), "claim"),
        decode(CoverageInput, given.get("coverage"), "coverage"),
        decode(Accumulators, before, "accumulators.before"),
    )


def _sources(given: JsonObject) -> Mapping[str, Mapping[str, str]]:
    sources = given.get("inputs")
    if not isinstance(sources, dict) or not all(isinstance(item, dict) for item in sources.values()):
        raise Invalid("the decision's inputs are not objects by name")
    return sources


def _texts(given: JsonObject, name: str) -> tuple[str, ...]:
    return decode(tuple[str, ...], given.get(name), name)
