"""The words about a use case: summary, callers, parameters, and the schemas of its request and answers.

Each service keeps them in `api.py`, by use case, so that method and path stand in its `routes.py` alone. The
generator of `infra/routes.py` reads them. No handler does, and no zip holds them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]
# A FHIR type, a name of the service's own SCHEMAS, or a media type with a slash, whose body is no JSON.
# `{type}` is the type that the route's path spells out, or any resource.
Body = str


@dataclass(frozen=True)
class Operation:
    """One use case in words. `anyone` is the reason why it needs no token; empty: it needs one.

    `answers` are the statuses of success with their bodies. `refusals` are further statuses, beside those
    that every route of its method has.
    """

    summary: str
    answers: Mapping[int, Body]
    who: str = ""
    anyone: str = ""
    body: Body = ""
    query: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()


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
# An object of FHIR or of a contract, whose members other schemas judge.
OPEN: Schema = {"type": "object", "additionalProperties": True}
RECEIPT: Schema = object_of({"event": TEXT, "certificate": {"type": ["string", "null"]}})
