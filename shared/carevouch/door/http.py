"""The door kit: from an API Gateway event to a use case, and from its reply or error back to HTTP.

Each service lists its routes once, as method, path and use case. The summaries, callers and schemas of the
use cases lie in the service's `api.py`, which no handler imports. `infra/routes.py` writes the template's
events and preflights and the OpenAPI description from both.

One table says which error becomes which status. FHIR routes answer errors as an OperationOutcome, other
routes as an RFC 9457 problem. Both say what to mend. Neither says anything about a person. The log has the
route's pattern and never the path, because a path may hold an id. It has the class and place of an
unexpected error and never its message.
"""

import json
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import unquote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from chalice.app import Chalice, Response

from carevouch.fhir.outcome import from_issues
from carevouch.identity.caller import Caller, TokenFacts, caller_of
from carevouch.kernel import errors
from carevouch.kernel.errors import DomainError, IntegrityFault, OutcomeUnknown
from carevouch.kernel.jsontext import parse, render

FHIR_JSON = "application/fhir+json"
CONTENT_TYPES = ["application/json", FHIR_JSON]
# The content types that a route takes beside JSON. `any` is for protocols whose clients name no type or
# one of their own.
Takes = Literal["json", "form", "any"]
ALSO_TAKEN: dict[Takes, list[str]] = {
    "json": [],
    "form": ["application/x-www-form-urlencoded"],
    "any": ["*/*"],
}
# Lambda's own limit for an event is 6 MB, and a body grows by a third in base64.
MAX_BODY_BYTES = 4_000_000
TEXT = "text/plain; charset=utf-8"
# For answers that may differ at the next request.
FRESH = {"Cache-Control": "no-cache"}
# The one answer about a person who is absent, refused or erased.
ABSENT = "no such resource, or it may not be read"
# The headers with the conditions of a write (http://hl7.org/fhir/R4/http.html).
CONDITIONS = ("if-match", "if-none-exist")

STATUS: dict[type[DomainError], int] = {
    errors.Malformed: 400,
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Erased: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.Unprocessable: 422,
    errors.Busy: 503,
    errors.Unreachable: 503,
}
# FHIR's IssueType for each (http://hl7.org/fhir/R4/valueset-issue-type.html).
ISSUE_TYPE = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    409: "conflict",
    412: "conflict",
    413: "too-long",
    422: "processing",
    500: "exception",
    503: "transient",
}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request in domain words. `query` keeps repeated parameters; `path` holds the route's variables."""

    method: str
    url: str
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller | None
    request_id: str = ""

    def json(self, what: str = "the body") -> Any:
        """The parsed body; raises `TooLarge`, `Malformed`."""
        if len(self.body) > MAX_BODY_BYTES:
            limit = f"{MAX_BODY_BYTES // 1_000_000} MB"
            raise errors.TooLarge(
                f"{what} is larger than {limit}; split it into several Bundles, such as one a year"
            )
        return parse(self.body, what)

    def object(self, what: str = "the body") -> dict[str, Any]:
        """The parsed body, if it is a JSON object."""
        value = self.json(what)
        if not isinstance(value, dict):
            raise errors.Malformed(f"{what} is not a JSON object")
        return value

    def signed_in(self) -> Caller:
        """The caller; raises `Unauthenticated` on a route that should have had an authorizer."""
        if self.caller is None:
            raise errors.Unauthenticated("this request needs a token; get one from POST /auth/token")
        return self.caller

    def once(self, name: str) -> str | None:
        """A query parameter that may be given only once, or None; raises `Invalid` if it is repeated."""
        values = self.query.get(name, [])
        if len(values) > 1:
            raise errors.Invalid(f"{name} is given {len(values)} times; give it once")
        return values[0] if values else None

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header: 1 to 255 visible characters."""
        key = self.headers.get("idempotency-key")
        if key is not None and not (1 <= len(key) <= 255 and key.isprintable()):
            raise errors.Invalid("Idempotency-Key has 1 to 255 visible characters")
        return key

    def content(self) -> bytes:
        """The bytes that must be the same for one Idempotency-Key: method, URL, conditions and body."""
        told = (self.method, self.url, *(self.headers.get(name, "") for name in CONDITIONS))
        return b"\n".join((*(text.encode() for text in told), self.body))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. A dict is rendered as JSON with its decimals unchanged. Bytes are sent unchanged."""

    status: int
    body: dict[str, Any] | bytes | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


