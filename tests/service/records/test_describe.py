"""The two descriptions say what is served, no more and no less."""

import re
import tomllib

from carevouch.events.catalogue import DIRECTORY_TYPES
from carevouch.fhir.search import search_parameters
from carevouch.fhir.validate import check
from services.records.describe import VERSION
from services.records.neighbours import NEIGHBOURS
from services.records.routes import routes
from tests.contract.template import functions
from tests.oracles import ROOT
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
    served = set()
    for properties in functions().values():
        for event in properties.get("Events", {}).values():
            said = event["Properties"]
            if event["Type"] == "Api" and said["RestApiId"] == {"Ref": "Api"}:
                path = said["Path"].replace("+}", "}")
                served.add((said["Method"].upper(), path, said.get("Auth") == {"Authorizer": "NONE"}))
    assert described == served


def test_the_lists_of_routes_do_not_overlap() -> None:
    own = {(route.method, route.path) for route in routes()}
    assert own.isdisjoint((method, path) for method, path, _, _ in NEIGHBOURS)


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
        assert list(paths[path]["get"]["responses"]["2XX"]["content"]) == [form]
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


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
