"""The door kit: what a handler is told of a request, and what a caller is told of an outcome."""

from collections.abc import Callable

import pytest

from carevouch.door.http import STATUS, Door, HttpRequest, Reply, Route
from carevouch.fhir.validate import check
from carevouch.kernel import errors
from carevouch.kernel.errors import OutcomeUnknown
from tests.api import Api


def door(
    handler: Callable[[HttpRequest], Reply], path: str = "/fhir/{type}/{id}", method: str = "PUT"
) -> Api:
    made = Door("test", lambda: "https://app.example")
    made.serve([Route(method, path, lambda request, _: handler(request))], lambda: None)
    return Api(made)


def test_the_same_key_on_another_document_is_another_request() -> None:
    told: list[bytes] = []

    def keep(incoming: HttpRequest) -> Reply:
        told.append(incoming.content())
        return Reply(200, {})

    api = door(keep)
    for path in (
        "/fhir/Observation/a",
        "/fhir/Observation/b",
        "/fhir/Observation/a?x=1",
        "/fhir/Observation/a",
    ):
        api.call("PUT", path, {"same": True})
    assert len(set(told)) == 3
    assert told[0] == told[3]


@pytest.mark.parametrize("kind", sorted(STATUS, key=str))
def test_every_error_has_its_status_and_says_what_to_mend(kind: type[errors.DomainError]) -> None:
    def fail(_incoming: HttpRequest) -> Reply:
        raise kind("mend this")

    answer = door(fail).call("PUT", "/fhir/Observation/a", {})
    issue = answer.json()["issue"][0]
    assert check(answer.json()) == []
    # A client may switch on this code; an erased person has the code of one who never was.
    told = errors.NotFound.code if kind is errors.Erased else kind.code
    assert issue["details"]["coding"] == [{"system": "urn:carevouch:error", "code": told}]
    assert answer.status == STATUS[kind]
    assert issue["diagnostics"] == ("mend this" if kind is not errors.Erased else issue["diagnostics"])
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


def test_no_error_of_ours_is_without_a_status() -> None:
    kinds = {
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.DomainError)
    }
    assert kinds - {errors.DomainError} <= set(STATUS)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(KeyError("Aldora"), 500), (errors.IntegrityFault("Aldora"), 500), (OutcomeUnknown("Aldora"), 503)],
)
def test_a_fault_of_ours_tells_neither_caller_nor_log_what_it_held(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, fault: Exception, status: int
) -> None:
    def fail(_incoming: HttpRequest) -> Reply:
        raise fault

    answer = door(fail).call("PUT", "/fhir/Observation/a", {})
    assert answer.status == status
    out, err = capfd.readouterr()
    assert "Aldora" not in answer.body.decode() + out + err + caplog.text


def test_a_log_line_names_the_route_and_not_the_path(caplog: pytest.LogCaptureFixture) -> None:
    door(lambda _: Reply(200, {})).call("PUT", "/fhir/Observation/secret-id?code=secret", {})
    routes = [record.__dict__.get("route") for record in caplog.records]
    assert "PUT /fhir/{type}/{id}" in routes
    assert "secret" not in caplog.text + "".join(str(record.__dict__) for record in caplog.records)


def test_an_error_outside_fhir_is_a_problem_document() -> None:
    def fail(_incoming: HttpRequest) -> Reply:
        raise errors.Conflict("taken")

    answer = door(fail, "/identity/{id}").call("PUT", "/identity/a", {})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:carevouch:error:conflict",
        "title": "conflict",
        "status": 409,
        "detail": "taken",
    }


@pytest.mark.parametrize("accept", ["", "text/html", "application/fhir+json", "*/*"])
@pytest.mark.parametrize("kind", ["application/octet-stream", "application/cose", "text/plain"])
def test_bytes_are_served_whatever_the_client_says_it_takes(accept: str, kind: str) -> None:
    """A tile has one form: a browser, curl or a bare HTTP client gets it alike."""
    api = door(lambda _: Reply(200, b"\x00\xff", {}, kind), "/tile/{n}", "GET")
    answer = api.call("GET", "/tile/0", headers={"accept": accept})
    assert (answer.status, answer.body) == (200, b"\x00\xff")
