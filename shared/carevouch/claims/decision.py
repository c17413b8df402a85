"""The recorded decision: canonical bytes with all that a replay needs, and the replay itself.

Inputs are named as their openings show them, by event id and commitment. The values read from them stand
beside these names. With the body and the contract, anyone runs the engine again and compares bytes. The
bytes must never depend on a clock, a dictionary's order or a machine. Their members are pinned by `v`; a
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
    """The decision's RFC 8785 bytes; see `decision_object`."""
    return jcs(decision_object(result, claim, coverage, inputs))


def decision_object(
    result: Adjudication,
    claim: ClaimInput,
    coverage: CoverageInput,
    inputs: Mapping[str, Mapping[str, str]],
) -> JsonObject:
    """The decision as a JSON object.

    `inputs` maps a name (coverage, accumulator, contract…) to `{"event": id, "commit": b64u}`, as an opening
    shows them. Raises `Invalid` for an input of another form.
    """
    for name, source in inputs.items():
        if set(source) != {"event", "commit"} or not all(isinstance(item, str) for item in source.values()):
            raise Invalid(f"the input {name} must be named by exactly event and commit")
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


def replay(body: bytes, contract: bytes) -> Adjudication:
    """Re-run a recorded decision under its contract, and compare bytes.

    Returns the adjudication. Raises `IntegrityFault` with the first member that differs, and `Malformed` or
    `Invalid` for a body that is not a decision.
    """
    recorded = parse_jcs(body, "the decision")
    if recorded.get("kind") != KIND or recorded.get("v") != 1 or recorded.get("engine") != ENGINE:
        raise Invalid(f"the decision is not one that {ENGINE['name']} {ENGINE['version']} can replay")
    terms = parse_contract(contract)
    if recorded.get("contract") != terms.hash:
        raise IntegrityFault("the decision was made under another contract")
    claim = decode(ClaimInput, recorded.get("claim"), "claim")
    coverage = decode(CoverageInput, recorded.get("coverage"), "coverage")
    states = recorded.get("accumulators")
    state = states.get("before") if isinstance(states, dict) else None
    before = decode(Accumulators, state, "accumulators.before")
    history = decode(tuple[str, ...], recorded.get("history"), "history")

    result = adjudicate(claim, coverage, terms, before, history, str(recorded.get("at")))

    inputs = recorded.get("inputs")
    if not isinstance(inputs, dict) or not all(isinstance(source, dict) for source in inputs.values()):
        raise Invalid("the decision's inputs must be objects by name")
    repeated = decision_object(result, claim, coverage, inputs)
    for name in sorted({*recorded, *repeated}):
        if recorded.get(name) != repeated.get(name):
            raise IntegrityFault(f"the replay differs from the recorded decision in {name}")
    return result


def trace_digest(result: Adjudication) -> str:
    """SHA-256 of the canonical trace, in hex. A ClaimResponse names it."""
    return sha256(jcs(encode(result.trace))).hex()


def accumulators_body(used: Accumulators) -> JsonObject:
    """The JSON object of accumulators, as they are stored and shown."""
    body: JsonObject = encode(used)
    return body


def parse_accumulators(body: JsonObject) -> Accumulators:
    """The inverse of `accumulators_body`; raises `Invalid` with the path of what does not fit."""
    return decode(Accumulators, body, "accumulators")
