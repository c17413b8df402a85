"""Bad input of every kind gets an answer that says what to mend, is not a 500, and leaves nothing behind."""

import json
from typing import Any

import pytest

from tests import people
from tests.service.records.conftest import Scene, bundle, entry

BASIC = {"resourceType": "Basic"}
ID = f"{'a' * 26}.{'b' * 26}"
DOORS = [
    ("POST", "/fhir"),
    ("POST", "/fhir/Observation"),
    ("PUT", f"/fhir/Observation/{ID}"),
    ("PUT", f"/fhir/Patient/{'a' * 26}"),
]
BAD: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"resourceType":"\xff"}',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "NaN": b'{"resourceType":"Observation","valueInteger":NaN}',
    "the same key twice": b'{"resourceType":"Observation","status":"final","status":"final"}',
    "half a character": b'{"resourceType":"Observation","status":"\\ud800"}',
    "a thousand levels": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "a thousand lists": b'{"resourceType":"Observation","x":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "a type that is none": b'{"resourceType":7}',
    "another type": b'{"resourceType":"Basic","code":{"text":"x"}}',
    "no type": b'{"status":"final"}',
    "a number of many digits": b'{"resourceType":"Observation","valueInteger":' + b"9" * 5000 + b"}",
}


def refused(scene: Scene, answer: Any, before: Any, *statuses: int) -> str:
    """The diagnostics of a refusal that is told well and left nothing."""
    assert answer.status in statuses, answer.body
    assert answer.headers["content-type"] == "application/fhir+json"
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert scene.content() == before
    return str(outcome["issue"][0]["diagnostics"])


@pytest.fixture(scope="module")
def town() -> Scene:
    return Scene()


@pytest.mark.parametrize(("method", "path"), DOORS)
@pytest.mark.parametrize("what", BAD)
def test_a_body_that_is_no_such_resource(town: Scene, method: str, path: str, what: str) -> None:
    before = town.content()
    answer = town.call(town.hospital, method, path, BAD[what], if_match='W/"1"')
    assert refused(town, answer, before, 400, 403)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"nonsense": 1}, "Observation.nonsense"),
        ({"effectiveDateTime": "2026-02-30"}, "Observation.effectiveDateTime"),
        ({"effectiveDateTime": "yesterday"}, "Observation.effectiveDateTime"),
        ({"status": "almost"}, "Observation.status"),
        ({"code": []}, "Observation.code"),
        ({"subject": "Patient/1"}, "Observation.subject"),
        ({"component": []}, "Observation.component"),
        ({"valueQuantity": {"value": "1"}}, "Observation.valueQuantity.value"),
    ],
)
def test_a_resource_against_r4_is_named_by_its_element(town: Scene, change: Any, place: str) -> None:
    patient = town.person()
    before = town.content()
    sent = {**people.observation(patient), **change}
    alone = town.call(town.hospital, "POST", "/fhir/Observation", sent)
    refused(town, alone, before, 400)
    assert alone.json()["issue"][0]["expression"][0].startswith(place)
    good = entry(people.observation(patient))
    in_a_bundle = town.call(town.hospital, "POST", "/fhir", bundle(good, entry(sent)))
    refused(town, in_a_bundle, before, 400)
    where = in_a_bundle.json()["issue"][0]["expression"][0]
    assert where.startswith(place.replace("Observation", "Bundle.entry[1].resource", 1))


def test_a_bundle_of_faults_is_answered_with_the_first_twenty(town: Scene) -> None:
    before = town.content()
    sent = bundle(*(entry({"resourceType": "Observation", "x": at}) for at in range(50)))
    answer = town.call(town.hospital, "POST", "/fhir", sent)
    refused(town, answer, before, 400)
    assert len(answer.json()["issue"]) == 20


@pytest.mark.parametrize("kind", ["document", "collection", "searchset", "history", "nonsense", None, 7])
def test_a_bundle_of_another_kind(town: Scene, kind: Any) -> None:
    before = town.content()
    sent = {**bundle(entry(people.observation("x"))), "type": kind}
    assert refused(town, town.call(town.hospital, "POST", "/fhir", sent), before, 400)


@pytest.mark.parametrize(
    "broken",
    [
        {"entry": [{}]},
        {"entry": [7]},
        {"entry": {}},
        {"entry": [{"request": {"method": "POST"}}]},
        {"entry": [{"request": {"method": "POST", "url": "Observation"}}]},
        {"entry": [{"request": {"method": "POST", "url": "Nonsense"}, "resource": BASIC}]},
        {"entry": [{"request": {"method": "PUT", "url": "Basic"}, "resource": BASIC}]},
        {"entry": [{"request": {"method": "POST", "url": "../Observation"}, "resource": {}}]},
        {"entry": [{"request": {"method": "POST", "url": 7}, "resource": {}}]},
    ],
)  # fmt: skip
def test_a_bundle_of_another_shape(town: Scene, broken: Any) -> None:
    before = town.content()
    sent = {"resourceType": "Bundle", "type": "transaction", **broken}
    assert refused(town, town.call(town.hospital, "POST", "/fhir", sent), before, 400)


