"""Routes: one list for each service, from which its handler serves.

A handler reads method, path and use case. The words and schemas about a use case lie apart, in the service's
`api.py`. The generator of `infra/routes.py` writes the template's events and preflights and the OpenAPI
description from both.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from carevouch.door.http import Door, Handler, HttpRequest, Reply
from carevouch.kernel.errors import NotFound

UseCase = Callable[[HttpRequest, Any], Reply]
# The bodies that a route takes: JSON of both names, a form too, or whatever the client calls it.
Takes = Literal["json", "form", "any"]


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `fixed` are path variables that the pattern spells out.

    API Gateway allows no `$` in a literal part. So a FHIR operation is a path whose last variable holds its
    name, and `operation` is that name, such as `$submit`.
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
        """The use case's answer; raises `NotFound` for another operation in the same place."""
        variable = self.path.rpartition("/")[2].strip("{}")
        # Some clients escape the dollar, and not every gateway undoes it.
        if self.operation and request.path[variable] not in (self.operation, f"%24{self.operation[1:]}"):
            raise NotFound(f"the only operation here is {self.operation}; GET /fhir/metadata lists all")
        return self.use(replace(request, path={**request.path, **self.fixed}), ports)


def serve(door: Door, routes: Iterable[Route], ports: Callable[[], Any]) -> None:
    """Serve the routes at the door; `ports` is asked when the first request comes."""

    def bound(route: Route) -> Handler:
        return lambda request: route.answer(request, ports())

    for route in routes:
        door.route(route.method, route.path, bound(route), takes=route.takes)
