"""JSON Schemas (2020-12) for R4 types, built from the facts at first use and compiled once.

Here a resource inside another (`contained`, `Bundle.entry.resource`) is only "an object with a resourceType".
Its own schema judges it. So no schema has to try all types in turn, which took seconds per Bundle. A part
that stands for a rule carries `issue`, the words of the finding.
"""

from functools import cache
from typing import Any

from carevouch.fhir.definitions import Element, Kind, ancestors, elements
from carevouch.fhir.invariants import INVARIANTS, any_of, has
from carevouch.fhir.primitives import SCHEMAS

Schema = dict[str, Any]

# Any resource, as its container sees it.
_RESOURCE: Schema = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}},
}


@cache
def validator(type_: str) -> Any:
    """The compiled schema of a resource type. Raises `KeyError` for an unknown type."""
    import jsonschema_rs  # 15 ms that only callers who validate should pay

    # The linear-time engine: a crafted string costs no more than its length.
    return jsonschema_rs.Draft202012Validator(schema(type_), pattern_options=jsonschema_rs.RegexOptions())


@cache
def schema(type_: str) -> Schema:
    """The schema of a resource type, with only the definitions that it reaches."""
    definitions: dict[str, Schema] = {}
    waiting = [type_]
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _definition(name, name == type_)
            waiting.extend(
                kind.type for element in elements(name) for kind in element.kinds if not kind.primitive
            )
            waiting.append("Element")
    definitions |= {name: {"title": name, **body} for name, body in SCHEMAS.items()}
    # In an array of primitives, null holds the place of a value that has only extensions.
    for name, body in SCHEMAS.items():
        definitions[f"{name}?"] = {"title": name, **body, "type": [body["type"], "null"]}
    return {"$ref": f"#/$defs/{type_}", "$defs": definitions}


def _definition(type_: str, root: bool) -> Schema:
    if type_ in ("Resource", "DomainResource"):
        return _RESOURCE
    properties: dict[str, Any] = {"resourceType": {"const": type_}} if root else {}
    required = ["resourceType"] if root else []
    rules: list[Schema] = []
    for element in elements(type_):
        for name, kind in element.names().items():
            value = _value(kind, element.many)
            properties[name] = _array(value) if element.many else value
            if kind.primitive and not (element.name == "id" and kind.type in ("id", "string")):
                sibling: Schema = {"$ref": "#/$defs/Element"}
                siblings = _array({"anyOf": [sibling, {"type": "null"}]})
                properties[f"_{name}"] = siblings if element.many else sibling
        if element.required and not element.choice and not element.kinds[0].primitive:
            required.append(element.name)
        else:
            rules += _presence(element)
    for name in ancestors(type_):
        rules += [
            _rule("invariant", "", f"{text} ({key})", body) for key, text, body in INVARIANTS.get(name, ())
        ]
    if type_ == "Extension":
        choice = next(tuple(element.names()) for element in elements(type_) if element.choice)
        either = {"oneOf": [{"required": ["extension"]}, any_of(*choice)]}
        message = "an extension has either a value or extensions (ext-1)"
        rules.append(_rule("invariant", "", message, either))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "minProperties": 1,
        **({"allOf": rules} if rules else {}),
    }


def _array(items: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": items}


def _value(kind: Kind, nullable: bool) -> Schema:
    if kind.type == "code" and kind.allowed:
        return {"title": "code", "enum": [*kind.allowed, None] if nullable else list(kind.allowed)}
    reference = {"$ref": f"#/$defs/{kind.type}{'?' if nullable and kind.primitive else ''}"}
    if kind.type == "Reference" and kind.allowed:
        # A literal or conditional reference that shows its type must show an allowed one.
        pattern = rf"\A(?:(?:{'|'.join(kind.allowed)})[/?]|[^A-Z]|[A-Z][A-Za-z0-9+.\-]*:)"
        *others, last = kind.allowed
        targets = f"{', '.join(others)} or {last}" if others else last
        issue = {"code": "value", "element": "", "message": f"the reference must be to {targets}"}
        return {**reference, "properties": {"reference": {"pattern": pattern, "issue": issue}}}
    return reference


def _presence(element: Element) -> list[Schema]:
    """A choice appears in at most one form, a required element in at least one."""
    names = tuple(element.names())
    rules = []
    if len(names) > 1:
        none = {"not": any_of(*names)}
        message = f"only one of the forms of {element.name}[x] may be there"
        rules.append(_rule("structure", f"{element.name}[x]", message, {"oneOf": [none, *map(has, names)]}))
    if element.required:
        label = f"{element.name}[x]" if element.choice else element.name
        rules.append(_rule("required", label, "this element is required", any_of(*names)))
    return rules


def _rule(code: str, element: str, message: str, body: Schema) -> Schema:
    return {**body, "issue": {"code": code, "element": element, "message": message}}
