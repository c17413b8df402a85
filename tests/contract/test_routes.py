"""Every route in code is a route in the template, and the other way round; API Gateway takes their paths."""

import importlib
import re
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from infra import routes
from infra.faults import SetUpFault
from tests.contract.template import DOORS, ROOT, SERVICES, functions, resources, written

Route = tuple[str, str]


def _in_template() -> dict[str, dict[Route, dict[str, Any]]]:
    """Module of the app -> route -> the event's properties."""
    found: dict[str, dict[Route, dict[str, Any]]] = defaultdict(dict)
    for properties in functions().values():
        module = properties["Handler"].rpartition(".")[0]
        for event in properties.get("Events", {}).values():
            if event["Type"] == "Api":
                said = event["Properties"]
                found[module][said["Method"].upper(), said["Path"]] = said
    return found


ROUTES = _in_template()
ALL = {route: said for of_app in ROUTES.values() for route, said in of_app.items()}
# A witness is a deployment of its own, behind an API of its own.
WITNESS = "services.witness.app"
APPS = (*(f"services.{service}.app" for service in DOORS), WITNESS)


@pytest.mark.parametrize("module", APPS)
def test_routes_in_code_are_those_of_the_template(module: str) -> None:
    app = importlib.import_module(module).app
    in_code = {(method, path) for path, methods in app.routes.items() for method in methods}
    assert in_code == set(ROUTES[module])


@pytest.mark.parametrize("service", [*routes.DOORS, routes.WITNESS])
def test_a_door_serves_its_table(service: str) -> None:
    app = importlib.import_module(f"services.{service}.app").app
    in_code = {(method, path) for path, methods in app.routes.items() for method in methods}
    assert in_code == {(route.method, route.path) for route in routes.routes_of(service)}


def test_the_template_is_what_the_tables_give() -> None:
    assert list(routes.differences()) == []


def test_a_route_that_the_template_lacks_is_found_and_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = replace(routes.routes_of("claims")[0], path="/claims/planted", operation="")
    tables = importlib.import_module("services.claims.routes")
    monkeypatch.setattr(tables, "ROUTES", (*tables.ROUTES, planted))
    (found,) = routes.differences()
    assert "make vectors" in found
    assert "/claims/planted" in routes.template(routes.TEMPLATE.read_text("utf-8"))


def test_a_route_without_words_and_words_without_a_route_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = importlib.import_module("services.claims.routes")
    monkeypatch.setattr(tables, "ROUTES", tables.ROUTES[1:])
    with pytest.raises(SetUpFault, match=r"use cases in routes\.py: submit"):
        routes.described("claims")
    monkeypatch.setattr(tables, "ROUTES", (*tables.ROUTES, replace(tables.ROUTES[0], use=routes.main)))
    with pytest.raises(SetUpFault, match=r"OPERATIONS in api\.py: POST"):
        routes.described("claims")


def test_every_handler_that_the_template_names_exists() -> None:
    for properties in functions().values():
        module, name = properties["Handler"].rsplit(".", 1)
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("service", DOORS)
def test_fhir_routes_take_both_media_types(service: str) -> None:
    app = importlib.import_module(f"services.{service}.app").app
    for path, methods in app.routes.items():
        if path.startswith("/fhir") and ".well-known" not in path:
            for entry in methods.values():
                assert {"application/json", "application/fhir+json"} <= set(entry.content_types), path


def test_no_route_belongs_to_two_functions() -> None:
    assert sum(len(of_app) for of_app in ROUTES.values()) == len(ALL)


def test_sibling_path_variables_have_one_name() -> None:
    names: dict[str, set[str]] = defaultdict(set)
    for _, path in ALL:
        parts = path.split("/")
        for at, part in enumerate(parts):
            if part.startswith("{"):
                names["/".join(parts[:at])].add(part)
    assert {parent: found for parent, found in names.items() if len(found) > 1} == {}


def test_a_literal_type_repeats_every_sub_route_of_the_variable_one() -> None:
    """API Gateway does not fall back from /fhir/Claim to /fhir/{type}: what the literal lacks is a 404."""
    literals = {path.split("/")[2] for _, path in ALL if path.startswith("/fhir/")} - {
        "{type}",
        "metadata",
        ".well-known",
    }
    reads = {
        path.removeprefix("/fhir/{type}")
        for method, path in ALL
        if method == "GET" and "/fhir/{type}" in path
    }
    missing = {f"/fhir/{literal}{rest}" for literal in literals for rest in reads} - {
        p for m, p in ALL if m == "GET"
    }
    assert missing == set()


def test_no_literal_part_holds_a_dollar() -> None:
    assert [path for _, path in ALL if "$" in path] == []


