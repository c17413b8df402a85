"""A body that is broken at any place gets a sentence as its answer, and never a fault of ours."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel.canonical import parse_jcs
from carevouch.kernel.jsontext import Number, parse, render
from tests.service.claims.member import ASK, SUBMIT, Member, coverage_of, insure
from tests.world import memory_world

JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, 0, -1, 2**70, "", "x", "Patient/", "Coverage/d.x", "2026-02-30", [], {}, [[]], [{}],
        {"reference": "Patient/x"}, {"coding": []}, {"value": "1"}, Number("1e400"), Number("0.001"), "\x00",
    ]
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """`whole` with one place, drawn at random, gone or replaced by something else."""
    copy = parse(render(whole))
    holder: Any = copy
    while True:
        place = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        inner = holder[place]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            holder = inner
            continue
        if draw(st.booleans()):
            holder[place] = draw(JUNK)
        else:
            del holder[place]
        return copy


MEMBER = insure(memory_world())


def told(path: str, body: Any, member: Member = MEMBER) -> int:
    who = member.payer if path in ("/fhir/Coverage", "/claims/contracts") else member.clinic
    answer = member.api.call("POST", path, render(body), who.who)
    if answer.status >= 400:
        assert answer.json().get("detail") or answer.json()["issue"][0]["diagnostics"]
    return answer.status


ANSWERS = {200, 201, 400, 403, 404, 409, 413, 422}


@given(broken({**MEMBER.worked(), "id": "c", "billablePeriod": {"start": "2026-03-01", "end": "2026-03-02"}}))
@settings(max_examples=150, deadline=None)
def test_a_broken_claim_is_answered_in_words(claim: Any) -> None:
    assert told(SUBMIT, claim) in ANSWERS


@given(broken(coverage_of(MEMBER.payer, MEMBER.patient)))
@settings(max_examples=60, deadline=None)
def test_a_broken_coverage_is_answered_in_words(coverage: Any) -> None:
    assert told("/fhir/Coverage", coverage) in ANSWERS


@given(broken(MEMBER.request("benefits", "discovery", item=[{"productOrService": {"coding": [{}]}}])))
@settings(max_examples=60, deadline=None)
def test_a_broken_eligibility_request_is_answered_in_words(request: Any) -> None:
    assert told(ASK, request) in ANSWERS


@given(broken({"contract": parse_jcs(MEMBER.contract, "it"), "signature": "a.b.c"}))
@settings(max_examples=60, deadline=None)
def test_a_broken_contract_is_answered_in_words(contract: Any) -> None:
    assert told("/claims/contracts", contract) in ANSWERS