UseCase = Callable[[HttpRequest, Any], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a service's table.

    API Gateway allows no `$` in a literal part. So the last variable in the path of a FHIR operation holds
    the operation's name, and `operation` is that name, such as `$submit`. `fixed` has the path variables
    whose values the path spells out, such as the type in `/fhir/Claim/{id}`.
    """

    method: str
    path: str
    use: UseCase
    operation: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    takes: Takes = "json"

    @property
    def public_path(self) -> str:
        """The path as a client writes it."""
        head, _, variable = self.path.rpartition("/")
        return f"{head}/{self.operation}" if self.operation and variable.startswith("{") else self.path

    def answer(self, request: HttpRequest, ports: Any) -> Reply:
        """The use case's reply; raises `NotFound` if the path names another operation."""
        variable = self.path.rpartition("/")[2].strip("{}")
        # Some clients escape the dollar, and some gateways leave it escaped.
        if self.operation and request.path[variable] not in (self.operation, f"%24{self.operation[1:]}"):
            raise errors.NotFound(
                f"the only operation here is {self.operation}; GET /fhir/metadata lists all operations"
            )
        return self.use(replace(request, path={**request.path, **self.fixed}), ports)


class Door:
    """One service's Chalice app, with logging, metrics and the error table around every route."""

    def __init__(self, service: str, cors_origin: Callable[[], str] = lambda: "*") -> None:
        self.chalice = _Chalice(service, cors_origin)
        # Register no binary types, or Chalice refuses clients whose Accept header does not ask for bytes.
        # `_Bytes` marks the bodies that are bytes.
        self.chalice.api.binary_types[:] = []
        self.logger = Logger(service=service)
        # Powertools' `Metrics` is one set for the whole process, so two doors would write each other's
        # metrics.
        self.metrics = EphemeralMetrics(namespace="Carevouch", service=service)

    def serve(self, routes: Iterable[Route], ports: Callable[[], Any]) -> None:
        """Serve these routes. `ports` is called for each request, so nothing is built at import."""
        for route in routes:
            self._add(route, ports)

    def _add(self, route: Route, ports: Callable[[], Any]) -> None:
        def view(**variables: str) -> Response:
            return self._answer(route, variables, ports)

        view.__name__ = f"{route.method}_{route.path}".replace("/", "_")
        content_types = [*CONTENT_TYPES, *ALSO_TAKEN[route.takes]]
        self.chalice.route(
            route.path, methods=[route.method], content_types=content_types, name=view.__name__
        )(view)

    def _answer(self, route: Route, variables: dict[str, str], ports: Callable[[], Any]) -> Response:
        started = time.perf_counter()
        fhir = route.path.startswith("/fhir")
        code = "ok"
        try:
            reply = route.answer(self._incoming(route.method, variables), ports())
        except DomainError as error:
            reply, code = refusal(error, fhir=fhir), error.code
        except (OutcomeUnknown, IntegrityFault) as fault:
            reply, code = failure(fault, fhir=fhir), type(fault).__name__
            self.logger.error("fault", extra={"fault": code, "where": _where(fault)})
        except Exception as bug:  # noqa: BLE001 - the outermost shell: its message may hold personal data
            reply, code = failure(bug, fhir=fhir), type(bug).__name__
            self.logger.error("bug", extra={"fault": code, "where": _where(bug)})
        event = reply.headers.get("Carevouch-Event")
        seconds = time.perf_counter() - started
        self._report(f"{route.method} {route.path}", reply.status, code, event, seconds)
        return _response(reply, fhir=fhir)

    def _incoming(self, method: str, variables: dict[str, str]) -> HttpRequest:
        request: Any = self.chalice.current_request
        query = request.query_params
        names = list(query) if query else []
        context = request.context.get("authorizer") or {}
        return HttpRequest(
            method=method,
            url=_url(request),
            # Chalice gives a view only variables with plain names, and so not that of `{path+}`.
            path={
                **(request.uri_params or {}),
                **{name: unquote(value) for name, value in variables.items()},
            },
            query={name: query.getlist(name) for name in names} if query else {},
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.raw_body,
            caller=_caller(context),
            request_id=str(request.context.get("requestId", "")),
        )

    def _report(self, route: str, status: int, code: str, event: str | None, seconds: float) -> None:
        facts = {"route": route, "status": status, "code": code, "ms": round(seconds * 1000, 1)}
        self.logger.info("request", extra={**facts, **({"event": event} if event else {})})
        self.metrics.add_metric(name=f"Answers{status // 100}xx", unit=MetricUnit.Count, value=1)
        if status in (401, 403, 404):
            self.metrics.add_metric(name="Refusals", unit=MetricUnit.Count, value=1)
        print(json.dumps(self.metrics.serialize_metric_set()))  # noqa: T201 - EMF is read from standard output
        self.metrics.clear_metrics()


def refusal(error: DomainError, *, fhir: bool) -> Reply:
    """The answer to a caller's mistake, by the table of statuses."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    said = ABSENT if isinstance(error, errors.Erased) else error.message
    headers = {"Retry-After": "2"} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    # Neither the message nor the code may distinguish an erased person from one who never existed.
    code = errors.NotFound.code if isinstance(error, errors.Erased) else error.code
    issues = error.issues or (errors.Issue(said, code=ISSUE_TYPE[status]),)
    if not fhir:
        detail = "; ".join(": ".join(filter(None, (issue.where, issue.message))) for issue in issues)
        return _problem(status, code, detail, headers)
    return Reply(status, from_issues(issues, code), headers)


def failure(fault: BaseException, *, fhir: bool) -> Reply:
    """The answer to a fault of ours: 503 if a retry may help, else 500. It never has the fault's message."""
    if isinstance(fault, OutcomeUnknown):
        unknown = errors.Busy("the outcome is not known; repeat the request with its Idempotency-Key")
        return refusal(unknown, fhir=fhir)
    said = "the server met a fault of its own; it was logged without your data"
    if isinstance(fault, IntegrityFault):
        said = "what is stored does not match what was signed; the operator has been alerted"
    if not fhir:
        return _problem(500, "exception", said, {})
    return Reply(500, from_issues((errors.Issue(said, code="exception"),), severity="fatal"))


class _Chalice(Chalice):
    """Chalice whose 415 says what to mend, and which lets browser apps of one origin read every answer."""

    def __init__(self, service: str, cors_origin: Callable[[], str]) -> None:
        super().__init__(app_name=service, configure_logs=False)
        self._cors_origin = cors_origin

    def __call__(self, event: Any, context: Any) -> Any:
        answer = super().__call__(event, context)
        if answer["statusCode"] == 415:
            path = str((event.get("requestContext") or {}).get("resourcePath", ""))
            fhir, said = path.startswith("/fhir"), f"send the body as {FHIR_JSON} or application/json"
            reply = _problem(415, "unsupported-media-type", said, {})
            if fhir:
                reply = Reply(415, from_issues((errors.Issue(said, code="not-supported"),)))
            answer = _response(reply, fhir=fhir).to_dict(self.api.binary_types)
        cors = {"Access-Control-Allow-Origin": self._cors_origin(), "Access-Control-Expose-Headers": "*"}
        return {**answer, "headers": {**answer["headers"], **cors}}


def _response(reply: Reply, *, fhir: bool) -> Response:
    kind = reply.content_type or (FHIR_JSON if fhir else "application/json")
    body: Any = reply.body
    if isinstance(body, dict):
        body = render(body).decode("utf-8")
    elif body is None:
        body = ""
    headers: dict[str, str | list[str]] = {
        "Content-Type": kind,
        "Cache-Control": "no-store",
        **reply.headers,
    }
    kind_of = _Bytes if isinstance(body, bytes) else Response
    return kind_of(body=body, status_code=reply.status, headers=headers)


class _Bytes(Response):
    """An answer of bytes, which goes to API Gateway in base64, whatever its content type is."""

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        return super().to_dict([str(self.headers["Content-Type"])])


def _problem(status: int, code: str, detail: str, headers: Mapping[str, str]) -> Reply:
    body = {"type": f"urn:carevouch:error:{code}", "title": code, "status": status, "detail": detail}
    return Reply(status, body, headers, "application/problem+json")


def _caller(context: Mapping[str, Any]) -> Caller | None:
    if not context.get("client"):
        return None
    device = context.get("device") or None
    kind, client, scope, jti = (str(context[name]) for name in ("kind", "client", "scope", "jti"))
    return caller_of(TokenFacts(kind, client, scope, jti, device))


def _url(request: Any) -> str:
    # Chalice's path is the route's pattern. The values of its variables are part of the request too.
    path = str(request.path)
    for name, value in (request.uri_params or {}).items():
        path = path.replace(f"{{{name}}}", value).replace(f"{{{name}+}}", value)
    query = request.query_params
    if not query:
        return path
    return path + "?" + "&".join(f"{name}={value}" for name in sorted(query) for value in query.getlist(name))


def _where(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    return " < ".join(
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-4:])
    )
