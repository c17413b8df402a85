"""The two descriptions say what is served, no more and no less."""

import json
import re
from importlib import metadata

from carevouch.events.catalogue import DIRECTORY_TYPES
from carevouch.fhir.search import search_parameters
from carevouch.fhir.validate import check
from infra.routes import DOORS, routes_of
from tests.contract.template import functions
from tests.service.records.conftest import Json, Scene


def capabilities(scene: Scene) -> Json:
    answer = scene.api.call("GET", "/fhir/metadata")
    assert answer.status == 200
    found: Json = answer.json()
    return found


def test_the_capability_statement_is_valid_and_open(scene: Scene) -> None:
    statement = capabilities(scene)
    assert check(statement) == []
    assert statement["fhirVersion"] == "4.0.1"
    assert [one["code"] for one in statement["rest"][0]["interaction"]] == ["transaction", "batch"]


def test_each_type_is_described_as_it_is_served(scene: Scene) -> None:
    described = {one["type"]: one for one in capabilities(scene)["rest"][0]["resource"]}
    done = {name: {one["code"] for one in what["interaction"]} for name, what in described.items()}
    reads = {"read", "vread", "history-instance", "search-type"}
    assert done["Observation"] == reads | {"create", "update"}
    assert done["Practitioner"] == reads | {"create", "update"}
    assert done["AuditEvent"] == done["ClaimResponse"] == done["Organization"] == reads
    assert done["Consent"] == reads | {"create", "update"}
    assert done["Coverage"] == reads | {"create"}
    assert {"BoundDevice", "ValueSet", "Enrolment"}.isdisjoint(done)
    assert [one["name"] for one in described["Patient"]["operation"]] == ["everything"]
    assert [one["name"] for one in described["Claim"]["operation"]] == ["submit"]


def test_every_search_parameter_that_is_described_is_served(scene: Scene) -> None:
    patient = scene.person()
    for one in capabilities(scene)["rest"][0]["resource"]:
        assert {found["name"] for found in one["searchParam"]} >= search_parameters(one["type"]).keys()
        if one["type"] not in ("Patient", "AuditEvent"):
            query = f"/fhir/{one['type']}?patient={patient}"
            is_personal = "patient" in {found["name"] for found in one["searchParam"]}
            assert is_personal != (one["type"] in DIRECTORY_TYPES)
            assert scene.get(scene.hospital, query).status == (200 if is_personal else 400)


def test_openapi_names_every_route_of_the_template(scene: Scene) -> None:
    description = scene.api.call("GET", "/openapi.json").json()
    described = {
        (method.upper(), path, operation.get("security") == [])
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    public = {
        (route.method, route.path): route.public_path for service in DOORS for route in routes_of(service)
    }
    served = set()
    for properties in functions().values():
        for event in properties.get("Events", {}).values():
            said = event["Properties"]
            if event["Type"] == "Api" and said["RestApiId"] == {"Ref": "Api"}:
                method, path = said["Method"].upper(), said["Path"]
                path = public[method, path].replace("+}", "}")
                served.add((method, path, said.get("Auth") == {"Authorizer": "NONE"}))
    assert described == served


def test_operations_of_fhir_are_described_by_their_own_names(scene: Scene) -> None:
    paths = scene.api.call("GET", "/openapi.json").json()["paths"]
    assert "post" in paths["/fhir/Claim/$submit"]
    assert "post" in paths["/fhir/CoverageEligibilityRequest/$submit"]
    assert "post" in paths["/fhir/Consent/$revokeConsent"]
    assert "get" in paths["/fhir/Patient/{id}/$everything"]


def test_a_claim_is_described_with_its_members(scene: Scene) -> None:
    description = scene.api.call("GET", "/openapi.json").json()
    submit = description["paths"]["/fhir/Claim/$submit"]["post"]
    (body,) = submit["requestBody"]["content"].values()
    taken = [one["$ref"].rpartition("/")[2] for one in body["schema"]["oneOf"]]
    assert taken == ["Claim", "Parameters", "Bundle"]
    schemas = description["components"]["schemas"]
    claim = schemas["Claim"]
    assert claim["additionalProperties"] is False
    assert {"status", "type", "use", "patient", "insurance"} <= claim["properties"].keys()
    assert claim["properties"]["status"]["enum"] == ["active", "cancelled", "draft", "entered-in-error"]
    assert claim["properties"]["contained"]["items"] == {"$ref": "#/components/schemas/ContainedResource"}
    assert schemas["Patient"]["properties"]["_birthDate"] == {"$ref": "#/components/schemas/Element"}


def test_openapi_points_at_nothing_that_is_not_there(scene: Scene) -> None:
    description = scene.api.call("GET", "/openapi.json").json()
    pointers = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(description)))
    assert pointers == description["components"]["schemas"].keys()


def test_operations_have_names_of_their_own(scene: Scene) -> None:
    description = scene.api.call("GET", "/openapi.json").json()
    operations = [one for methods in description["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    for path, methods in description["paths"].items():
        for operation in methods.values():
            given = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
            assert given == re.findall(r"\{(\w+)\}", path)


def test_openapi_says_what_is_sent_and_answered_in_which_form(scene: Scene) -> None:
    paths = scene.api.call("GET", "/openapi.json").json()["paths"]
    assert list(paths["/auth/token"]["post"]["requestBody"]["content"]) == [
        "application/x-www-form-urlencoded"
    ]
    forms = {
        "/ledger/genesis": "text/plain",
        "/ledger/{strand}/tile/{path}": "application/octet-stream",
        "/ledger/digest": "application/json",
        "/fhir/{type}/{id}": "application/fhir+json",
        "/fhir/.well-known/smart-configuration": "application/json",
    }
    for path, form in forms.items():
        assert list(paths[path]["get"]["responses"]["200"]["content"]) == [form]
    put = paths["/fhir/{type}/{id}"]["put"]
    assert {"If-Match", "Idempotency-Key"} <= {one["name"] for one in put["parameters"]}
    assert {"400", "401", "403", "404", "409", "412", "413", "422", "503"} <= set(put["responses"])


def test_the_statement_stays_the_same_until_what_is_served_changes(scene: Scene) -> None:
    first = scene.api.call("GET", "/fhir/metadata").json()
    scene.world.clock.advance(3600)
    assert scene.api.call("GET", "/fhir/metadata").json() == first
    for resource in first["rest"][0]["resource"]:
        creates = "create" in {one["code"] for one in resource["interaction"]}
        assert creates or not resource["conditionalCreate"]


def test_the_version_is_that_of_the_package(scene: Scene) -> None:
    assert capabilities(scene)["software"]["version"] == metadata.version("carevouch")
