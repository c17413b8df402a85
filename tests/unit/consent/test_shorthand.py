"""The case reader is strict: a mistake that is ignored looks like a policy that works."""

import json
from typing import Any

import pytest

from carevouch.consent.render import render_resource
from carevouch.consent.shorthand import read_cases, read_request
from carevouch.kernel.errors import DomainError, Invalid
from tests.unit.consent.case_runs import case_of

GOOD: dict[str, Any] = {"n": "x", "consents": [], "rq": {}, "rs": {}, "exp": "deny"}


def consent(provision: dict[str, Any]) -> dict[str, Any]:
    return {**GOOD, "consents": [{"status": "active", "provision": provision}]}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({**GOOD, "exp": "maybe"}, "exp"),
        ({**GOOD, "n": ""}, "n"),
        ({**GOOD, "expected": "deny"}, "the case"),
        ({**GOOD, "rq": {"purpose": ["TREAT", "HPAYMT"]}}, "rq.purpose"),
        ({**GOOD, "rq": {"now": "soon"}}, "rq.now"),
        ({**GOOD, "rq": {"action": "read"}}, "rq.action"),
        ({**GOOD, "rq": {"btg_ok": "yes"}}, "rq.btg_ok"),
        ({**GOOD, "rs": {"conf": "X"}}, "rs.conf"),
        ({**GOOD, "rs": {"date": "2021-02-29"}}, "rs.date"),
        ({**GOOD, "rs": {"sens": "PSY"}}, "rs.sens"),
        ({**GOOD, "consents": {}}, "consents"),
        ({**GOOD, "consents": [{"status": "on"}]}, "consents[0].status"),
        ({**GOOD, "consents": [{"status": "active", "policyRule": "OPT"}]}, "consents[0].policyRule"),
        (consent({"type": "allow"}), "consents[0].provision.type"),
        (consent({"purposes": ["TREAT"]}), "consents[0].provision"),
        (consent({"purpose": []}), "consents[0].provision.purpose"),
        (consent({"period": {"until": "2022"}}), "consents[0].provision.period"),
        (consent({"provision": [{}, {"label": [1]}]}), "consents[0].provision.provision[1].label[0]"),
        (consent({"data": [["about", "Observation/1"]]}), "consents[0].provision.data[0][0]"),
        (consent({"data": []}), "consents[0].provision.data"),
        (consent({"unknown": 2}), "consents[0].provision.unknown"),
    ],
    ids=repr,
)
def test_a_mistake_is_reported_with_line_and_field(raw: dict[str, Any], field: str) -> None:
    data = b"\n" + json.dumps({**GOOD, "n": "first"}).encode() + b"\n" + json.dumps(raw).encode()
    with pytest.raises(Invalid) as raised:
        read_cases(data)
    assert raised.value.message.startswith(f"line 3: {field}:")


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"n":"a","n":"b"}', b"\xff"])
def test_a_line_that_is_no_case_is_reported_with_its_number(line: bytes) -> None:
    with pytest.raises(DomainError, match="line 1"):
        read_cases(line)


def test_the_same_name_twice_is_refused() -> None:
    line = json.dumps(GOOD).encode()
    with pytest.raises(Invalid, match="line 2: n: line 1 has this name already"):
        read_cases(line + b"\n" + line)


def test_a_purpose_may_be_local_qualified_or_a_coding() -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
    assert read_request({"purpose": "urn:x|FooBar"}).purpose == "urn:x|FooBar"
    assert read_request({"purpose": coding}).purpose == "HRESCH"
    assert read_request({"purpose": "FooBar"}).purpose.endswith("|FooBar")


@pytest.mark.parametrize(
    "rs", [{"type": "Patient", "date": "2020"}, {"type": "Encounter", "authors": ["A/1"]}]
)
def test_a_case_without_an_r4_element_is_not_rendered(rs: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        render_resource(case_of({**GOOD, "rs": rs}))
