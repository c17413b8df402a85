"""The words about a use case: its summary, callers and parameters, and the schemas of request and answers.

Each service has them in `api.py`, by use case, because only `routes.py` has method and path. The generator
`infra/routes.py` reads them. No handler imports them, and no zip has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]
# A FHIR type, a name of the service's own SCHEMAS, or a media type, which has a slash and no schema.
# `{type}` is the type that the route's path spells out, or any resource. `A | B` is either of two, and a
# final `?` says that the body may be left out.
Body = str


@dataclass(frozen=True)
class Operation:
    """One use case in words.

    `anyone` is the reason why the route needs no token; it is empty if the route needs one. `answers` are
    the statuses of success with their bodies. `refusals` are statuses beside those that every route of the
    same method has. `headers` are request headers beside those that the method implies.
    """

    summary: str
    answers: Mapping[int, Body]
    who: str = ""
    anyone: str = ""
    body: Body = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    refusals: tuple[int, ...] = ()


def bodies_of(body: Body, type_: str) -> tuple[str, ...]:
    """The names in a body, with `type_` for `{type}`; none for an empty body."""
    return tuple(filter(None, body.removesuffix("?").replace("{type}", type_).split(" | ")))


def object_of(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """The schema of a JSON object with exactly these members."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def list_of(items: Schema) -> Schema:
    """The schema of an array."""
    return {"type": "array", "items": items}


TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
# An object whose members have a definition elsewhere, such as a contract or a page of the log.
OPEN: Schema = {"type": "object", "additionalProperties": True}
RECEIPT: Schema = object_of({"event": TEXT, "certificate": TEXT_OR_NULL})