def test_a_route_without_a_token_says_why_in_its_words() -> None:
    open_routes = {route for route, said in ALL.items() if said.get("Auth") == {"Authorizer": "NONE"}}
    said = {
        (one.route.method, one.route.path): one.operation.anyone
        for service in (*routes.DOORS, routes.WITNESS)
        for one in routes.described(service)
    }
    assert open_routes | set(ROUTES[WITNESS]) == {route for route, reason in said.items() if reason}
    assert "Auth" not in dict(resources("AWS::Serverless::Api", written()))["WitnessApi"]


def test_no_route_names_another_authorizer() -> None:
    assert [
        route
        for route, said in ALL.items()
        if said.get("Auth", {"Authorizer": "NONE"}) != {"Authorizer": "NONE"}
    ] == []


def test_the_template_is_laid_out_by_the_rooms_of_the_house() -> None:
    text = (ROOT / "template.yaml").read_text()
    places = [text.index(f"\n  # {room}: ") for room in ("documents", *SERVICES)]
    assert places == sorted(places)


INTEGRATION = "x-amazon-apigateway-integration"
API = dict(resources("AWS::ApiGateway::RestApi"))["Api"]
PATHS: dict[str, Any] = API["Body"]["paths"]


def test_a_browser_may_ask_first_on_every_path_and_without_a_token() -> None:
    assert set(PATHS) == {path for app, routes in ROUTES.items() if app != WITNESS for _, path in routes}
    assert [path for path, methods in PATHS.items() if "options" not in methods] == []
    assert [path for path, methods in PATHS.items() if methods["options"].get("security")] == []


@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_preflight_is_text_although_every_body_is_binary(path: str) -> None:
    """Without contentHandling API Gateway cannot run a mock beside `*/*`, and answers every preflight 500."""
    assert API["Body"]["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    mock = PATHS[path]["options"][INTEGRATION]
    assert mock["type"] == "mock"
    assert mock["contentHandling"] == "CONVERT_TO_TEXT"
    assert mock["responses"]["default"]["contentHandling"] == "CONVERT_TO_TEXT"


def _headers_read() -> set[str]:
    """Names of request headers that the code asks for, in lower case as it asks for them."""
    text = "\n".join(
        path.read_text() for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")
    )
    named = dict(re.findall(r'^([A-Z_]+) = "([a-z-]+)"', text, re.MULTILINE))
    asked = re.findall(r'headers(?:\.get\(|\[)(?:"([a-z-]+)"|([A-Z_]+))', text)
    return {literal or named[constant] for literal, constant in asked}


def test_a_browser_may_send_every_header_that_the_code_reads() -> None:
    said = PATHS["/fhir/{type}"]["options"][INTEGRATION]["responses"]["default"]["responseParameters"]
    allowed = str(said["method.response.header.Access-Control-Allow-Headers"]).strip("'").lower().split(",")
    read = _headers_read()
    assert {"purpose-of-use", "idempotency-key", "if-match", "if-none-match", "if-none-exist"} <= read
    assert read <= set(allowed)
    # Every client sends these two with a body; Prefer is FHIR's (http.html, 3.1.0.1.8).
    assert {"content-type", "prefer"} <= set(allowed)


def test_a_browser_may_use_every_method() -> None:
    said = PATHS["/fhir/{type}"]["options"][INTEGRATION]["responses"]["default"]["responseParameters"]
    allowed = str(said["method.response.header.Access-Control-Allow-Methods"]).strip("'").split(",")
    assert {method for method, _ in ALL} <= set(allowed)


# Written out here, apart from the tables: a door that opens by mistake is seen.
WITHOUT_TOKEN = {
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/fhir/.well-known/smart-configuration"),
    ("GET", "/fhir/metadata"),
    ("GET", "/ledger/blocks/{strand}/{n}"),
    ("GET", "/ledger/checkpoints/{strand}/{n}/proof"),
    ("GET", "/ledger/digest"),
    ("GET", "/ledger/epochs"),
    ("GET", "/ledger/events/{id}"),
    ("GET", "/ledger/events/{id}/proof"),
    ("GET", "/ledger/events/{id}/receipt"),
    ("GET", "/ledger/feed"),
    ("GET", "/ledger/genesis"),
    ("GET", "/ledger/verify"),
    ("GET", "/ledger/{strand}/checkpoint"),
    ("GET", "/ledger/{strand}/tile/{path+}"),
    ("GET", "/openapi.json"),
    ("POST", "/auth/token"),
    ("POST", "/fhir/Organization"),
    ("POST", "/identity/devices"),
}


def test_only_the_listed_routes_need_no_token() -> None:
    is_open = {route for route, said in ALL.items() if said.get("Auth", {}).get("Authorizer") == "NONE"}
    assert is_open == WITHOUT_TOKEN
