"""Bundles in both directions: requests are read strictly, and our answers are valid FHIR."""

from typing import Any

import pytest

from carevouch.fhir.bundle import Entry, EntryResponse, Version, history, read_bundle, response, searchset
from carevouch.fhir.capability import ServedType, capability_statement
from carevouch.fhir.meta import etag, version_of, with_meta, without_meta
from carevouch.fhir.outcome import from_issues
from carevouch.fhir.validate import check
from carevouch.kernel.errors import Invalid, Issue
from tests.unit.fhir.samples import CONCEPT, changed, valid

UUIDS = [f"urn:uuid:c757873d-ec9a-4326-a141-55{n:010}" for n in range(10)]
TIME = "2024-02-15T10:00:00.000Z"


def post(n: int, resource: dict[str, Any], **request: str) -> dict[str, Any]:
    details = {"method": "POST", "url": resource["resourceType"], **request}
    return {"fullUrl": UUIDS[n], "resource": resource, "request": details}


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def basic(subject: str) -> dict[str, Any]:
    return {"resourceType": "Basic", "code": CONCEPT, "subject": {"reference": subject}}


def refused(value: Any, where: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_bundle(value)
    assert [(issue.where, issue.code) for issue in caught.value.issues] == [(where, code)]


def test_a_transaction_is_read() -> None:
    patient = {"resourceType": "Patient"}
    request = read_bundle(
        bundle(
            post(0, basic(UUIDS[1])), post(1, patient, ifNoneExist="identifier=http://x%2Fy|1&active=true")
        )
    )
    assert request.entries == (
        Entry(0, "POST", "Basic", resource=basic(UUIDS[1]), full_url=UUIDS[0]),
        Entry(1, "POST", "Patient", resource=patient, full_url=UUIDS[1],
              if_none_exist=(("identifier", "http://x/y|1"), ("active", "true"))),
    )  # fmt: skip
    assert request.links() == {UUIDS[0]: 0, UUIDS[1]: 1}


def test_an_update_is_read_with_its_version() -> None:
    put = {"fullUrl": "https://here.org/Patient/1", "resource": {"resourceType": "Patient", "id": "1"},
           "request": {"method": "PUT", "url": "Patient/1", "ifMatch": 'W/"3"'}}  # fmt: skip
    request = read_bundle(bundle(put, post(0, basic("Patient/1"))))
    assert (request.entries[0].id, request.entries[0].if_match) == ("1", 'W/"3"')
    assert request.links()["Patient/1"] == 0


def test_an_empty_bundle_asks_for_nothing() -> None:
    assert read_bundle({"resourceType": "Bundle", "type": "batch"}).entries == ()


@pytest.mark.parametrize("value", [None, [], "x", {}, {"resourceType": "Patient", "type": "transaction"}])
def test_a_value_that_is_no_bundle_is_refused(value: Any) -> None:
    refused(value, "Bundle", "structure")


@pytest.mark.parametrize(
    ("path", "value", "where", "code"),
    [
        ("type", "collection", "Bundle.type", "not-supported"),
        ("type", ["batch"], "Bundle.type", "not-supported"),
        ("entry", {}, "Bundle.entry", "structure"),
        ("entry.0", 1, "Bundle.entry[0]", "structure"),
        ("entry.0.request", None, "Bundle.entry[0].request", "invariant"),
        ("entry.0.request.method", "DELETE", "Bundle.entry[0].request.method", "not-supported"),
        ("entry.0.request.url", "Patent", "Bundle.entry[0].request.url", "value"),
        ("entry.0.request.url", "Patient/1", "Bundle.entry[0].request.url", "value"),
        ("entry.0.request.url", "Patient?x=1", "Bundle.entry[0].request.url", "not-supported"),
        ("entry.0.request.url", "Basic", "Bundle.entry[0].resource.resourceType", "value"),
        ("entry.0.request.method", "PUT", "Bundle.entry[0].request.url", "value"),
        ("entry.0.request.ifNoneExist", "x", "Bundle.entry[0].request.ifNoneExist", "value"),
        ("entry.0.resource", None, "Bundle.entry[0].resource", "required"),
        ("entry.0.resource.gender", "xx", "Bundle.entry[0].resource.gender", "code-invalid"),
        ("entry.0.resource.managingOrganization", {"reference": UUIDS[9]},
         "Bundle.entry[0].resource.managingOrganization.reference", "not-found"),
    ],
)  # fmt: skip
def test_a_fault_refuses_the_whole_transaction(path: str, value: Any, where: str, code: str) -> None:
    made = changed("Bundle", path, value)
    if value == "PUT":
        with pytest.raises(Invalid) as caught:
            read_bundle(made)
        assert where in [issue.where for issue in caught.value.issues]
    else:
        refused(made, where, code)


def test_the_same_full_url_twice_refuses_the_transaction() -> None:
    twice = bundle(post(0, valid("Patient")), post(0, basic("Patient/1")))
    with pytest.raises(Invalid):
        read_bundle(twice)


def test_two_updates_of_one_document_refuse_the_transaction() -> None:
    entry = {
        "resource": {"resourceType": "Patient", "id": "1"},
        "request": {"method": "PUT", "url": "Patient/1"},
    }
    refused(bundle(entry, entry), "Bundle.entry[1]", "duplicate")


def test_in_a_batch_only_the_faulty_entry_has_issues() -> None:
    faulty = {"resourceType": "Patient", "gender": "xx"}
    request = read_bundle(bundle(post(0, valid("Patient")), post(1, faulty), kind="batch"))
    assert [[issue.where for issue in entry.issues] for entry in request.entries] == [
        [],
        ["Bundle.entry[1].resource.gender"],
    ]


def test_the_answer_to_a_transaction_is_valid() -> None:
    for kind in ("transaction", "batch"):
        answers = [
            EntryResponse("201 Created", "https://here.org/Patient/1/_history/1", etag(1), TIME),
            EntryResponse("422 Unprocessable Entity", outcome=from_issues((Issue("x"),))),
            EntryResponse("200 OK", resource=valid("Patient")),
        ]
        made = response(kind, answers)
        assert check(made) == []
        assert made["type"] == f"{kind}-response"
    assert "entry" not in response("batch", [])


def test_pages_of_results_are_valid_and_link_on_only_when_there_is_more() -> None:
    page = searchset(
        [("https://here.org/Patient/p1", valid("Patient"))], self_url="https://here.org/Patient",
        next_url="https://here.org/Patient?page=2", total=0, outcome=from_issues((Issue("x"),)),
    )  # fmt: skip
    assert check(page) == []
    assert [link["relation"] for link in page["link"]] == ["self", "next"]
    last = searchset([], self_url="https://here.org/Patient")
    assert check(last) == []
    assert [link["relation"] for link in last["link"]] == ["self"]
    assert "total" not in last


def test_a_history_is_valid_with_a_deleted_version() -> None:
    url = "https://here.org/Patient/p1"
    versions = [
        Version(url, "DELETE", "Patient/p1", "204", etag(2), TIME),
        Version(url, "POST", "Patient", "201", etag(1), TIME, valid("Patient")),
    ]
    assert check(history(versions, self_url=f"{url}/_history", total=2)) == []


def test_an_outcome_lists_each_issue_at_its_place() -> None:
    issues = (Issue("a", "Patient.name", "required"), Issue("b"))
    made = from_issues(issues, "invalid")
    assert check(made) == []
    assert {one["details"]["coding"][0]["code"] for one in made["issue"]} == {"invalid"}
    assert [(one["code"], one.get("expression")) for one in made["issue"]] == [
        ("required", ["Patient.name"]),
        ("invalid", None),
    ]
    assert check(from_issues(issues)) == []


def test_every_code_a_finding_can_have_is_an_issue_type_of_fhir() -> None:
    for code in ("structure", "required", "value", "invariant", "code-invalid", "too-long", "too-costly",
                 "not-supported", "not-found", "duplicate"):  # fmt: skip
        assert check(from_issues((Issue("x", code=code),))) == []


def test_the_servers_meta_replaces_the_clients_and_keeps_the_rest() -> None:
    meta = {"versionId": "7", "lastUpdated": "2000-01-01T00:00:00Z", "security": [{"code": "R"}]}
    sent = {"resourceType": "Patient", "id": "theirs", "active": True, "meta": meta}
    stored = with_meta(sent, "ours", 3, TIME)
    assert stored == {
        "resourceType": "Patient",
        "id": "ours",
        "meta": {"versionId": "3", "lastUpdated": TIME, "security": [{"code": "R"}]},
        "active": True,
    }
    assert list(stored)[:3] == ["resourceType", "id", "meta"]
    assert check(stored) == []
    assert version_of(stored) == 3
    assert without_meta(stored) == without_meta(sent)
    assert sent["id"] == "theirs"


def test_the_capability_statement_is_valid_and_lists_what_is_served() -> None:
    made = capability_statement(
        [
            ServedType("Observation", ("read", "vread", "search-type", "create"), conditional_create=True),
            ServedType("Patient", ("read",), (("everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything"),)),
        ],
        base_url="https://here.org/fhir", date="2024-02-15", version="1.0",
    )  # fmt: skip
    assert check(made) == []
    observation, patient = made["rest"][0]["resource"]
    assert {"name": "date", "type": "date"} in observation["searchParam"]
    assert {"name": "status", "type": "token"} in observation["searchParam"]
    assert "searchParam" not in patient
