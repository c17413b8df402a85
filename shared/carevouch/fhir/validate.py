"""Is this valid R4 (4.0.1) JSON? Findings are data, at most 20, each with its exact place.

Structure, cardinalities, primitive forms and required codes come from the schema of the resource's type;
then the invariants of `rules.py`. Each resource inside another is judged by its own schema. A finding
names elements, types, codes of the standard and rules; it never repeats anything the resource says.
Profiles, terminology beyond required bindings, and what references point to are not judged here.
Standard: http://hl7.org/fhir/R4/validation.html and http://hl7.org/fhir/R4/json.html.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from carevouch.fhir.definitions import resource_types
from carevouch.fhir.primitives import FORMS
from carevouch.fhir.rules import broken, of_type
from carevouch.fhir.schema import schema, validator
from carevouch.fhir.survey import NotJson, Path, ResourceSurvey, finding, spelled
from carevouch.kernel.errors import Invalid, Issue

# Enough to mend a resource in one go; a Bundle with a systematic fault does not answer with megabytes.
MAX_ISSUES = 20
# Bundle in Parameters in Bundle: nobody needs more, and the walk ends.
_MAX_NESTED = 8
# The library collects every fault before it shows one, 20 microseconds each: a large resource made of faults
# alone would take minutes, so of resources with more members than this only the first fault is told.
_MAX_EXPLAINED = 10_000
_SHAPES = {"object": "a JSON object", "array": "an array", "string": "a string", "boolean": "true or false",
           "number": "a number", "integer": "a whole number"}  # fmt: skip


def check(value: Any, where: str | None = None) -> list[Issue]:
    """What is wrong with a resource as `jsontext.parse` gives it; nothing, when it is valid R4.

    `where` is the place of the resource in what the caller sent, its type when omitted. Never raises for any
    value that JSON can spell, nor for one that it cannot.
    """
    return list(islice(_check(value, where, 0), MAX_ISSUES))


def check_shell(value: Any) -> list[Issue]:
    """As `check`, but without judging the resources that a Bundle or Parameters carries in its entries."""
    return list(islice(_check(value, None, 0, inside=False), MAX_ISSUES))


def require_valid(value: Any, type_: str | None = None) -> dict[str, Any]:
    """`value`, when it is a valid resource (of `type_`, if given); raises `Invalid` with the issues."""
    issues = _wrong_type(value, type_) if type_ else []
    issues = issues or check(value)
    if issues:
        first = issues[0]
        raise Invalid(f"{first.where}: {first.message}", issues=tuple(issues))
    checked: dict[str, Any] = value
    return checked


def _wrong_type(value: Any, type_: str) -> list[Issue]:
    if isinstance(value, dict) and value.get("resourceType") != type_:
        return [Issue(f"this must be {type_}", f"{type_}.resourceType", "structure")]
    return []


def _check(value: Any, where: str | None, nested: int, *, inside: bool = True) -> Iterator[Issue]:
    if not isinstance(value, dict):
        yield Issue("a resource is a JSON object", where or "Resource", "structure")
        return
    type_ = value.get("resourceType")
    if not isinstance(type_, str) or type_ not in resource_types():
        yield Issue(
            "this must name a resource type of FHIR R4", f"{where or 'Resource'}.resourceType", "structure"
        )
        return
    root = where or type_
    if nested > _MAX_NESTED:
        yield Issue(f"resources nest deeper than {_MAX_NESTED} levels", root, "too-costly")
        return
    outer, inner = _apart(value)
    yield from _check_one(outer, type_, root, nested)
    for path, resource in inner if inside else ():
        yield from _check(resource, spelled(path, root), nested + 1)


def _check_one(resource: dict[str, Any], type_: str, root: str, nested: int) -> Iterator[Issue]:
    survey = ResourceSurvey()
    try:
        plain = survey.read(resource)
        valid = validator(type_).is_valid(plain)
    except NotJson as error:
        yield finding(error.path, root, error.message, "structure")
        return
    except (ValueError, UnicodeError):
        yield Issue("this holds a name or text that JSON cannot spell", root, "structure")
        return
    if not valid:
        yield from _structure(plain, type_, root, survey.size > _MAX_EXPLAINED)
        return
    yield from broken(resource, survey, root)
    yield from _check_contained(plain, root, nested, survey.size > _MAX_EXPLAINED)


def _check_contained(resource: dict[str, Any], root: str, nested: int, large: bool) -> Iterator[Issue]:
    for index, inner in enumerate(resource.get("contained", [])):
        place = f"{root}.contained[{index}]"
        if inner["resourceType"] not in resource_types():
            yield Issue("this must name a resource type of FHIR R4", f"{place}.resourceType", "structure")
        elif not validator(inner["resourceType"]).is_valid(inner):
            yield from _structure(inner, inner["resourceType"], place, large)
        else:
            yield from of_type(inner, place)
            for path, deeper in _apart(inner)[1]:
                yield from _check(deeper, spelled(path, place), nested + 1)


# --- resources inside Bundle and Parameters ----------------------------------------------------------------


def _apart(value: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[Path, Any]]]:
    """The resource with stubs for those that Bundle and Parameters carry, and these with their paths."""
    inner: list[tuple[Path, Any]] = []
    if value["resourceType"] == "Bundle" and isinstance(value.get("entry"), list):
        entries = [_stub_entry(entry, ("entry", i), inner) for i, entry in enumerate(value["entry"])]
        return {**value, "entry": entries}, inner
    if value["resourceType"] == "Parameters":
        return _stub_parts(value, "parameter", (), inner), inner
    return value, inner


def _stub_entry(entry: Any, path: Path, inner: list[tuple[Path, Any]]) -> Any:
    if not isinstance(entry, dict):
        return entry
    entry = _stub(entry, "resource", path, inner)
    if isinstance(entry.get("response"), dict):
        response = _stub(entry["response"], "outcome", (*path, "response"), inner)
        entry = {**entry, "response": response}
    return entry


def _stub_parts(
    owner: dict[str, Any], name: str, path: Path, inner: list[tuple[Path, Any]]
) -> dict[str, Any]:
    parts = owner.get(name)
    if not isinstance(parts, list) or len(path) > 2 * _MAX_NESTED:
        return owner
    stubbed = []
    for index, part in enumerate(parts):
        if isinstance(part, dict):
            place = (*path, name, index)
            part = _stub_parts(_stub(part, "resource", place, inner), "part", place, inner)
        stubbed.append(part)
    return {**owner, name: stubbed}


def _stub(owner: dict[str, Any], name: str, path: Path, inner: list[tuple[Path, Any]]) -> dict[str, Any]:
    resource = owner.get(name)
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return owner
    inner.append(((*path, name), resource))
    return {**owner, name: {key: resource[key] for key in ("resourceType", "meta") if key in resource}}


# --- the schema library's findings in our words ------------------------------------------------------------


def _structure(plain: dict[str, Any], type_: str, root: str, large: bool) -> Iterator[Issue]:
    seen: set[Issue] = set()
    for error in _first(plain, type_) if large else validator(type_).iter_errors(plain):
        for issue in _worded(error, schema(type_), root):
            if issue not in seen:
                seen.add(issue)
                yield issue


def _first(plain: dict[str, Any], type_: str) -> list[Any]:
    import jsonschema_rs

    try:
        validator(type_).validate(plain)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []


def _worded(error: Any, whole: dict[str, Any], root: str) -> Iterator[Issue]:
    steps = _steps(whole, error.schema_path)
    rule = next((step["issue"] for step in reversed(steps) if "issue" in step), None)
    if rule:
        path = [*error.instance_path, *([rule["element"]] if rule["element"] else [])]
        yield Issue(rule["message"], _placed(path, root), rule["code"])
    elif error.schema_path[-1] == "additionalProperties":
        for name in error.kind.unexpected:
            yield finding([*error.instance_path, name], root, "R4 has no such element here", "structure")
    elif error.schema_path[-1] == "required":
        path = [*error.instance_path, error.kind.property]
        yield finding(path, root, "this element is required", "required")
    else:
        code, message = _sentence(str(error.schema_path[-1]), steps[-1])
        yield finding(error.instance_path, root, message, code)


def _placed(path: list[str | int], root: str) -> str:
    # The name of a choice, value[x], is no identifier.
    if path and isinstance(path[-1], str) and path[-1].endswith("[x]"):
        return f"{spelled(path[:-1], root)}.{path[-1]}"
    return spelled(path, root)


def _steps(whole: dict[str, Any], path: list[str | int]) -> list[dict[str, Any]]:
    """The schemas on the way to the keyword that failed, the innermost last."""
    here: Any = whole
    found = [whole]
    for step in path[:-1]:
        here = here[step]
        if isinstance(here, dict):
            found.append(here)
    return found


def _sentence(keyword: str, part: dict[str, Any]) -> tuple[str, str]:
    form = FORMS.get(part.get("title", ""))
    if keyword == "enum":
        codes = [code for code in part["enum"] if code is not None]
        shown = ", ".join(codes[:12]) + (", …" if len(codes) > 12 else "")
        return "code-invalid", f"this must be one of the codes {shown}"
    if keyword == "maxLength":
        return "too-long", f"a string may have at most {part['maxLength']} characters"
    if keyword in ("minItems", "minProperties"):
        return "structure", "an array or object must not be empty; leave the element out instead"
    if form:
        return ("structure" if keyword == "type" else "value"), f"this must be {form}"
    if keyword == "type":
        shape = part["type"] if isinstance(part["type"], str) else part["type"][0]
        return "structure", f"this must be {_SHAPES[shape]}"
    return "structure", "this does not have the form that R4 gives it"
