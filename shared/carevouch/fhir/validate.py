"""Validation: is this valid R4 (4.0.1) JSON? Findings are data, at most 20, each with its exact place.

The type's schema judges structure, cardinalities, primitive forms and required codes. Then come the
invariants of `rules.py`. A resource inside another is judged by its own schema. A finding names elements,
types, standard codes and rules. It never repeats any content of the resource. Profiles, terminology beyond
required bindings, and the targets of references are not judged here. Standard:
http://hl7.org/fhir/R4/validation.html and http://hl7.org/fhir/R4/json.html.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from carevouch.fhir.definitions import resource_types
from carevouch.fhir.primitives import FORMS
from carevouch.fhir.rules import rule_issues, type_rule_issues
from carevouch.fhir.schema import schema, validator
from carevouch.fhir.survey import NotJson, Path, ResourceSurvey, finding, place_of
from carevouch.kernel.errors import Invalid, Issue

# Enough to mend a resource in one go; a Bundle with a systematic fault does not get megabytes as its answer.
MAX_ISSUES = 20
# A Bundle in Parameters in a Bundle is as deep as anybody needs, and the walk must end.
_MAX_NESTED = 8
# The library collects every fault before it shows one, 20 microseconds each. A large resource of faults alone
# would take minutes, so a resource with more members than this gets only its first fault.
_MAX_EXPLAINED = 10_000
_SHAPES = {"object": "a JSON object", "array": "an array", "string": "a string", "boolean": "true or false",
           "number": "a number", "integer": "a whole number"}  # fmt: skip


def check(value: Any, where: str | None = None) -> list[Issue]:
    """The faults of a resource, as `jsontext.parse` gives it. Valid R4 has none.

    `where` is the place of the resource in the request, by default its type. This never raises, not even for
    a value that JSON cannot hold.
    """
    return list(islice(_check(value, where, 0), MAX_ISSUES))


def check_shell(value: Any) -> list[Issue]:
    """As `check`, but without the resources in the entries of a Bundle or Parameters."""
    return list(islice(_check(value, None, 0, with_inner=False), MAX_ISSUES))


def require_valid(value: Any, type_: str | None = None) -> dict[str, Any]:
    """`value`, if it is a valid resource (of `type_`, if given). Raises `Invalid` with the issues."""
    if type_ and isinstance(value, dict) and value.get("resourceType") != type_:
        issues = [Issue(f"this must be {type_}", f"{type_}.resourceType", "structure")]
    else:
        issues = check(value)
    if issues:
        first = issues[0]
        raise Invalid(f"{first.where}: {first.message}", issues=tuple(issues))
    checked: dict[str, Any] = value
    return checked


def _check(value: Any, where: str | None, nested: int, *, with_inner: bool = True) -> Iterator[Issue]:
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
    outer, inner = _split_inner(value)
    yield from _check_one(outer, type_, root, nested)
    for path, resource in inner if with_inner else ():
        yield from _check(resource, place_of(path, root), nested + 1)


def _check_one(resource: dict[str, Any], type_: str, root: str, nested: int) -> Iterator[Issue]:
    """The issues of one resource and of its contained resources, without its entries."""
    survey = ResourceSurvey()
    try:
        plain = survey.read(resource)
        valid = validator(type_).is_valid(plain)
    except NotJson as error:
        yield finding(error.path, root, error.message, "structure")
        return
    except (ValueError, UnicodeError):
        yield Issue("this holds a name or text that JSON cannot hold", root, "structure")
        return
    is_large = survey.size > _MAX_EXPLAINED
    if not valid:
        yield from _schema_issues(plain, type_, root, is_large)
        return
    yield from rule_issues(resource, survey, root)
    for index, inner in enumerate(plain.get("contained", [])):
        place, inner_type = f"{root}.contained[{index}]", inner["resourceType"]
        if inner_type not in resource_types():
            yield Issue("this must name a resource type of FHIR R4", f"{place}.resourceType", "structure")
        elif not validator(inner_type).is_valid(inner):
            yield from _schema_issues(inner, inner_type, place, is_large)
        else:
            yield from type_rule_issues(inner, place)
            for path, deeper in _split_inner(inner)[1]:
                yield from _check(deeper, place_of(path, place), nested + 1)


# --- resources inside Bundle and Parameters ----------------------------------------------------------------


def _split_inner(value: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[Path, Any]]]:
    """The resource with stubs for the resources in its entries, and these with their paths."""
    inner: list[tuple[Path, Any]] = []
    if value["resourceType"] == "Bundle" and isinstance(value.get("entry"), list):
        entries = []
        for index, entry in enumerate(value["entry"]):
            if isinstance(entry, dict):
                path: Path = ("entry", index)
                entry = _stub(entry, "resource", path, inner)
                if isinstance(entry.get("response"), dict):
                    response = _stub(entry["response"], "outcome", (*path, "response"), inner)
                    entry = {**entry, "response": response}
            entries.append(entry)
        return {**value, "entry": entries}, inner
    if value["resourceType"] == "Parameters":
        return _stub_parts(value, "parameter", (), inner), inner
    return value, inner


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


def _schema_issues(plain: dict[str, Any], type_: str, root: str, is_large: bool) -> Iterator[Issue]:
    """Each distinct fault that the schema library finds, or the first one of a large resource."""
    errors: Iterable[Any] = ()
    if is_large:
        import jsonschema_rs

        try:
            validator(type_).validate(plain)
        except jsonschema_rs.ValidationError as first:
            errors = [first]
    else:
        errors = validator(type_).iter_errors(plain)
    yielded: set[Issue] = set()
    for error in errors:
        for issue in _issues_of(error, schema(type_), root):
            if issue not in yielded:
                yielded.add(issue)
                yield issue


def _issues_of(error: Any, whole: dict[str, Any], root: str) -> Iterator[Issue]:
    """One error of the library as issues. A schema on the way to the failed keyword may carry the words."""
    here: Any = whole
    schemas = [whole]  # The innermost is last.
    for step in error.schema_path[:-1]:
        here = here[step]
        if isinstance(here, dict):
            schemas.append(here)
    keyword = str(error.schema_path[-1])
    rule = next((part["issue"] for part in reversed(schemas) if "issue" in part), None)
    if rule and rule["element"].endswith("[x]"):
        # The name of a choice, value[x], is no identifier, so `place_of` would hide it.
        place = f"{place_of(error.instance_path, root)}.{rule['element']}"
        yield Issue(rule["message"], place, rule["code"])
    elif rule:
        path = [*error.instance_path, *([rule["element"]] if rule["element"] else [])]
        yield finding(path, root, rule["message"], rule["code"])
    elif keyword == "additionalProperties":
        for name in error.kind.unexpected:
            yield finding([*error.instance_path, name], root, "R4 has no such element here", "structure")
    elif keyword == "required":
        path = [*error.instance_path, error.kind.property]
        yield finding(path, root, "this element is required", "required")
    else:
        code, message = _explanation(keyword, schemas[-1])
        yield finding(error.instance_path, root, message, code)


def _explanation(keyword: str, part: dict[str, Any]) -> tuple[str, str]:
    """The code and the sentence for a failed keyword of the schema."""
    form = FORMS.get(part.get("title", ""))
    if keyword == "enum":
        codes = [code for code in part["enum"] if code is not None]
        listed = ", ".join(codes[:12]) + (", …" if len(codes) > 12 else "")
        return "code-invalid", f"this must be one of the codes {listed}"
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