def test_a_put_of_an_id_that_cannot_be_ours(town: Scene) -> None:
    before = town.content()
    change = {"method": "PUT", "url": "Observation/1", "ifMatch": 'W/"1"'}
    sent = bundle({"resource": {**people.observation("x"), "id": "1"}, "request": change})
    assert refused(town, town.call(town.hospital, "POST", "/fhir", sent), before, 422)


def test_a_text_of_three_megabytes(town: Scene) -> None:
    patient = town.person()
    before = town.content()
    for size, statuses in ((3_000_000, (400,)), (700_000, (413,))):
        sent = people.observation(patient, note=[{"text": "x" * size}])
        for path, body in (("/fhir/Observation", sent), ("/fhir", bundle(entry(sent)))):
            said = refused(town, town.call(town.hospital, "POST", path, body), before, *statuses)
            assert "at most" in said or "larger than" in said


def test_a_body_above_the_limit_says_what_to_do(town: Scene) -> None:
    before = town.content()
    body = json.dumps(bundle()).encode() + b" " * 4_000_001
    said = refused(town, town.call(town.hospital, "POST", "/fhir", body), before, 413)
    assert "4 MB" in said
    assert "split" in said


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data"])
@pytest.mark.parametrize(("method", "path"), DOORS)
def test_a_body_of_another_content_type(town: Scene, method: str, path: str, kind: str) -> None:
    before = town.content()
    answer = town.call(town.hospital, method, path, b"<x/>", content_type=kind)
    assert "application/fhir+json" in refused(town, answer, before, 415)


@pytest.mark.parametrize(
    ("method", "path"), [*DOORS, ("GET", "/fhir/Observation"), ("GET", f"/fhir/Observation/{ID}")]
)
def test_a_caller_without_a_token(town: Scene, method: str, path: str) -> None:
    before = town.content()
    assert refused(town, town.api.call(method, path, b"{}"), before, 401)


def test_an_organisation_nobody_admitted(town: Scene) -> None:
    stranger = people.Organization("d." + "c" * 26, town.hospital.key, ("provider",))
    before = town.content()
    assert refused(town, town.get(stranger, f"/fhir/Observation/{ID}"), before, 401)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb"])
def test_an_idempotency_key_of_another_form(town: Scene, key: str) -> None:
    before = town.content()
    sent = people.observation(town.person())
    before = town.content()
    answer = town.call(town.hospital, "POST", "/fhir/Observation", sent, idempotency_key=key)
    assert refused(town, answer, before, 400)


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Observation/" + "x" * 3000,
        "/fhir/Observation/..%2f..",
        "/fhir/Observation/%00",
        "/fhir/Observation/%ff",
        f"/fhir/Observation/{ID}/_history/0",
        f"/fhir/Observation/{ID}/_history/-1",
        f"/fhir/Observation/{ID}/_history/" + "9" * 400,
        f"/fhir/Patient/{'a' * 26}/$nonsense",
        "/fhir/" + "X" * 3000,
        f"/fhir/Patient?_id={'x' * 3000}",
        "/fhir/Patient?_id=",
        "/fhir/Patient?identifier=|",
        f"/fhir/Observation?patient={'a' * 26}&code={'x,' * 2000}y",
        f"/fhir/Observation?patient={'a' * 26}&date=9999-12-31T23:59:60.999999999Z",
        f"/fhir/AuditEvent?patient={'a' * 26}&date=lt0001-01-01",
        f"/fhir/AuditEvent?patient={'a' * 26}&date=ge9999-12-31",
        f"/fhir/Observation?patient={'a' * 26}&_count={'9' * 12}",
        "/fhir/Observation?patient=%00",
    ],
)
def test_a_path_or_query_of_another_form(town: Scene, path: str) -> None:
    answer = town.get(town.hospital, path)
    assert answer.status in (200, 400, 404), answer.body
    if answer.status == 200:
        assert answer.json()["total"] == 0


def test_a_purpose_that_the_role_may_not_declare(town: Scene) -> None:
    answer = town.get(town.payer, f"/fhir/Patient/{'a' * 26}", purpose_of_use="TREAT")
    assert answer.status == 403
