"""The OpenAPI description covers what the doors answer, and the service tests find what it lacks."""

import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest

from carevouch.fhir.definitions import resource_types
from carevouch.records.resource import is_served
from infra import openapi, routes
from infra.faults import SetUpFault
from services.records.describe import OPENAPI
from tests.api import Answer
from tests.described import require_described
from tests.descriptions import description

DOCUMENT: dict[str, Any] = json.loads(description(OPENAPI))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
FHIR = {"content-type": "application/fhir+json"}
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}}


def answered(status: int, body: object, kind: str = "application/fhir+json") -> Answer:
    return Answer(status, {"content-type": kind}, json.dumps(body).encode())


def read(answer: Answer) -> None:
    require_described("records", "GET", "/fhir/{type}/{id}", "/fhir/Observation/a", answer)


def is_valid(name: str, value: object) -> bool:
    registry = jsonschema_rs.Registry([("urn:d", DOCUMENT)], draft=jsonschema_rs.Draft202012)
    schema = {"$ref": f"urn:d#/components/schemas/{name}"}
    return jsonschema_rs.Draft202012Validator(schema, registry=registry).is_valid(value)


def test_every_type_that_a_door_stores_has_a_schema_and_is_a_resource() -> None:
    served = set(filter(is_served, resource_types()))
    named = {one["$ref"].rpartition("/")[2] for one in SCHEMAS["Resource"]["oneOf"]}
    assert served < named
    assert named == SCHEMAS["Resource"]["discriminator"]["mapping"].keys()
    assert all(SCHEMAS[name]["properties"]["resourceType"]["const"] == name for name in named)


def test_a_contained_resource_is_typed_and_contains_no_other() -> None:
    organization = {"resourceType": "Organization", "id": "o", "name": "A clinic"}
    assert is_valid("Observation", {**OBSERVATION, "contained": [organization]})
    assert not is_valid("Observation", {**OBSERVATION, "contained": [{**organization, "nmae": "A clinic"}]})
    assert not is_valid("Observation", {**OBSERVATION, "contained": [{**organization, "contained": []}]})
    # R4 has types that no door stores; they may be contained.
    substance = {"resourceType": "Substance", "id": "s", "code": {"text": "salt"}}
    assert is_valid("Observation", {**OBSERVATION, "contained": [substance]})
    assert not is_valid("Observation", {**OBSERVATION, "contained": [{"resourceType": "Sbstance"}]})


def test_primitives_have_extensions_and_no_other_sibling() -> None:
    extended = {"extension": [{"url": "https://clinic.example/x", "valueString": "rounded"}]}
    assert is_valid("Observation", {**OBSERVATION, "_status": extended})
    assert not is_valid("Observation", {**OBSERVATION, "_code": extended})


def test_every_operation_describes_throttling_and_faults() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            assert {"400", "429", "500", "503", "504"} <= operation["responses"].keys(), (method, path)


def test_two_routes_of_one_method_and_path_are_refused() -> None:
    twice = [*routes.described("claims"), routes.described("claims")[0]]
    with pytest.raises(SetUpFault, match=r"two routes are POST /fhir/Claim/\$submit"):
        openapi.document(twice, {}, base_url="https://base.invalid", version="0")
    other = replace(twice[-1], route=replace(twice[-1].route, method="PUT"))
    openapi.document([*twice[:-1], other], {}, base_url="https://base.invalid", version="0")


def test_an_answer_as_described_passes() -> None:
    read(answered(200, OBSERVATION))
    read(Answer(304, FHIR, b""))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (answered(418, {}), "is not in the OpenAPI description"),
        (answered(200, OBSERVATION, "application/json"), "has the content type application/json"),
        (answered(200, {**OBSERVATION, "sttus": "final"}), "differs from #/components/schemas/Resource"),
        (answered(200, {"resourceType": "Nothing"}), "differs from #/components/schemas/Resource"),
        (answered(404, {"resourceType": "OperationOutcome"}), "differs from #/components/schemas/Operation"),
        (Answer(304, FHIR, b"{}"), "has a body"),
    ],
)
def test_an_answer_that_is_not_as_described_fails(answer: Answer, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        read(answer)
